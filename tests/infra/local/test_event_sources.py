"""Event source mappings on a real endpoint: every test has its own stream, function and mapping.

The functions write what they get to a folder, one file per invocation in order.
"""

import base64
import json
import time
import uuid
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError

# Its waits add up to minutes, and `make test` has ten.
pytestmark = pytest.mark.slow

NOTING = """
import base64, json, os, pathlib, time
folder = pathlib.Path(os.environ["FOLDER"])
def handler(event, context):
    part = folder / f"{time.time_ns()}.part"
    part.write_text(json.dumps(event))
    part.rename(part.with_suffix(".json"))
    data = [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
    numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
"""


class Lane:
    """A stream, a function that notes its events, and a mapping between them."""

    def __init__(self, folder, create_function, wait_for, body="", *, shards=1, first=(), **mapping):
        self.folder, self.wait_for = folder, wait_for
        self.name = f"lane-{uuid.uuid4().hex[:8]}"
        self.connect()
        self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        summary = self.kinesis.describe_stream_summary(StreamName=self.name)
        self.arn = summary["StreamDescriptionSummary"]["StreamARN"]
        self.function = create_function(NOTING + body, Environment={"Variables": {"FOLDER": str(folder)}})
        queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.queue = queue
        self.queue_arn = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        if first:
            self.put(*first)
        settings = {"StartingPosition": "TRIM_HORIZON"} | mapping
        if settings.pop("failures", False):
            settings["DestinationConfig"] = {"OnFailure": {"Destination": self.queue_arn}}
        made = self.functions.create_event_source_mapping(
            EventSourceArn=self.arn, FunctionName=self.function, **settings
        )
        self.uuid = made["UUID"]

    def connect(self):
        self.kinesis, self.functions, self.sqs = (boto3.client(each) for each in ("kinesis", "lambda", "sqs"))

    def put(self, *values, key="k"):
        records = [{"Data": str(value).encode(), "PartitionKey": key} for value in values]
        answer = self.kinesis.put_records(StreamName=self.name, Records=records)
        return [record["SequenceNumber"] for record in answer["Records"]]

    def events(self):
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]

    def batches(self):
        return [
            [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
            for event in self.events()
        ]

    def values(self):
        return [value for batch in self.batches() for value in batch]

    def failed(self):
        """Return the next document in the on-failure queue."""
        messages = self.wait_for(lambda: self.sqs.receive_message(QueueUrl=self.queue).get("Messages"))
        return json.loads(messages[0]["Body"])


@pytest.fixture
def lane(endpoint, tmp_path, create_function, wait_for):
    lanes = []

    def make(*arguments, **mapping):
        folder = tmp_path / str(len(lanes))
        folder.mkdir()
        lanes.append(Lane(folder, create_function, wait_for, *arguments, **mapping))
        return lanes[-1]

    yield make
    for each in lanes:
        each.functions.delete_event_source_mapping(UUID=each.uuid)


def test_a_record_arrives_in_the_shape_that_lambda_gives_it(lane):
    made = lane()
    (number,) = made.put("hé")
    made.wait_for(made.events)
    ((record,),) = [event["Records"] for event in made.events()]
    arrived = record["kinesis"].pop("approximateArrivalTimestamp")
    assert isinstance(arrived, float)
    assert arrived == pytest.approx(time.time(), abs=60)
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "k",
            "sequenceNumber": number,
            "data": "aMOp",
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/lambda-role",
        "awsRegion": "us-east-1",
        "eventSourceARN": made.arn,
    }


@pytest.mark.parametrize(("kind", "expected"), [("TRIM_HORIZON", ["1", "2", "3"]), ("LATEST", ["3"])])
def test_a_mapping_starts_where_it_was_told(lane, kind, expected):
    made = lane(first=(1, 2), StartingPosition=kind)
    made.put(3)
    made.wait_for(lambda: "3" in made.values())
    assert made.values() == expected


def test_a_mapping_starts_at_a_time(lane):
    made = lane(first=(1,), StartingPosition="LATEST")
    time.sleep(1.1)
    since = datetime.now(UTC).replace(microsecond=0)
    made.put(2)
    second = made.functions.create_event_source_mapping(
        EventSourceArn=made.arn,
        FunctionName=made.function,
        StartingPosition="AT_TIMESTAMP",
        StartingPositionTimestamp=since,
    )
    made.wait_for(lambda: made.values() == ["2", "2"])
    made.functions.delete_event_source_mapping(UUID=second["UUID"])


def test_batches_have_the_size_and_wait_for_the_window(lane):
    made = lane(first=range(7), BatchSize=3, MaximumBatchingWindowInSeconds=3)
    made.wait_for(lambda: len(made.values()) == 7)
    assert [len(batch) for batch in made.batches()] == [3, 3, 1]
    made.put("a")
    made.put("b")
    made.wait_for(lambda: len(made.values()) == 9)
    assert made.batches()[-1] == ["a", "b"]


def test_no_invocation_is_larger_than_lambda_takes(lane):
    megabyte = "x" * 1_000_000
    made = lane(first=[megabyte] * 5, BatchSize=100)
    made.wait_for(lambda: len(made.values()) == 5)
    assert [len(batch) for batch in made.batches()] == [4, 1]


