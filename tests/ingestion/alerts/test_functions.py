"""The functions on real streams and a real table: whatever fails and however often, each change is kept once.

The handlers run in this process, so that their clients can be made to fail; `tests/system` runs them as functions.
"""

import base64
import json

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError

from infra.alert_definitions import function_variables
from infra.settings import settings
from ingestion.alerts import function_clients, judge_function, track_function
from ingestion.alerts.items import CURRENT
from ingestion.alerts.reference import KEY, Segment, Sensor, encode
from ingestion.alerts.store import plain
from tests.ingestion.alerts.faults import Killed, failing, kill, start_anew, throttle

SECOND_US = 1_000_000
START_US = 1_772_438_400_000_000
# The readings are sent at once, an hour later: none is in the future.
ARRIVED_S = START_US / 1e6 + 3600
SENSORS = {f"{segment}-{lane}": Sensor(segment, 30.0, 255.0) for segment in ("s", "t") for lane in (1, 2)}
SEGMENTS = [Segment(segment, "Z", "C", 100.0, 0.0, 1.0) for segment in ("s", "t")]


@pytest.fixture(scope="module")
def hour(endpoint):
    """An hour of readings judged onto a stream: (name of stream and table, batches of the stream)."""
    name = "alerts-of-an-hour"
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in (function_variables(settings()) | {"STATE_TABLE": name, "SEGMENT_STREAM": name}).items():
            patch.setenv(variable, value)
        boto3.client("s3").put_object(Bucket=settings().lake_bucket, Key=KEY, Body=encode(SENSORS, SEGMENTS))
        boto3.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("segment_id", "ts")],
            KeySchema=[{"AttributeName": "segment_id", "KeyType": "HASH"}, {"AttributeName": "ts", "KeyType": "RANGE"}],
        )
        boto3.client("kinesis").create_stream(StreamName=name, ShardCount=1)
        start_anew()
        judged(congestion())
        yield name, batches(name, 7)
    boto3.client("dynamodb").delete_table(TableName=name)
    boto3.client("kinesis").delete_stream(StreamName=name)
    start_anew()


@pytest.fixture(scope="module")
def expected(hour):
    """The items of one undisturbed pass."""
    name, found = hour
    for batch in found:
        assert track_function.handler(batch, None) == {"batchItemFailures": []}
    return items_of(name)


@pytest.fixture
def table(hour, expected):
    """The table, empty, for a process that has just started."""
    name, _ = hour
    clear(name)
    start_anew()
    return name


@pytest.fixture
def other_stream(hour, monkeypatch):
    """An empty stream for other records than those of the hour."""
    name = "alerts-of-other-records"
    boto3.client("kinesis").create_stream(StreamName=name, ShardCount=1)
    monkeypatch.setenv("SEGMENT_STREAM", name)
    start_anew()
    yield name
    boto3.client("kinesis").delete_stream(StreamName=name)


