"""Delivery from a stream to objects, on a real endpoint: every test has its own bucket, stream and delivery stream."""

import base64
import dataclasses
import gzip
import io
import json
import re
import time
import uuid
from datetime import UTC, datetime

import boto3
import pyarrow.parquet as pq
import pytest

from infra.home.environment import LEADS_ELSEWHERE, local_environment, use_local_home
from infra.local import firehose
from infra.local.firehose_settings import read_settings

COLUMNS = [("sensor_id", "string"), ("timestamp", "string"), ("vehicle_count", "double")]
HOUR = "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"


def wait_for(found, within_s=20):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError(f"nothing found within {within_s} s")


class Lane:
    """One stream with its delivery stream and bucket."""

    def __init__(self, source="kinesis", *, interval_s=1, convert=True, shards=2):
        self.name = f"lane-{uuid.uuid4().hex[:8]}"
        self.connect()
        self.s3.create_bucket(Bucket=self.name)
        glue = boto3.client("glue")
        glue.create_database(DatabaseInput={"Name": self.name})
        columns = [{"Name": name, "Type": kind} for name, kind in COLUMNS]
        glue.create_table(
            DatabaseName=self.name, TableInput={"Name": "readings", "StorageDescriptor": {"Columns": columns}}
        )
        role = "arn:aws:iam::000000000000:role/firehose"
        arguments = {}
        if source == "kinesis":
            self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)
            arn = self.kinesis.describe_stream(StreamName=self.name)["StreamDescription"]["StreamARN"]
            arguments = {
                "DeliveryStreamType": "KinesisStreamAsSource",
                "KinesisStreamSourceConfiguration": {"KinesisStreamARN": arn, "RoleARN": role},
            }
        destination = {
            "BucketARN": f"arn:aws:s3:::{self.name}",
            "RoleARN": role,
            "Prefix": "readings/" + HOUR,
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/" + HOUR,
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": interval_s},
            "S3BackupMode": "Enabled",
            "S3BackupConfiguration": {
                "BucketARN": f"arn:aws:s3:::{self.name}",
                "RoleARN": role,
                "Prefix": "backup/" + HOUR,
                "ErrorOutputPrefix": "backup/errors/!{firehose:error-output-type}/" + HOUR,
                "CompressionFormat": "GZIP",
            },
        }
        if convert:
            destination["DataFormatConversionConfiguration"] = {
                "Enabled": True,
                "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
                "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}},
                "SchemaConfiguration": {"DatabaseName": self.name, "TableName": "readings", "RoleARN": role},
            }
        self.firehose.create_delivery_stream(
            DeliveryStreamName=self.name, ExtendedS3DestinationConfiguration=destination, **arguments
        )

    def connect(self):
        self.s3, self.kinesis, self.firehose = (boto3.client(service) for service in ("s3", "kinesis", "firehose"))

    def put(self, *payloads):
        records = [{"Data": payload, "PartitionKey": str(number)} for number, payload in enumerate(payloads)]
        answer = self.kinesis.put_records(StreamName=self.name, Records=records)
        return [record["SequenceNumber"] for record in answer["Records"]]

    def keys(self, prefix):
        return [it["Key"] for it in self.s3.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])]

    def bodies(self, prefix):
        return [self.s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.keys(prefix)]

    def rows(self):
        return [row for body in self.bodies("readings/") for row in pq.read_table(io.BytesIO(body)).to_pylist()]

    def errors(self):
        return [json.loads(line) for body in self.bodies("errors/") for line in body.splitlines()]

    def update(self, **changes):
        description = self.firehose.describe_delivery_stream(DeliveryStreamName=self.name)["DeliveryStreamDescription"]
        self.firehose.update_destination(
            DeliveryStreamName=self.name,
            CurrentDeliveryStreamVersionId=description["VersionId"],
            DestinationId=description["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate=changes,
        )


@pytest.fixture
def lane(endpoint):
    return Lane()


def sensor(number):
    return {"sensor_id": f"s{number}", "timestamp": None, "vehicle_count": float(number)}


def test_concatenated_documents_land_as_parquet_under_the_hour_of_their_arrival(lane):
    before = datetime.now(UTC)
    lane.put(b'{"sensor_id":"s1","vehicle_count":1}{"sensor_id":"s2","vehicle_count":2}', b'{"sensor_id":"s3","n":0}')
    wait_for(lane.rows)
    after = datetime.now(UTC)
    rows = sorted(lane.rows(), key=lambda row: row["sensor_id"])
    assert rows == [sensor(1), sensor(2), {"sensor_id": "s3", "timestamp": None, "vehicle_count": None}]
    (key,) = lane.keys("readings/")
    pattern = (
        rf"readings/dt=(\S+)/hour=(\d\d)/{lane.name}-1-(\d{{4}}-\d\d-\d\d)-(\d\d)-(\d\d-\d\d)-[0-9a-f-]{{36}}\.parquet"
    )
    date, hour, name_date, name_hour, rest = re.fullmatch(pattern, key).groups()
    assert (date, hour) == (name_date, name_hour)
    named = datetime.strptime(f"{date} {hour}-{rest}", "%Y-%m-%d %H-%M-%S").replace(tzinfo=UTC)
    assert before.replace(microsecond=0) <= named <= after
    (body,) = lane.bodies("readings/")
    assert pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0).compression == "SNAPPY"