def test_a_partial_failure_comes_again_from_the_reported_record_and_ends_in_the_queue(lane):
    body = """
    if "bad" in data:
        return {"batchItemFailures": [{"itemIdentifier": numbers[data.index("bad")]}]}
"""
    made = lane(
        body,
        first=(1, "bad", 2),
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        failures=True,
    )
    document = made.failed()
    made.put("after")
    made.wait_for(lambda: made.values()[-1] == "after")
    # As on AWS: what stands behind the failed record in its batch is given up with it.
    assert made.batches() == [["1", "bad", "2"], ["bad", "2"], ["after"]]
    numbers = [record["kinesis"]["sequenceNumber"] for record in made.events()[0]["Records"]]
    assert document["requestContext"]["functionArn"].endswith(f":function:{made.function}")
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert document["requestContext"]["approximateInvokeCount"] == 2
    assert document["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert document["version"] == "1.0"
    batch = document["KinesisBatchInfo"]
    first, last = batch.pop("approximateArrivalOfFirstRecord"), batch.pop("approximateArrivalOfLastRecord")
    assert first <= last <= document["timestamp"]
    assert batch == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": numbers[1],
        "endSequenceNumber": numbers[2],
        "batchSize": 2,
        "streamArn": made.arn,
    }


def test_bisecting_gives_up_the_record_that_makes_the_function_fail_and_no_other(lane):
    body = '    if "bad" in data: raise ValueError("bad")\n'
    made = lane(body, first=(1, 2, "bad", 3, 4), MaximumRetryAttempts=0, BisectBatchOnFunctionError=True, failures=True)
    document = made.failed()
    assert document["responseContext"]["functionError"] == "Unhandled"
    assert document["KinesisBatchInfo"]["batchSize"] == 1
    made.wait_for(lambda: "4" in made.values()[-1])
    done = [value for batch in made.batches() if "bad" not in batch for value in batch]
    assert done == ["1", "2", "3", "4"]


def test_a_function_that_cannot_be_invoked_gets_the_batch_when_it_can_again(lane):
    made = lane(MaximumRetryAttempts=0, failures=True)
    made.functions.put_function_concurrency(FunctionName=made.function, ReservedConcurrentExecutions=0)
    made.put(1)
    time.sleep(1)
    assert made.values() == []
    made.functions.delete_function_concurrency(FunctionName=made.function)
    made.wait_for(lambda: made.values() == ["1"])
    assert "Messages" not in made.sqs.receive_message(QueueUrl=made.queue)


def test_a_shard_that_is_stuck_holds_back_no_other(lane):
    body = '    if "bad" in data: raise ValueError("bad")\n'
    made = lane(body, shards=2)
    made.put("bad", key="a")
    stuck = made.wait_for(made.events)[0]["Records"][0]["eventID"].split(":")[0]
    # Keys of the other shard go on, however often the first fails.
    keys = [f"key-{number}" for number in range(20)]
    shard_of = {}
    for key in keys:
        shard_of[key] = made.kinesis.put_record(StreamName=made.name, Data=b"good", PartitionKey=key)["ShardId"]
    expected = sum(shard != stuck for shard in shard_of.values())
    assert expected
    good = lambda: [value for batch in made.batches() if "bad" not in batch for value in batch]  # noqa: E731
    made.wait_for(lambda: len(good()) == expected)


def test_a_disabled_mapping_rests_and_goes_on_where_it_was(lane):
    made = lane(first=(1,))
    made.wait_for(lambda: made.values() == ["1"])
    made.functions.update_event_source_mapping(UUID=made.uuid, Enabled=False)
    time.sleep(0.5)
    made.put(2)
    time.sleep(1)
    assert made.values() == ["1"]
    made.functions.update_event_source_mapping(UUID=made.uuid, Enabled=True, BatchSize=5)
    made.wait_for(lambda: made.values() == ["1", "2"])
    assert made.functions.get_event_source_mapping(UUID=made.uuid)["BatchSize"] == 5


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ParallelizationFactor": 2}, "ParallelizationFactor 1 only"),
        ({"BatchSize": 10_001}, "BatchSize must be between 1 and 10000"),
        ({"TumblingWindowInSeconds": 5}, "no TumblingWindowInSeconds"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "no FilterCriteria"),
        ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::bucket"}}}, "SQS and SNS only"),
    ],
)
def test_what_the_endpoint_does_not_have_is_refused(lane, settings, reason):
    made = lane()
    with pytest.raises(ClientError, match=reason):
        made.functions.create_event_source_mapping(
            EventSourceArn=made.arn, FunctionName=made.function, StartingPosition="LATEST", **settings
        )


def test_what_a_mapping_leaves_out_is_as_lambda_has_it(lane):
    made = lane()
    found = made.functions.get_event_source_mapping(UUID=made.uuid)
    assert found["BatchSize"] == 100
    assert (found["MaximumRetryAttempts"], found["MaximumRecordAgeInSeconds"]) == (-1, -1)
    assert (found["BisectBatchOnFunctionError"], found["ParallelizationFactor"]) == (False, 1)


def test_after_a_kill_every_record_comes_and_what_was_done_long_ago_does_not_come_again(
    run_endpoint, use_endpoint, tmp_path, create_function, wait_for
):
    folder, state = tmp_path / "events", tmp_path / "state"
    folder.mkdir()
    with run_endpoint(state, "--no-athena") as (url, process):
        use_endpoint(url)
        made = Lane(folder, create_function, wait_for, "    time.sleep(0.02)\n", BatchSize=5)
        made.put("early")
        wait_for(lambda: made.values() == ["early"])
        made.put(*range(100))
        wait_for(lambda: len(made.values()) > 20)
        process.kill()
        process.wait()
    with run_endpoint(state, "--no-athena") as (url, _):
        use_endpoint(url)
        made.connect()
        made.put("late")
        wait_for(lambda: "late" in made.values())
        values = made.values()
        assert list(dict.fromkeys(values)) == ["early", *map(str, range(100)), "late"]
        # At most the batch that was under way comes twice.
        assert len(values) - len(set(values)) <= 5
