"""A sensor that repeats itself for an hour is stuck from then on, whatever part of its history is read."""

from datetime import datetime, timedelta

from glue_jobs.stuck import LOOK_BACK, stuck_spans

NOON = datetime(2026, 1, 5, 12)
SCHEMA = "sensor_id STRING, ts TIMESTAMP_NTZ, vehicle_count INT, speed_kmh DOUBLE, occupancy_pct DOUBLE"


def every(minutes: float, count: int, reading=(3, 50.0, 7.0), start=NOON) -> list[tuple]:
    return [("a", start + timedelta(minutes=n * minutes), *reading) for n in range(count)]


def spans(spark, rows: list[tuple]) -> list[tuple]:
    found = stuck_spans(spark.createDataFrame(rows, SCHEMA)).collect()
    return sorted((row.sensor_id, row.stuck_from, row.stuck_to) for row in found)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_a_reading_is_stuck_once_its_run_has_lasted_an_hour(spark):
    assert spans(spark, every(5, 20)) == [("a", at(60), at(95))]


def test_a_run_needs_ten_readings(spark):
    assert spans(spark, every(8, 10)) == [("a", at(72), at(72))]


def test_no_hour_no_span(spark):
    assert spans(spark, every(5, 12)) == []


def test_a_change_ends_a_run(spark):
    rows = every(5, 12) + every(5, 1, (4, 50.0, 7.0), at(60)) + every(5, 14, start=at(65))
    assert spans(spark, rows) == [("a", at(125), at(130))]


def test_silence_ends_a_run(spark):
    assert spans(spark, every(5, 12) + every(5, 12, start=at(70))) == []


def test_zeros_on_an_empty_road_are_no_fault(spark):
    assert spans(spark, every(5, 20, (0, 0.0, 0.0)) + every(5, 20, (0, None, None), NOON + timedelta(days=1))) == []


def test_what_is_not_measured_may_repeat_too(spark):
    assert spans(spark, every(5, 14, (None, 61.5, None))) == [("a", at(60), at(65))]


def test_a_flag_does_not_depend_on_how_much_history_is_read(spark):
    rows = every(9, 60) + every(5, 40, (1, 20.0, 2.0), start=at(600))
    whole = spans(spark, rows)
    for hour in (14, 16, 22):
        since = datetime(2026, 1, 5, hour)
        part = spans(spark, [row for row in rows if row[1] >= since - LOOK_BACK])
        stuck_in_part = {row[1] for row in rows if any(a <= row[1] <= b for _, a, b in part) and row[1] >= since}
        stuck_in_whole = {row[1] for row in rows if any(a <= row[1] <= b for _, a, b in whole) and row[1] >= since}
        assert stuck_in_part == stuck_in_whole
