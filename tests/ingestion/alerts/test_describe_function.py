"""What the pipe hands over of the table's changes becomes the events that the written schema describes."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import boto3
import pytest
from jsonschema import Draft202012Validator

from ingestion.alerts import anomalies, items, machine, messages, store
from ingestion.alerts.describe_function import handler
from ingestion.alerts.reference import KEY, USUAL_KEY, Segment, encode, encode_usual
from ingestion.alerts.tracker import Anomaly

VALIDATOR = Draft202012Validator(json.loads(Path(messages.__file__).with_name("events.schema.json").read_text()))
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
SEGMENT = Segment("s/1", "Z", "I-405", 100.0, 12.5, 0.8)
# Each hour of the week has another usual index.
USUAL = [hour / 2 for hour in range(168)]


def us(local: str) -> int:
    """Return microseconds since 1970 of a time in Los Angeles."""
    return round(datetime.fromisoformat(local).replace(tzinfo=LOS_ANGELES).timestamp()) * 1_000_000


SINCE_US, TS_US = us("2026-03-02T08:10"), us("2026-03-02T09:35")


def congestion(kind, segment_id="s/1", zone_id="Z", ts_us=TS_US):
    return items.of_told(segment_id, zone_id, machine.Change(kind, ts_us, "CRITICAL", SINCE_US, 60.0, 95.5))


def anomaly(kind, rule="temperature_high", value=80.5):
    return items.of_told("s/1", "Z", Anomaly("d17", anomalies.Change(kind, rule, TS_US, SINCE_US, value)))


def silence(kind):
    return items.change_item(items.ZONE_PREFIX + "Z", "Z", kind, TS_US, SINCE_US)


EVERY_KIND = [
    *map(congestion, (machine.STARTED, machine.ESCALATED, machine.CLEARED)),
    *map(silence, (messages.SILENCE_STARTED, messages.SILENCE_ENDED)),
    *map(anomaly, (anomalies.STARTED, anomalies.ENDED)),
    anomaly(anomalies.STARTED, "status_not_ok", None),
]


@pytest.fixture
def described(as_function, state_table, city):
    """Put items into the table and return the events of what its stream then holds of them."""
    s3 = boto3.client("s3")
    s3.put_object(Bucket=city.lake_bucket, Key=KEY, Body=encode({}, [SEGMENT]))
    s3.put_object(Bucket=city.lake_bucket, Key=USUAL_KEY, Body=encode_usual({"s/1": USUAL}))

    def put(*changes: items.Item) -> list[dict]:
        iterator = newest(state_table.name)
        for change in changes:
            assert store.put_once(state_table, change | {"last_arrived_us": TS_US})
        return handler(boto3.client("dynamodbstreams").get_records(ShardIterator=iterator)["Records"], None)

    return put


def newest(table: str) -> str:
    """Return an iterator of what comes onto the table's stream from now on."""
    streams = boto3.client("dynamodbstreams")
    arn = boto3.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][-1]["ShardId"]
    return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]


def test_each_kind_of_change_becomes_a_valid_event_in_the_order_of_the_changes(described):
    events = described(*EVERY_KIND)
    assert [event["detail_type"] for event in events] == [change["kind"] for change in EVERY_KIND]
    for event, change in zip(events, EVERY_KIND, strict=True):
        detail = json.loads(json.dumps(event["detail"]))
        VALIDATOR.validate(detail)
        assert (detail["kind"], detail["ts_us"], detail["since_us"]) == (change["kind"], TS_US, SINCE_US)
        assert detail["zone_id"] == "Z"


def test_an_event_has_what_the_change_says_and_what_the_registry_knows(described):
    started, hot, sick, silent = (
        event["detail"]
        for event in described(
            congestion(machine.STARTED), EVERY_KIND[5], EVERY_KIND[7], silence(messages.SILENCE_STARTED)
        )
    )
    place = {"segment_id": "s/1", "corridor_id": "I-405", "position_km": 12.5, "length_km": 0.8, "free_flow_kmh": 100.0}
    assert started.items() >= (place | {"level": "CRITICAL", "mean_index": 60.0, "worst_index": 95.5}).items()
    assert hot.items() >= (place | {"sensor_id": "d17", "rule": "temperature_high", "value": 80.5}).items()
    assert sick.items() >= {"sensor_id": "d17", "rule": "status_not_ok", "value": None}.items()
    assert silent["event_id"] == f"FeedSilenceStarted/Z/{TS_US}"


def test_a_segment_that_the_registry_does_not_know_keeps_its_id(described):
    (event,) = described(congestion(machine.STARTED, "elsewhere", None))
    VALIDATOR.validate(event["detail"])
    unknown = dict.fromkeys(("zone_id", "corridor_id", "free_flow_kmh", "usual_index", "is_usual"))
    assert event["detail"].items() >= (unknown | {"segment_id": "elsewhere"}).items()


@pytest.mark.parametrize(
    ("local", "hour_of_week"),
    [
        ("2026-03-02T08:10", 8),  # Monday in winter, 16 h UTC
        ("2026-07-06T08:10", 8),  # Monday in summer, 15 h UTC
        ("2026-03-08T23:59", 6 * 24 + 23),  # Sunday, Monday in UTC
        ("2026-03-09T00:00", 0),
    ],
)
def test_what_is_usual_is_that_of_the_local_weekday_and_hour(described, local, hour_of_week):
    (event,) = described(congestion(machine.STARTED, ts_us=us(local)))
    assert event["detail"]["usual_index"] == USUAL[hour_of_week]
