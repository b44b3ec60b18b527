"""Times as devices send them: ISO 8601 with or without zone, or an epoch in seconds or milliseconds."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

ISO_PATTERN = (
    r"^\s*(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"\s*([Zz]|[+-]\d{2}(?::?\d{2})?)?\s*$"
)
EPOCH_PATTERN = r"^\s*[+-]?\d{1,20}(?:\.\d{0,20})?(?:[eE]\+?\d{1,2})?\s*$"
# 1e11 s is the year 5138 and 1e11 ms is March 1973: no time since 2000 is read in the wrong unit.
SECONDS_BELOW = 10**11
MILLISECONDS_BELOW = 10**14

_ISO = re.compile(ISO_PATTERN, re.ASCII)
_EPOCH = re.compile(EPOCH_PATTERN, re.ASCII)
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)


def parse_timestamp(text: str) -> tuple[datetime | None, bool]:
    """Read a time; return (instant in UTC or None when it is unreadable, whether it said its zone).

    A time without zone is taken as UTC. Fractions are cut to microseconds. A date without a time is unreadable;
    a minute without seconds is not. An epoch always has a zone.
    """
    if iso := _ISO.match(text):
        return _from_iso(iso)
    if _EPOCH.match(text):
        epoch = _from_epoch(Decimal(text.strip()))
        return epoch, epoch is not None
    return None, False


def _from_iso(iso: re.Match[str]) -> tuple[datetime | None, bool]:
    *date_and_time, fraction, zone = iso.groups()
    try:
        offset = _offset(zone)
        moment = datetime(*(int(part or 0) for part in date_and_time), tzinfo=offset)
        moment = moment.replace(microsecond=int((fraction or "")[:6].ljust(6, "0")))
        return moment.astimezone(UTC), zone is not None
    except (ValueError, OverflowError):
        return None, False


def _offset(zone: str | None) -> timezone:
    if zone is None or zone in "Zz":
        return UTC
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 18 or minutes > 59:
        raise ValueError(f"no such zone: {zone}")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if zone[0] == "-" else offset)


def _from_epoch(number: Decimal) -> datetime | None:
    if abs(number) < SECONDS_BELOW:
        microseconds = int(number * 1_000_000)
    elif abs(number) < MILLISECONDS_BELOW:
        microseconds = int(number * 1000)
    else:
        return None
    try:
        return _EPOCH_START + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
