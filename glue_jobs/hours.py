"""Sets of hours as filters that Iceberg can prune partitions by."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from quality.touched_hours import merge_hours

HOUR = timedelta(hours=1)


def timestamp(moment: datetime) -> str:
    """Return a naive UTC time as a SQL literal."""
    return f"TIMESTAMP_NTZ '{moment.isoformat(sep=' ')}'"


def within(column: str, hours: Iterable[datetime]) -> Column:
    """Return the condition that a time lies in one of the hours; false for none."""
    ranges = merge_hours(hours)
    if not ranges:
        return F.lit(False)
    parts = [F.expr(f"{column} >= {timestamp(a)} AND {column} < {timestamp(b)}") for a, b in ranges]
    return reduce(or_, parts)


def distinct_hours(frame: DataFrame, column: str) -> list[datetime]:
    """Return the hours that a time column touches (few, so they come to the driver)."""
    hour = F.date_trunc("hour", F.col(column)).cast("timestamp_ntz").alias("hour")
    return sorted(row.hour for row in frame.select(hour).distinct().collect())
