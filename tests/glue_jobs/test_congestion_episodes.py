"""Episodes out of history: against tables computed by hand, and against the stream of the same readings."""

import random
from datetime import datetime, timedelta

import boto3
import pytest

from glue_jobs.arguments import ArgumentError
from glue_jobs.congestion_episodes import EPISODES, EpisodeCounts, Span, main, run
from glue_jobs.episodes import delays, found_episodes, measured, micros, sensor_versions, with_delay, with_zone
from glue_jobs.tables import ensure_table, qualified
from infra.settings import settings
from ingestion.alerts.episodes import episodes
from ingestion.alerts.machine import Reading, advance, changes, new_state, open_alert, update
from ingestion.alerts.thresholds import Thresholds
from ingestion.contract.spark import table_schema

START = datetime(2026, 3, 2, 8)
SINCE = datetime(2000, 1, 1)
DAY = timedelta(days=1)
MEASURED = (
    "segment_id STRING, sensor_id STRING, ts_us BIGINT, speed_kmh DOUBLE, vehicle_count INT, flags ARRAY<STRING>, "
    "free_flow_kmh DOUBLE, capacity_veh DOUBLE"
)
SPAN = "sensor_id STRING, stuck_from TIMESTAMP_NTZ, stuck_to TIMESTAMP_NTZ"
ESTIMATED = "segment_id STRING, free_flow_kmh DOUBLE"
# One reading every 5 minutes: the window (t - 10 min, t] holds two. Means 85, 85, 91, 97, 97, 68.5, 40, 40, 40:
# a warning at 0, critical above 90 at 10, below 70 since 25 and for ten minutes at 35.
CONGESTED = [85, 85, 97, 97, 97, 40, 40, 40, 40]


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def speed_kmh(index: float) -> float:
    """Return the speed of an index where free flow is 100 km/h: 100 at a fifth of it."""
    return 100 - 0.8 * index


def reading(sensor, minute, speed=None, count=None, flags=()):
    return {
        "sensor_id": sensor,
        "ts": at(minute),
        "speed_kmh": speed,
        "vehicle_count": count,
        "quality_flags": list(flags),
    }


def frame(spark, name, rows):
    schema = table_schema(name)
    return spark.createDataFrame([[row.get(column) for column in schema.names] for row in rows], schema)


def sensor(sensor_id, segment_id, **other):
    return {"sensor_id": sensor_id, "segment_id": segment_id, "interval_s": 300, "valid_from": SINCE} | other


def segment(segment_id, **other):
    return {"segment_id": segment_id, "zone_id": "z1", "length_km": 1.0, "valid_from": SINCE} | other


SENSORS = [sensor("a", "s1"), sensor("b", "s2")]
SEGMENTS = [segment("s1", speed_limit_kmh=100.0), segment("s2", zone_id="z2", speed_limit_kmh=100.0)]


def city_readings():
    """Return the readings of two segments: s1 through all levels, s2 free."""
    return [
        reading(name, 5 * n, speed_kmh(index))
        for n, index in enumerate(CONGESTED)
        for name, index in (("a", index), ("b", 10))
    ]


def measure(spark, readings, sensors=SENSORS, segments=SEGMENTS, *, spans=(), estimated=()):
    versions = sensor_versions(frame(spark, "reference.sensors", sensors), frame(spark, "reference.segments", segments))
    return measured(
        frame(spark, "curated.readings", readings),
        spark.createDataFrame(list(spans), SPAN),
        versions,
        spark.createDataFrame(list(estimated), ESTIMATED),
    )


@pytest.mark.parametrize("seed", [None, 1])
def test_an_episode_goes_through_warning_and_critical_whatever_the_order_of_arrival(spark, seed):
    readings = city_readings()
    if seed is not None:
        random.Random(seed).shuffle(readings)  # noqa: S311
    found = found_episodes(measure(spark, readings), Thresholds(), at(60)).collect()
    assert [tuple(row) for row in found] == [("s1", "CRITICAL", at(0), at(10), at(35), 97.0)]


def test_an_episode_that_is_not_cleared_is_open(spark):
    short = [row for row in city_readings() if row["ts"] <= at(30)]
    (row,) = found_episodes(measure(spark, short), Thresholds(critical=99), at(60)).collect()
    assert (row.level, row.escalated_at, row.cleared_at, row.worst_congestion_index) == ("WARNING", None, None, 97.0)


def streamed(segment_id, arriving, thresholds, until_us):
    """Return the episodes that the stream finds of readings in their order of arrival."""
    state, told = new_state(), []
    for one in arriving:
        state, outputs = update(state, one, thresholds)
        told += changes(outputs)
    assert state.late == 0
    state, outputs = advance(state, until_us, thresholds)
    return episodes(segment_id, told + changes(outputs), open_alert(state))


