"""Time goes on for every shard, and a zone's silence is told once when it begins and once when it ends."""

import json

import boto3
import pytest

from ingestion.alerts import items, segment_stream, store, watch_function
from ingestion.alerts.machine import Summary
from ingestion.alerts.messages import SILENCE_ENDED, SILENCE_STARTED
from ingestion.alerts.reference import KEY, Segment, encode
from ingestion.alerts.store import plain
from ingestion.alerts.watch_function import handler, tick, watch_zone
from tests.ingestion.alerts.faults import Killed, failing, kill

SECOND_US = 1_000_000
START_US = 1_772_438_400_000_000
SILENCE_S = 900
ZONE = items.ZONE_PREFIX + "Z"


@pytest.fixture
def stream(endpoint, monkeypatch):
    """A stream of two shards; the function in this process puts its ticks there."""
    name, kinesis = "watched-segments", boto3.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    monkeypatch.setenv("SEGMENT_STREAM", name)
    yield name
    kinesis.delete_stream(StreamName=name)


def records_by_shard(name: str) -> dict[str, list[segment_stream.Record]]:
    kinesis, found = boto3.client("kinesis"), {}
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
        found[shard["ShardId"]] = [segment_stream.unpacked(record["Data"]) for record in records]
    return found


def heard(table: store.Table, at_s: float, segment_id: str = "s") -> None:
    """Note that a segment of the zone has sent a reading, as the summary of its interval does."""
    arrived_us = START_US + round(at_s * SECOND_US)
    summary = Summary(arrived_us - arrived_us % (300 * SECOND_US), 1, 20.0, 20.0, 3)
    store.put_once(table, items.of_told(segment_id, "Z", summary) | {"last_arrived_us": arrived_us})


def watch(table: store.Table, at_s: float) -> None:
    watch_zone(table, "Z", START_US + round(at_s * SECOND_US), SILENCE_S)


def silences(table: store.Table) -> list[tuple[str, float, float]]:
    """Return (kind, second, second since) of the zone's changes, in order."""
    found = [plain(item) for item in table.client.scan(TableName=table.name)["Items"]]
    told = sorted(
        (item["ts_us"], item["kind"], item["since_us"])
        for item in found
        if item["segment_id"] == ZONE and "kind" in item
    )
    return [(kind, (ts_us - START_US) / SECOND_US, (since_us - START_US) / SECOND_US) for ts_us, kind, since_us in told]


def test_a_tick_reaches_every_shard(stream):
    tick(boto3.client("kinesis"), stream)
    found = list(records_by_shard(stream).values())
    assert [[record.readings for record in records] for records in found] == [[[]], [[]]]
    assert len({record.at_us for records in found for record in records}) == 1


def test_a_zone_that_never_reported_is_not_silent(state_table):
    watch(state_table, 10 * SILENCE_S)
    assert silences(state_table) == []


def test_a_zone_is_silent_only_after_the_time_that_is_set(state_table):
    heard(state_table, 0)
    watch(state_table, SILENCE_S)
    assert silences(state_table) == []
    watch(state_table, SILENCE_S + 1)
    assert silences(state_table) == [(SILENCE_STARTED, 0, 0)]


def test_a_silence_starts_once_and_ends_once_and_so_does_the_next(state_table):
    heard(state_table, 0)
    for minute in range(60):
        if minute in (30, 35, 36):
            heard(state_table, minute * 60)
        watch(state_table, minute * 60 + 1)
    assert silences(state_table) == [
        (SILENCE_STARTED, 0, 0),
        (SILENCE_ENDED, 1800, 0),
        (SILENCE_STARTED, 2100, 2100),
    ]


def test_readings_that_came_while_nobody_watched_do_not_double_a_silence(state_table):
    heard(state_table, 0)
    watch(state_table, 1000)
    heard(state_table, 1200)
    watch(state_table, 3000)
    heard(state_table, 3600)
    watch(state_table, 3601)
    assert silences(state_table) == [(SILENCE_STARTED, 0, 0), (SILENCE_ENDED, 3600, 0)]


def test_a_zone_is_heard_as_long_as_one_of_its_segments_is(state_table):
    heard(state_table, 0, "s")
    heard(state_table, 600, "t")
    watch(state_table, SILENCE_S + 600)
    assert silences(state_table) == []


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_watch_that_is_killed_at_a_write_tells_each_change_once(state_table, number, after):
    heard(state_table, 0)
    dynamodb = boto3.client("dynamodb")
    failed = failing(dynamodb, "TransactWriteItems", number, kill, after=after)
    for minute in range(20, 60, 5):
        if minute >= 30:
            heard(state_table, minute * 60)
        try:
            watch(store.Table(dynamodb, state_table.name), minute * 60 + 1)
        except Killed:
            continue
    assert failed == ["TransactWriteItems"]
    # Killed before the first write, it is told by the next watch: whether the feed has been heard again meanwhile.
    ended = silences(state_table)[1:]
    assert silences(state_table)[:1] == [(SILENCE_STARTED, 0, 0)]
    assert [(kind, since) for kind, _, since in ended] == [(SILENCE_ENDED, 0)]


def test_a_minute_of_the_function(as_function, state_table, stream, city, monkeypatch, capsys):
    segments = [Segment(name, zone, None, 100.0, None, None) for name, zone in (("s", "Z"), ("t", "Y"), ("u", None))]
    boto3.client("s3").put_object(Bucket=city.lake_bucket, Key=KEY, Body=encode({}, segments))
    heard(state_table, 0)
    for name, zone in (("s", "Z"), ("s2", "Z"), ("u", items.NO_ZONE)):
        alert = {"in_alert": zone, "zone_id": zone, "level": "WARNING", "since_us": START_US}
        store.put_once(state_table, {"segment_id": name, "ts": items.CURRENT} | alert)
    monkeypatch.setattr(watch_function, "TICK_EVERY_S", 0)
    handler({}, None)
    # The items are months old.
    assert silences(state_table) == [(SILENCE_STARTED, 0, 0)]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["zone_id"]: line["ActiveAlerts"] for line in lines} == {"Z": [2], "Y": [0], items.NO_ZONE: [1]}
    assert [len(records) for records in records_by_shard(stream).values()] == [6, 6]
