"""The package of the functions holds what they need to run on Lambda, and nothing heavy."""

import base64
import io
import json
import time
import zipfile

import boto3
import pytest

from infra import function_package
from infra.alert_definitions import function_variables
from infra.function_package import build
from infra.local.functions import RUNTIME
from infra.settings import settings
from ingestion.alerts import segment_stream
from ingestion.alerts.machine import STARTED
from ingestion.alerts.reference import KEY, Segment, Sensor, encode

# Real processes take their time to start, and `make test` has ten minutes.
pytestmark = pytest.mark.slow

# "Lambda quotas": a package that is uploaded directly, and unpacked.
ZIPPED_LIMIT, UNPACKED_LIMIT = 50 << 20, 250 << 20
TOO_HEAVY = {
    "pandas",
    "numpy",
    "pyarrow",
    "pyspark",
    "pyiceberg",
    "pydantic",
    "pydantic_core",
    "rich",
    "infra",
    "glue_jobs",
}


def entries() -> list[zipfile.ZipInfo]:
    return zipfile.ZipFile(io.BytesIO(build())).infolist()


def test_it_holds_our_modules_with_their_data_and_neither_boto3_nor_what_is_heavy():
    names = [entry.filename for entry in entries()]
    tops = {name.partition("/")[0].removesuffix(".py") for name in names}
    assert not tops & (TOO_HEAVY | set(function_package.PROVIDED))
    assert {"ingestion/alerts/anomalies.yaml", "ingestion/contract/readings.yaml", "tzdata/zones"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith(("/", ".."))]


def test_it_is_small_enough(record_property):
    unpacked = sum(entry.file_size for entry in entries())
    record_property("unpacked_bytes", unpacked)
    print(f"package: {len(build()):,} bytes, unpacked {unpacked:,}")  # noqa: T201
    assert len(build()) < ZIPPED_LIMIT
    assert unpacked < UNPACKED_LIMIT


def test_it_is_built_twice_to_the_same_bytes():
    assert build.__wrapped__() == build()


@pytest.fixture
def stream(endpoint):
    """A stream that nothing else reads or writes, and a bucket with a reference of one sensor."""
    name, kinesis, s3 = "package-segments", boto3.client("kinesis"), boto3.client("s3")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    s3.create_bucket(Bucket="package-lake")
    reference = encode({"a": Sensor("s", None, 100.0)}, [Segment("s", "Z", None, 100.0, None, None)])
    s3.put_object(Bucket="package-lake", Key=KEY, Body=reference)
    yield name
    s3.delete_object(Bucket="package-lake", Key=KEY)
    s3.delete_bucket(Bucket="package-lake")
    kinesis.delete_stream(StreamName=name)


@pytest.fixture
def invoke(stream):
    """Create a function out of the package and invoke it: `invoke("judge", event)` returns what Lambda answers."""
    client, made = boto3.client("lambda"), []
    variables = function_variables(settings()) | {"SEGMENT_STREAM": stream, "LAKE_BUCKET": "package-lake"}

    def create_and_invoke(name: str, event, timeout_s: int = 10) -> dict:
        made.append(f"package-{name}")
        client.create_function(
            FunctionName=made[-1],
            Runtime=RUNTIME,
            Role="arn:aws:iam::000000000000:role/package",
            Handler=f"ingestion.alerts.{name}_function.handler",
            Code={"ZipFile": build()},
            Timeout=timeout_s,
            Environment={"Variables": variables},
        )
        answer = client.invoke(FunctionName=made[-1], Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    yield create_and_invoke
    for name in made:
        client.delete_function(FunctionName=name)


def records_of(stream: str) -> tuple[str, list[dict]]:
    kinesis = boto3.client("kinesis")
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    return shard, kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]


def kinesis_event(shard: str, sequence: str, data: bytes) -> dict:
    arrived_s, encoded = time.time(), base64.b64encode(data).decode()
    kinesis = {"sequenceNumber": sequence, "approximateArrivalTimestamp": arrived_s, "data": encoded}
    return {"Records": [{"eventID": f"{shard}:{sequence}", "kinesis": kinesis}]}


# The endpoint runs a function in an isolated interpreter, in which the package and boto3 are all that there is.
def test_judge_and_track_run_out_of_it(invoke, stream):
    document = {"sensor_id": "a", "timestamp": int(time.time()), "vehicle_count": 3, "avg_speed": 20}
    done = {"batchItemFailures": []}
    assert invoke("judge", kinesis_event("shardId-0", "1", json.dumps(document).encode())) == done
    shard, (record,) = records_of(stream)
    assert [each.congestion_index for each in segment_stream.unpacked(record["Data"]).readings] == [100]
    assert invoke("track", kinesis_event(shard, record["SequenceNumber"], record["Data"])) == done


def test_describe_runs_out_of_it(invoke):
    image = {
        "segment_id": {"S": "s"}, "zone_id": {"S": "Z"}, "kind": {"S": STARTED}, "level": {"S": "WARNING"},
        "ts_us": {"N": "1772438400000000"}, "since_us": {"N": "1772438400000000"},
        "mean_index": {"N": "85.5"}, "worst_index": {"N": "85.5"},
    }  # fmt: skip
    (event,) = invoke("describe", [{"dynamodb": {"NewImage": image}}])
    assert event["detail_type"] == STARTED
    assert "Monday 2 March 2026, 00:00 PST" in event["detail"]["message"]


def test_watch_runs_out_of_it(invoke, stream):
    # It would go on for a minute: what it does first is enough.
    assert "timed out" in invoke("watch", {}, timeout_s=8)["errorMessage"]
    _, (record,) = records_of(stream)
    assert segment_stream.unpacked(record["Data"]).readings == []