def test_the_batch_finds_what_the_stream_found_of_the_same_readings(spark):
    chance, thresholds = random.Random(7), Thresholds()  # noqa: S311
    rows, arriving = [], {"s1": [], "s2": []}
    until_us = micros(at(600))
    for segment_id in arriving:
        index = 60.0
        for n in range(3 * 8 * 60):
            index = min(100.0, max(0.0, index + chance.uniform(-4, 4)))
            ts_us = micros(START) + n * 20_000_000
            for lane in ("1", "2"):
                rows.append((segment_id, segment_id + lane, ts_us, speed_kmh(index), 4, [], 100.0, None))
                # 20 s apart and up to 25 s on the way, a reading is overtaken by one that is at most 10 s younger ...
                shift_us = chance.randrange(10_000_000)
                one = Reading(segment_id + lane, ts_us, ts_us + 5_000_000 + shift_us, index, 4)
                # ... and some come twice.
                arriving[segment_id] += [one] * chance.choice((1, 1, 1, 2))
    expected = []
    for segment_id, readings in arriving.items():
        readings.sort(key=lambda one: (one.arrived_us, chance.random()))
        expected += streamed(segment_id, readings, thresholds, until_us)
    chance.shuffle(rows)
    found = found_episodes(spark.createDataFrame(rows, MEASURED), thresholds, at(600)).collect()
    as_batch = [
        (e.segment_id, e.level, e.started_us, e.escalated_us, e.cleared_us, e.worst_index)
        for e in sorted(expected, key=lambda e: (e.segment_id, e.started_us))
    ]
    times = [
        (row.segment_id, row.level, *(t and micros(t) for t in row[2:5]), row.worst_congestion_index) for row in found
    ]
    assert sorted(times, key=lambda row: (row[0], row[2])) == as_batch
    assert len(as_batch) > 4, "too few episodes to say anything"
    assert {level for _, level, *_ in as_batch} == {"WARNING", "CRITICAL"}


def test_the_roll_ups_flags_are_added_to_those_of_the_reading(spark):
    readings = [
        reading("a", 0, 50.0, 255, ["timestamp_without_zone"]),  # 3,060 an hour: as many as a lane can carry
        reading("a", 5, 50.0, 256),
        reading("a", 10, 50.0, 9),
    ]
    rows = measure(spark, readings, spans=[("a", at(10), at(12))]).orderBy("ts_us").collect()
    assert [row.flags for row in rows] == [["timestamp_without_zone"], ["count_above_physical_limit"], ["stuck"]]
    assert [row.free_flow_kmh for row in rows] == [100.0] * 3


def test_the_registry_at_the_time_of_the_reading_holds(spark):
    sensors = [sensor("a", "s1", valid_to=at(5)), sensor("a", "s2", valid_from=at(5), lane=2)]
    segments = [
        segment("s1", capacity_veh_h=2400.0, speed_limit_kmh=100.0),
        segment("s2", capacity_veh_h=3600.0, lanes=3, valid_to=at(10)),
        segment("s2", capacity_veh_h=3600.0, lanes=4, speed_limit_kmh=80.0, valid_from=at(10)),
    ]
    readings = [reading("a", minute, 50.0) for minute in (0, 5, 10)] + [reading("unknown", 0, 50.0)]
    rows = measure(spark, readings, sensors, segments, estimated=[("s2", 91.0)]).orderBy("ts_us").collect()
    # capacity of 5 minutes: 2,400 ÷ 12; one of three lanes, 3,600 ÷ 12 ÷ 3; one of four
    assert [(row.segment_id, row.free_flow_kmh, row.capacity_veh) for row in rows] == [
        ("s1", 100.0, 200.0),
        ("s2", 91.0, 100.0),
        ("s2", 80.0, 75.0),
    ]


def test_lanes_with_a_sensor_share_the_capacity_where_the_registry_names_no_lanes(spark):
    sensors = [sensor("a", "s1", lane=1), sensor("b", "s1", lane=2), sensor("c", "s1", lane=2, valid_from=at(5))]
    segments = [segment("s1", capacity_veh_h=2400.0)]
    rows = measure(spark, [reading("a", 0), reading("a", 5), reading("c", 5)], sensors, segments).collect()
    assert [row.capacity_veh for row in rows] == [100.0] * 3