def test_what_does_not_convert_becomes_error_lines_beside_its_neighbours(lane):
    bad, mismatch = b'{"sensor_id":', b'{"sensor_id":"s2","vehicle_count":"many"}'
    numbers = lane.put(b'{"sensor_id":"s1","vehicle_count":1}' + mismatch + b'{"sensor_id":"s3"}', b"\n" + bad)
    wait_for(lane.errors)
    assert sorted(row["sensor_id"] for row in wait_for(lane.rows)) == ["s1", "s3"]
    errors = {base64.b64decode(error["rawData"]): error for error in lane.errors()}
    assert set(errors) == {bad, mismatch}
    assert errors[bad]["lastErrorCode"] == "DataFormatConversion.ParseError"
    assert errors[mismatch]["lastErrorCode"] == "DataFormatConversion.MalformedData"
    assert [errors[mismatch]["sequenceNumber"], errors[bad]["sequenceNumber"]] == numbers
    assert errors[bad]["dataCatalogTable"]["tableName"] == "readings"
    assert abs(errors[bad]["arrivalTimestamp"] / 1000 - time.time()) < 60
    assert all(key.startswith("errors/format-conversion-failed/dt=") for key in lane.keys("errors/"))


def test_the_source_backup_holds_the_sent_bytes(lane):
    lane.put(b'{"sensor_id":"s1"}\n', b"\xff\x00 no JSON")
    wait_for(lambda: lane.keys("backup/"))
    wait_for(lane.rows)
    assert all(key.endswith(".gz") for key in lane.keys("backup/"))
    sent = b"".join(gzip.decompress(body) for body in lane.bodies("backup/"))
    assert sorted([b'{"sensor_id":"s1"}\n', b"\xff\x00 no JSON"]) == sorted(
        [sent[:19], sent[19:]] if sent.startswith(b"{") else [sent[10:], sent[:10]]
    )


def test_the_buffer_waits_for_its_interval_and_then_is_one_object(endpoint):
    lane = Lane(interval_s=4)
    started = time.monotonic()
    lane.put(*(b'{"sensor_id":"s%d"}' % number for number in range(3)))
    wait_for(lane.rows)
    assert time.monotonic() - started > 3.5
    assert len(lane.keys("readings/")) == 1
    assert len(lane.rows()) == 3


def test_the_buffer_is_delivered_early_when_it_is_full(endpoint):
    lane = Lane(interval_s=900)
    lane.update(BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 900})
    time.sleep(1.5)
    document = b'{"sensor_id":"s1","other":"%s"}' % (b"x" * 700_000)
    lane.put(document, document)
    wait_for(lane.rows)
    assert len(lane.rows()) == 2


def test_update_destination_changes_what_is_written_next(lane):
    lane.put(b'{"sensor_id":"s1"}')
    wait_for(lambda: lane.keys("readings/"))
    lane.update(Prefix="moved/!{timestamp:yyyy}/")
    time.sleep(1.5)
    lane.put(b'{"sensor_id":"s2"}')
    (key,) = wait_for(lambda: lane.keys("moved/"))
    assert key.startswith(f"moved/{datetime.now(UTC):%Y}/{lane.name}-2-")


def test_records_put_directly_pass_the_same_buffer(endpoint):
    lane = Lane("direct", interval_s=4)
    lane.firehose.put_record(DeliveryStreamName=lane.name, Record={"Data": b'{"sensor_id":"s1","vehicle_count":1}'})
    lane.firehose.put_record_batch(
        DeliveryStreamName=lane.name, Records=[{"Data": b'{"sensor_id":"s2","vehicle_count":2}'}, {"Data": b"[]"}]
    )
    wait_for(lambda: len(lane.rows()) == 2)
    assert lane.rows() == [sensor(1), sensor(2)]
    assert [error["sequenceNumber"] for error in lane.errors()] == [None]
    assert len(lane.keys("readings/")) == 1


