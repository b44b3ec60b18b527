"""Local days in QuickSight's language, which has instants in UTC and no time zone of a city.

All goes by the city's standard time: in summer a day begins and ends an hour late, which shifts no more than what a
dashboard opens with in that hour, and on which day an hour at midnight is.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def local(instant: str, time_zone: str) -> str:
    """Return an instant in the city's standard time."""
    return f"addDateTime({standard_offset_minutes(time_zone)}, 'MI', {instant})"


def today(time_zone: str) -> str:
    """Return the local day that runs, which is not over."""
    return f"truncDate('DD', {local('now()', time_zone)})"


def standard_offset_minutes(time_zone: str) -> int:
    """Return how far a time zone is ahead of UTC in winter, in minutes; west of Greenwich it is negative."""
    zone, year = ZoneInfo(time_zone), datetime.now(UTC).year
    # One of them is winter, on either half of the globe, and clocks go forward in summer.
    offsets = [datetime(year, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)]
    return min(round(offset.total_seconds() / 60) for offset in offsets if offset is not None)