def document(sensor_id: str, at_s: float, speed: float) -> bytes:
    ts_us = START_US + round(at_s * SECOND_US)
    return json.dumps(
        {"sensor_id": sensor_id, "timestamp": ts_us // 1000, "vehicle_count": 5, "avg_speed": speed}
    ).encode()


def congestion() -> list[bytes]:
    """Return an hour of two segments: `s` flows, stops and flows again, `t` stops and stays so."""
    found = []
    for step in range(180):
        for sensor_id, sensor in SENSORS.items():
            stopped = 30 <= step < 90 if sensor.segment_id == "s" else step >= 60
            found.append(document(sensor_id, step * 20, 18.0 if stopped else 95.0))
    return found


def event(shard: str, records) -> dict:
    return {
        "Records": [
            {
                "eventID": f"{shard}:{sequence}",
                "kinesis": {
                    "sequenceNumber": sequence,
                    "approximateArrivalTimestamp": arrived_s,
                    "data": base64.b64encode(data).decode(),
                },
            }
            for sequence, arrived_s, data in records
        ]
    }


def judged(documents: list[bytes]) -> None:
    """Pass documents through the first function, ten records a batch."""
    for start in range(0, len(documents), 10):
        records = [(str(start + n), ARRIVED_S, data) for n, data in enumerate(documents[start : start + 10])]
        assert judge_function.handler(event("shardId-0", records), None) == {"batchItemFailures": []}


def log_of(stream: str) -> list[tuple[str, float, bytes]]:
    kinesis = boto3.client("kinesis")
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    answer, found = kinesis.get_records(ShardIterator=iterator["ShardIterator"]), []
    while answer["Records"]:
        found += [
            (each["SequenceNumber"], each["ApproximateArrivalTimestamp"].timestamp(), each["Data"])
            for each in answer["Records"]
        ]
        answer = kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    return found


def batches(stream: str, size: int) -> list[dict]:
    shard = boto3.client("kinesis").list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    log = log_of(stream)
    return [event(shard, log[start : start + size]) for start in range(0, len(log), size)]


def items_of(table: str) -> dict[tuple[str, str], dict]:
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    found = [plain(item) for page in pages for item in page["Items"]]
    # Which item carries the state, and when its readings arrived, depends on where batches end.
    passing = ("state", "watermark_us", "last_arrived_us", "expires_at")
    return {
        (item["segment_id"], item["ts"]): {key: value for key, value in item.items() if key not in passing}
        for item in found
        if item["ts"] != CURRENT
    }


def changes(items: dict) -> list[tuple[str, str]]:
    return [(item["segment_id"], item["kind"]) for _, item in sorted(items.items()) if "kind" in item]


def clear(table: str) -> None:
    dynamodb = boto3.client("dynamodb")
    for item in dynamodb.scan(TableName=table)["Items"]:
        dynamodb.delete_item(TableName=table, Key={key: item[key] for key in ("segment_id", "ts")})


def test_an_hour_of_readings_becomes_its_changes_and_one_summary_per_segment_and_five_minutes(expected):
    assert changes(expected) == [
        ("s", "CongestionStarted"),
        ("s", "CongestionEscalated"),
        ("s", "CongestionCleared"),
        ("t", "CongestionStarted"),
        ("t", "CongestionEscalated"),
    ]
    summaries = [item for item in expected.values() if "readings" in item]
    # the last interval of an hour has not ended yet
    assert [(item["readings"], item["vehicles"]) for item in summaries] == [(30, 150)] * 22


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("number", [1, 5, 14])
@pytest.mark.parametrize("how", [kill, throttle])
def test_a_function_that_is_killed_or_throttled_loses_and_doubles_nothing(table, hour, expected, how, number, after):
    failed = failing(function_clients.state_table().client, "PutItem", number, how, after=after)
    for batch in hour[1]:
        try:
            track_function.handler(batch, None)
        except Killed:
            start_anew()
            track_function.handler(batch, None)
        except ClientError:
            track_function.handler(batch, None)
    assert failed == ["PutItem"]
    assert items_of(table) == expected


def test_a_batch_that_comes_twice_changes_nothing(table, hour, expected):
    for batch in hour[1]:
        track_function.handler(batch, None)
        track_function.handler(batch, None)
    assert items_of(table) == expected


def test_a_process_that_starts_anew_for_every_batch_tells_the_same(table, hour, expected):
    for batch in hour[1]:
        start_anew()
        track_function.handler(batch, None)
    assert items_of(table) == expected


def test_two_processes_that_take_turns_or_take_the_same_batch_tell_the_same(table, hour, expected):
    memories: list[dict] = [{}, {}]
    for number, batch in enumerate(hour[1]):
        # the first takes two of three, the second two of three, one of three both
        for process in ([0], [1], [0, 1])[number % 3]:
            track_function._SHARDS.clear()
            track_function._SHARDS.update(memories[process])
            track_function.handler(batch, None)
            memories[process] = dict(track_function._SHARDS)
    assert items_of(table) == expected


def test_repeated_records_and_another_order_within_the_allowed_lateness_tell_the_same(table, other_stream, expected):
    documents = congestion()
    # Each reading twice, and the four sensors of a moment in reverse.
    shuffled = [each for start in range(0, len(documents), 4) for each in documents[start : start + 4][::-1] * 2]
    judged(shuffled)
    for batch in batches(other_stream, 50):
        track_function.handler(batch, None)
    assert items_of(table) == expected


BAD = [
    b"",
    b"{",
    b"[1, 2]",
    b"\xff\xfe",
    b'{"sensor_id": "s-1", "timestamp": "yesterday", "avg_speed": 3}',
    b'{"sensor_id": "s-1", "timestamp": 4102444800000, "avg_speed": 3}',
    b'{"sensor_id": "s-1", "avg_speed": -3}',
    b'{"sensor_id": "s-1", "vehicle_count": 1e308, "avg_speed": 900}',
    b'{"sensor_id": "s-1", "avg_speed": NaN}',
    b'{"sensor_id": ["s-1"], "avg_speed": 3',
    b'{"sensor_id": "nobody", "timestamp": 1772438400000, "avg_speed": 3}',
    orjson.dumps({"sensor_id": "s-1", "timestamp": 1772438400000, "status": "x" * 1_000_000}),
]


def test_bad_input_among_good_is_counted_and_holds_up_nothing(table, other_stream, expected, capsys):
    documents = congestion()
    mixed = [each for number, good in enumerate(documents) for each in (BAD[number % len(BAD)], good)]
    judged(mixed)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"JudgedReadings"' in line]
    for batch in batches(other_stream, 50):
        track_function.handler(batch, None)
    assert items_of(table) == expected
    # One in twelve of the bad ones is of a sensor that nobody has registered.
    assert sum(sum(line["JudgedReadings"]) for line in metrics) == len(documents)
    assert sum(sum(line["UnregisteredReadings"]) for line in metrics) == len(documents) // 12
    assert sum(sum(line["RejectedReadings"]) for line in metrics) == len(documents) // 12 * 11


def test_what_is_no_record_of_the_second_stream_holds_up_nothing(table, other_stream, expected):
    documents = congestion()
    judged(documents[:300])
    boto3.client("kinesis").put_record(StreamName=other_stream, Data=b"\xff{", PartitionKey="x")
    judged(documents[300:])
    for batch in batches(other_stream, 7):
        assert track_function.handler(batch, None) == {"batchItemFailures": []}
    assert items_of(table) == expected


def test_readings_that_the_stream_refuses_are_judged_again(table, other_stream):
    failed = failing(function_clients.kinesis(), "PutRecords", 1, throttle, after=False)
    batch = event("shardId-0", [("1", ARRIVED_S, document("s-1", 900, 50.0))])
    with pytest.raises(ClientError):
        judge_function.handler(batch, None)
    assert judge_function.handler(batch, None) == {"batchItemFailures": []}
    assert failed == ["PutRecords"]
    assert len(log_of(other_stream)) == 1