def test_without_conversion_the_bytes_are_delivered_as_they_are(endpoint):
    lane = Lane(convert=False, shards=1)
    lane.put(b"a,b\n", b"c,d\n")
    (body,) = wait_for(lambda: lane.bodies("readings/"))
    assert body == b"a,b\nc,d\n"


def test_a_delivery_that_cannot_be_made_is_repeated_and_nothing_is_lost(lane):
    glue = boto3.client("glue")
    table = glue.get_table(DatabaseName=lane.name, Name="readings")["Table"]
    glue.delete_table(DatabaseName=lane.name, Name="readings")
    lane.put(b'{"sensor_id":"s1"}')
    time.sleep(2.5)
    lane.put(b'{"sensor_id":"s2"}')
    assert not lane.keys("readings/")
    glue.create_table(
        DatabaseName=lane.name, TableInput={"Name": "readings", "StorageDescriptor": table["StorageDescriptor"]}
    )
    wait_for(lambda: len(lane.rows()) == 2)
    assert {row["sensor_id"] for row in lane.rows()} == {"s1", "s2"}
    assert len(lane.keys("backup/")) == len(lane.keys("readings/"))


def test_many_records_arrive_once_each(lane):
    for start in range(0, 5000, 500):
        lane.put(*[b'{"sensor_id":"s","vehicle_count":%d}' % number for number in range(start, start + 500)])
    wait_for(lambda: len(lane.rows()) >= 5000, within_s=60)
    time.sleep(2)
    assert sorted(row["vehicle_count"] for row in lane.rows()) == [float(number) for number in range(5000)]


def test_a_batch_half_written_by_a_killed_endpoint_is_taken_back(lane):
    described = lane.firehose.describe_delivery_stream(DeliveryStreamName=lane.name)["DeliveryStreamDescription"]
    # By another name than the stream's, whose own worker would take it back too.
    settings = dataclasses.replace(read_settings(described), name=f"{lane.name}-dead")
    lane.s3.put_object(Bucket=lane.name, Key="errors/half", Body=b"{}")
    objects = [[lane.name, "errors/half"], [lane.name, "readings/half"]]
    lane.s3.create_bucket(Bucket=firehose.STATE_BUCKET)
    firehose._save_state(lane.s3, settings, "delivered", {"shard": "1"})
    firehose._save_state(lane.s3, settings, "begun", {"read": {"shard": "2"}, "objects": objects})
    assert firehose._delivered(lane.s3, settings) == {"shard": "1"}
    assert lane.keys("errors/") == []

    lane.s3.put_object(Bucket=lane.name, Key="errors/half", Body=b"{}")
    lane.s3.put_object(Bucket=lane.name, Key="readings/half", Body=b"")
    assert firehose._delivered(lane.s3, settings) == {"shard": "2"}
    assert lane.keys("errors/") == ["errors/half"]


@pytest.mark.slow
def test_delivery_goes_on_after_a_restart_and_a_kill_without_repeating(run_endpoint, tmp_path):
    def lane_at(url):
        use_local_home(url)

    with pytest.MonkeyPatch.context() as patch:
        for name in (*LEADS_ELSEWHERE, *local_environment("http://localhost")):
            patch.delenv(name, raising=False)
        with run_endpoint(tmp_path, "--no-athena") as (url, process):
            lane_at(url)
            lane = Lane(interval_s=60)
            time.sleep(1.5)
            lane.put(b'{"sensor_id":"s1"}')
            process.terminate()
            process.wait(timeout=60)
        with run_endpoint(tmp_path, "--no-athena") as (url, process):
            lane_at(url)
            lane.connect()
            assert [row["sensor_id"] for row in lane.rows()] == ["s1"]
            lane.update(BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 0})
            lane.put(b'{"sensor_id":"s2"}')
            wait_for(lambda: len(lane.rows()) == 2)
            process.kill()
        with run_endpoint(tmp_path, "--no-athena") as (url, _):
            lane_at(url)
            lane.connect()
            lane.put(b'{"sensor_id":"s3"}')
            wait_for(lambda: len(lane.rows()) >= 3)
            time.sleep(2)
            assert sorted(row["sensor_id"] for row in lane.rows()) == ["s1", "s2", "s3"]
    boto3.DEFAULT_SESSION = None
