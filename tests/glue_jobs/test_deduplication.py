"""The last arrival of a reading wins, in one order that does not depend on what is processed together."""

from datetime import datetime

import pytest

from glue_jobs.deduplication import changes, repeated, superseded

TS = datetime(2026, 1, 5, 7)
STORED = "sensor_id STRING, ts TIMESTAMP_NTZ, arrival_hour TIMESTAMP_NTZ, source_file STRING, source_row BIGINT"


def name(second: int, unique: str = "a") -> str:
    return f"s3://raw/x-1-2026-01-05-08-00-{second:02}-{unique}.parquet"


def test_all_but_the_last_arrival_of_a_reading_are_superseded(spark):
    hour = datetime(2026, 1, 5, 8)
    rows = [("a", TS, hour, name(0), 9), ("a", TS, hour, name(1), 0), ("a", TS, hour, name(1), 2)]
    keys = spark.createDataFrame([*rows, ("b", TS, hour, name(0), 1)], STORED)
    lost = superseded(keys, repeated(keys)).collect()
    assert sorted(tuple(row) for row in lost) == [(name(0), 9), (name(1), 0)]


@pytest.mark.parametrize(
    ("hour", "file", "row", "is_later"),
    [
        (8, name(30), 5, False),  # the same arrival
        (8, name(30), 6, True),
        (8, name(30), 4, False),
        (8, name(31), 0, True),
        (8, name(29, "z"), 99, False),  # the time in the name comes before the rest of it
        (8, name(30, "b"), 0, True),
        (9, name(0), 0, True),
        (7, name(59), 9, False),
    ],
)
def test_a_row_changes_a_reading_only_when_it_arrived_later(spark, hour, file, row, is_later):
    stored = spark.createDataFrame([("a", TS, datetime(2026, 1, 5, 8), name(30), 5)], STORED)
    batch = spark.createDataFrame([("a", TS, datetime(2026, 1, 5, hour), file, row)], STORED)
    changed = changes(batch, stored).collect()
    assert [each.superseded_hour for each in changed] == ([datetime(2026, 1, 5, 8)] if is_later else [])


def test_a_new_reading_supersedes_nothing(spark):
    batch = spark.createDataFrame([("a", TS, datetime(2026, 1, 5, 8), name(30), 5)], STORED)
    assert [row.superseded_hour for row in changes(batch, batch.limit(0)).collect()] == [None]
