"""The live path on a real stream of a real endpoint; refusals of single records are put into real answers."""

import io
import json
import re
import uuid
from datetime import UTC, datetime

import boto3
import pyarrow.parquet as pq
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from ingestion.json_documents import split_documents
from ingestion.publish import kinesis
from ingestion.publish.kinesis import publish


class Stream:
    def __init__(self):
        self.name = f"publish-{uuid.uuid4().hex[:8]}"
        self.client, self.s3 = boto3.client("kinesis"), boto3.client("s3")
        self.client.create_stream(StreamName=self.name, ShardCount=2)
        self.s3.create_bucket(Bucket=self.name)

    def records(self):
        found = []
        for shard in self.client.list_shards(StreamName=self.name)["Shards"]:
            iterator = self.client.get_shard_iterator(
                StreamName=self.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            found += [
                (shard["ShardId"], it["Data"]) for it in self.client.get_records(ShardIterator=iterator)["Records"]
            ]
        return found

    def documents(self):
        return [document for _, data in self.records() for document in data.split(b"\n")]

    def sent_batches(self):
        keys = [it["Key"] for it in self.s3.list_objects_v2(Bucket=self.name, Prefix="sent/").get("Contents", [])]
        bodies = [self.s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys]
        return keys, [row for body in bodies for row in pq.read_table(io.BytesIO(body)).to_pylist()]


@pytest.fixture
def stream(endpoint):
    return Stream()


@pytest.fixture
def refuse(endpoint, monkeypatch):
    """Let the stream refuse records: `refuse(wanted)` with wanted(call number, record) → refused or not."""
    monkeypatch.setattr(kinesis, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(kinesis, "LONGEST_DELAY_S", 0.002)
    boto3.setup_default_session()
    events, calls, none_left = boto3.DEFAULT_SESSION.events, [], []

    def install(wanted):
        def take_out(params, **_):
            records = params["Records"]
            refused = [index for index, record in enumerate(records) if wanted(len(calls), record)]
            calls.append(refused)
            # The service takes no empty call: where all are refused, the call below does not leave the house.
            params["Records"] = [record for index, record in enumerate(records) if index not in refused] or records
            none_left.append(len(refused) == len(records))

        def skip_call(**_):
            if none_left[-1]:
                return AWSResponse("", 200, {}, None), {"Records": [], "FailedRecordCount": 0}
            return None

        def answer(parsed, **_):
            for index in calls[-1]:
                error = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded."}
                parsed["Records"].insert(index, error)
            parsed["FailedRecordCount"] = len(calls[-1])

        events.register("before-parameter-build.kinesis.PutRecords", take_out)
        events.register("before-call.kinesis.PutRecords", skip_call)
        events.register("after-call.kinesis.PutRecords", answer)
        return calls

    yield install
    boto3.DEFAULT_SESSION = None


def reading(number, sensor="s1"):
    return json.dumps({"sensor_id": sensor, "vehicle_count": number}).encode()


def test_documents_share_records_and_a_sensor_keeps_its_order_on_one_shard(stream):
    documents = [reading(number, f"s{number % 10}") for number in range(3000)]
    progress = []
    sent = publish(documents, stream.name, stream.name, progress.append)
    assert (sent.sent, sent.failed, sum(progress)) == (3000, 0, 3000)
    records = stream.records()
    assert len(records) < 30
    assert sorted(stream.documents()) == sorted(documents)
    for sensor in range(10):
        mine = [
            (shard, json.loads(line)["vehicle_count"])
            for shard, data in records
            for line in data.split(b"\n")
            if json.loads(line)["sensor_id"] == f"s{sensor}"
        ]
        assert len({shard for shard, _ in mine}) == 1
        assert [number for _, number in mine] == list(range(sensor, 3000, 10))


def test_what_is_no_document_travels_alone_and_counts_as_firehose_counts_it(stream):
    documents = [
        reading(1),
        b'{"sensor_id":',
        b"\xff",
        b"[1]",
        b'{"a":1}{"a":2}',
        b'{"a":1}{"b"',
        b"  \n",
        b"",
        reading(2),
    ]
    sent = publish(documents, stream.name, stream.name)
    records = [data for _, data in stream.records()]
    assert sorted(records) == sorted([reading(1) + b"\n" + reading(2), *documents[1:6]])
    assert sent.sent == sum(len(split_documents(record)) for record in records) == 2 + 1 + 1 + 1 + 2 + 2


def test_a_document_too_large_for_a_record_is_reported_and_its_neighbours_are_sent(stream):
    large = b'{"sensor_id":"s1","other":"%s"}' % (b"x" * (1 << 20))
    allowed = b'{"sensor_id":"s1","other":"%s"}' % (b"x" * 1_000_000)
    sent = publish([reading(1), large, allowed, reading(2)], stream.name, stream.name)
    assert (sent.sent, sent.failed) == (3, 1)
    assert list(sent.reasons) == ["larger than 1048576 bytes, the most a Kinesis record holds"]
    assert sorted(stream.documents()) == sorted([reading(1), allowed, reading(2)])


def test_calls_stay_within_the_limits_of_put_records(stream, refuse):
    seen = []
    refuse(lambda call, record: seen.append((call, len(record["Data"]) + len(record["PartitionKey"]))))
    documents = [b'{"sensor_id":"s%d","other":"%s"}' % (number, b"x" * 100_000) for number in range(80)]
    documents += [b'{"broken":%d' % number for number in range(700)]
    assert publish(documents, stream.name, stream.name).sent == 780
    calls = {call for call, _ in seen}
    for call in calls:
        sizes = [size for number, size in seen if number == call]
        assert len(sizes) <= 500
        assert sum(sizes) <= 5 << 20
    assert len(calls) == 3


def test_only_refused_records_are_sent_again_and_all_arrive_once(stream, refuse):
    calls = refuse(lambda call, record: call < 4 and int(record["PartitionKey"]) % 2 == call % 2)
    documents = [reading(number, f"s{number}") for number in range(500)]
    sent = publish(documents, stream.name, stream.name)
    assert (sent.sent, sent.failed) == (500, 0)
    assert sorted(stream.documents()) == sorted(documents)
    assert 1 < len(calls) <= 10


def test_a_record_that_is_always_refused_fails_with_its_reason(stream, refuse):
    calls = refuse(lambda _, record: b"s1" in record["Data"])
    sent = publish([reading(1, "s1"), reading(1, "s2"), reading(2, "s1")], stream.name, stream.name)
    assert (sent.sent, sent.failed) == (1, 2)
    assert sent.reasons == {"ProvisionedThroughputExceededException: Rate exceeded.": 2}
    assert stream.documents() == [reading(1, "s2")]
    assert len(calls) == 10


def test_the_number_of_sent_documents_is_noted_under_the_hour(stream):
    before = datetime.now(UTC).replace(tzinfo=None)
    publish([reading(1), b"broken", reading(2)], stream.name, stream.name)
    after = datetime.now(UTC).replace(tzinfo=None)
    (key,), (row,) = stream.sent_batches()
    assert (row["documents"], row["via"]) == (3, "kinesis")
    assert before <= row["first_sent_at"] <= row["last_sent_at"] <= after
    name = rf"sent/dt=\d{{4}}-\d\d-\d\d/hour=\d\d/kinesis-1-{row['first_sent_at']:%Y-%m-%d-%H-%M-%S}-{row['batch_id']}"
    assert re.fullmatch(name + r"\.parquet", key)
    assert f"hour={row['first_sent_at']:%H}/" in key


def test_what_was_sent_before_the_input_broke_is_noted(stream, monkeypatch):
    monkeypatch.setattr(kinesis, "LINGER_S", 0)

    def documents():
        yield reading(1)
        yield reading(2)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        publish(documents(), stream.name, stream.name)
    assert stream.documents() == [reading(1), reading(2)]
    assert [row["documents"] for row in stream.sent_batches()[1]] == [2]


def test_a_missing_stream_is_an_error_and_notes_nothing(stream):
    with pytest.raises(ClientError, match="not found"):
        publish([reading(1)], "no-such-stream", stream.name)
    assert stream.sent_batches() == ([], [])
