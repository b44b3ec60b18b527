"""Which rows of the marts a run touched, as SQL conditions: the hours in `curated.pending_hours`, merged to ranges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
MAX_RANGES = 50

Range = tuple[datetime, datetime]


def taken_by(run: str) -> str:
    """Return the Iceberg tag of `curated.pending_hours` under which a run's roll-up leaves its hours to later steps."""
    return f"taken_{run}"


def merge_hours(hours: Iterable[datetime]) -> list[Range]:
    """Merge the starts of hours, in any order and repeated, into sorted half-open ranges."""
    ranges: list[Range] = []
    for hour in sorted(set(hours)):
        if ranges and ranges[-1][1] == hour:
            ranges[-1] = (ranges[-1][0], hour + HOUR)
        else:
            ranges.append((hour, hour + HOUR))
    return ranges


def overlapping(column: str, hours: Iterable[datetime]) -> str:
    """Return the SQL condition for hourly rows that overlap any of the hours, `column` being the start of a row's hour.

    Local hours start on the half hour in some zones, so a row that starts up to an hour earlier overlaps too.
    Literal bounds let the engine skip partitions; beyond 50 ranges the span from first to last hour stands for them.
    """
    ranges = merge_hours(hours)
    if not ranges:
        return "false"
    if len(ranges) > MAX_RANGES:
        ranges = [(ranges[0][0], ranges[-1][1])]
    return " or ".join(
        f"({column} > timestamp '{start - HOUR:%Y-%m-%d %H:%M:%S}' and {column} < timestamp '{end:%Y-%m-%d %H:%M:%S}')"
        for start, end in ranges
    )