def test_the_delay_is_that_of_the_intervals_that_an_episode_overlaps(spark):
    found = spark.createDataFrame(
        [("s1", at(2), at(10)), ("s1", at(60), None), ("s2", at(0), at(10))],
        "segment_id STRING, started_at TIMESTAMP_NTZ, cleared_at TIMESTAMP_NTZ",
    )
    interval = "segment_id STRING, interval_start TIMESTAMP_NTZ, speed_limit_kmh DOUBLE, vkt DOUBLE, vht DOUBLE"
    intervals = [
        ("s1", at(-5), 100.0, 100.0, 9.0),
        ("s1", at(0), 100.0, 100.0, 3.0),  # 3 h instead of 1 at 100 km/h
        ("s1", at(5), None, 100.0, 4.0),  # 4 h instead of 2 at the estimated 50 km/h
        ("s1", at(10), 100.0, 100.0, 9.0),
        ("s1", at(55), 100.0, 100.0, 9.0),
        ("s1", at(60), 100.0, 100.0, 0.5),  # faster than free flow
        ("s1", at(65), 100.0, 0.0, None),  # nobody drove
        ("s1", at(70), 100.0, 200.0, 5.5),
        ("s1", at(75), 100.0, 200.0, 9.0),
        ("s2", at(0), None, 100.0, 4.0),  # no free-flow speed
        ("s2", at(5), 100.0, None, None),  # no volume
    ]
    of_intervals = delays(spark.createDataFrame(intervals, interval), spark.createDataFrame([("s1", 50.0)], ESTIMATED))
    rows = with_delay(found, of_intervals, at(75)).orderBy("segment_id", "started_at").collect()
    assert [row.delay_veh_h for row in rows] == [4.0, 3.5, None]


def test_the_zone_is_that_of_the_start(spark):
    found = spark.createDataFrame(
        [("s1", at(-1)), ("s1", at(0)), ("s9", at(0))], "segment_id STRING, started_at TIMESTAMP_NTZ"
    )
    segments = [segment("s1", valid_to=at(0)), segment("s1", zone_id="z2", valid_from=at(0))]
    rows = with_zone(found, frame(spark, "reference.segments", segments)).orderBy("segment_id", "started_at").collect()
    assert [row.zone_id for row in rows] == ["z1", "z2", None]


@pytest.fixture
def city(lake):
    """The two segments in the lake, the same traffic on three days, without marts."""
    drop_marts()
    days = [row | {"ts": row["ts"] + n * DAY} for n in range(-1, 2) for row in city_readings()]
    for name, rows in (("curated.readings", days), ("reference.sensors", SENSORS), ("reference.segments", SEGMENTS)):
        ensure_table(lake, name)
        frame(lake, name, rows).writeTo(qualified(name)).append()
    yield lake
    drop_marts()


def drop_marts():
    glue = boto3.client("glue")
    for table in glue.get_tables(DatabaseName="marts")["TableList"]:
        glue.delete_table(DatabaseName="marts", Name=table["Name"])


def table_rows(spark):
    return [tuple(row) for row in spark.table(qualified(EPISODES)).orderBy("segment_id", "started_at").collect()]


def episode(day, cleared_at=None):
    since = START + day * DAY
    return ("s1", "z1", "CRITICAL", since, since + timedelta(minutes=10), since + timedelta(minutes=35), 97.0, None)


@pytest.mark.slow
def test_a_span_is_replaced_and_a_repeat_gives_equal_rows(city):
    assert run(city, Span(at(-24 * 60), at(20)), Thresholds()) == EpisodeCounts(2, 2, 0)
    rows = table_rows(city)
    assert rows == [episode(-1), episode(0)]  # the second one was followed beyond the span
    assert run(city, Span(at(-60), at(20)), Thresholds()) == EpisodeCounts(1, 1, 0)
    assert table_rows(city) == rows
    # Under way at 08:20, so nothing started in this span, though it lies on the day of what is kept.
    assert run(city, Span(at(20), at(30)), Thresholds()) == EpisodeCounts(0, 0, 0)
    assert table_rows(city) == rows
    # Other thresholds: what the span held is gone, the rest stays.
    assert run(city, Span(at(-60), at(20)), Thresholds(warning=98, critical=99)) == EpisodeCounts(0, 0, 0)
    assert table_rows(city) == [episode(-1)]


def test_the_job_takes_its_thresholds_and_says_what_it_found(city, capsys):
    span = ["--from", "2026-03-02T00:00:01-08:00", "--to", "2026-03-04T00:00:00Z"]
    main([*span, "--lake_bucket", settings().lake_bucket, "--critical", "98.5"])
    assert capsys.readouterr().out == '{"episodes": 1, "critical": 0, "still_open": 0}\n'
    assert [row[2:5] for row in table_rows(city)] == [("WARNING", START + DAY, None)]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("2026-03-02T08:00", "2026-03-02T08:00"), "holds no time"),
        (("Monday", "2026-03-02"), "'Monday' is not a time"),
        (("", "2026-03-02"), "give --from and --to together"),
        (("2026-03-02", "2026-03-03", "--warning", "95"), "warning 95.0"),
        (("2026-03-02", "2026-03-03", "--clear", "low"), "low"),
    ],
)
def test_an_unusable_argument_is_refused(arguments, what):
    start, end, *others = arguments
    with pytest.raises(ArgumentError, match=what):
        main(["--from", start, "--to", end, "--lake_bucket", "lake", *others])
