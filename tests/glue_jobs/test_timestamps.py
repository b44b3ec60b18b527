"""Spark reads times as `ingestion.timestamps` does; that module's own tests say what is right."""

from datetime import datetime

import pytest
from pyspark.sql import functions as F

from glue_jobs import timestamps
from ingestion.timestamps import parse_timestamp

READABLE = {
    "2026-01-05T08:09:10Z": datetime(2026, 1, 5, 8, 9, 10),
    "2026-01-05T08:09:10.123456789Z": datetime(2026, 1, 5, 8, 9, 10, 123456),
    "2026-01-05 08:09:10,5": datetime(2026, 1, 5, 8, 9, 10, 500000),
    "2026-01-05t08:09z": datetime(2026, 1, 5, 8, 9),
    " 2026-01-05T08:09:10 +05:30 ": datetime(2026, 1, 5, 2, 39, 10),
    "2026-01-05T08:09:10-0800": datetime(2026, 1, 5, 16, 9, 10),
    "2026-01-05T08:09:10+01": datetime(2026, 1, 5, 7, 9, 10),
    "2026-01-05T08:09:10": datetime(2026, 1, 5, 8, 9, 10),
    "2026-01-05T08:09:10.123Z": datetime(2026, 1, 5, 8, 9, 10, 123000),
    "2026-01-05T08:09:10.123456Z": datetime(2026, 1, 5, 8, 9, 10, 123456),
    "1767600000": datetime(2026, 1, 5, 8, 0),
    "1767600000123": datetime(2026, 1, 5, 8, 0, 0, 123000),
    "1767600000.25": datetime(2026, 1, 5, 8, 0, 0, 250000),
    "1.7676E9": datetime(2026, 1, 5, 8, 0),
    "-1": datetime(1969, 12, 31, 23, 59, 59),
}
UNREADABLE = [
    *("", "now", "2026-01-05", "2026-02-30T00:00:00Z", "2026-01-05T25:00:00Z", "2026-01-05T08:09:60Z"),
    *("08:09:10", "2026-01-05T08:09:10 Europe/Paris", "2026-01-05T08:09:10+19:00", "1e14", "20260105T080910Z"),
    *(
        "2026-1-05T08:09:010Z",
        "99999999999999999999",
        "NaN",
        "Infinity",
        "2026-01-05T08:09:10.Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T7:5:40.1Z",
        "2026-01-05T08:09:1ZZ",
        "2026-01-05T08:09:1 Z",
        "2026-01-05T08:09:10.+1Z",
        "2026-01-05T08:09:10.1+1Z",
        "2026-01-05T08:09:10.12ZZ",
        "2026-01-05T08:09:10+18:01",
    ),
]


@pytest.fixture(scope="module")
def read(spark) -> dict[str, tuple[datetime | None, bool]]:
    texts = spark.createDataFrame([(text,) for text in [*READABLE, *UNREADABLE]], "text STRING")
    text = F.col("text")
    rows = texts.select(text, timestamps.parsed(text).alias("ts"), timestamps.has_zone(text).alias("zoned")).collect()
    return {row.text: (row.ts, row.zoned) for row in rows}


@pytest.mark.parametrize(("text", "moment"), READABLE.items())
def test_a_readable_time_is_the_same_instant(read, text, moment):
    assert read[text][0] == moment


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_unreadable_time_is_null(read, text):
    assert read[text][0] is None


@pytest.mark.parametrize("text", [*READABLE, *UNREADABLE])
def test_spark_agrees_with_the_rules_of_ingestion(read, text):
    moment, zoned = parse_timestamp(text)
    assert read[text][0] == (moment.replace(tzinfo=None) if moment else None)
    if moment:
        assert read[text][1] == zoned
