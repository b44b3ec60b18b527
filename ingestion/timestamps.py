"""Times as devices send them: ISO 8601 with or without zone, or an epoch in seconds or milliseconds."""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

# The end of a text for Java as for Python: to Java, $ also matches before a last line separator.
END = r"(?![\s\S])"
ISO_PATTERN = (
    r"^\s*(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"\s*([Zz]|[+-]\d{2}(?::?\d{2})?)?\s*" + END
)
EPOCH_PATTERN = r"^\s*[+-]?\d{1,20}(?:\.\d{0,20})?(?:[eE]\+?\d{1,2})?\s*" + END
# 1e11 s is the year 5138 and 1e11 ms is March 1973: no time since 2000 is read in the wrong unit.
SECONDS_BELOW = 10**11
MILLISECONDS_BELOW = 10**14
LARGEST_OFFSET_S = 18 * 3600

_ISO = re.compile(ISO_PATTERN, re.ASCII)
_EPOCH = re.compile(EPOCH_PATTERN, re.ASCII)
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400
# The calendar repeats every 400 years, so a year that Python's dates lack can be counted by one that they have.
_CALENDAR_CYCLE_US = 146_097 * _DAY_S * 1_000_000
_DECIMALS = Decimal("1e-12")


def parse_timestamp(text: str) -> tuple[datetime | None, bool]:
    """Read a time; return (instant in UTC or None when it is unreadable, whether it said its zone).

    A time without zone is taken as UTC. Fractions are cut to microseconds. A date without a time is unreadable;
    a minute without seconds is not. An epoch always has a zone. What Python's dates cannot hold is unreadable.
    """
    instant_us, zoned = parse_us(text)
    try:
        return (None, False) if instant_us is None else (_EPOCH_START + timedelta(microseconds=instant_us), zoned)
    except OverflowError:
        return None, False


def parse_us(text: str) -> tuple[int | None, bool]:
    """Read a time; return (microseconds since 1970 or None when it is unreadable, False if it lacks its zone).

    The same as `parse_timestamp` for readings, where speed counts, and for all instants that the patterns can spell.
    Only what is spelled as an ISO time without zone lacks one, be it readable or not.
    """
    marks = text[4:20:3]
    if (marks == "--T::Z" and len(text) == 20) or (marks == "--T::." and len(text) in (24, 27) and text[-1] == "Z"):
        # `2026-01-05T08:09:10Z`, also with `.123` or `.123456`, where the rest is digits: without the cost of a regular
        # expression.
        try:
            since = datetime.fromisoformat(text) - _EPOCH_START
        except ValueError:
            return _parse_us(text)
        return (since.days * _DAY_S + since.seconds) * 1_000_000 + since.microseconds, True
    return _parse_us(text)


def epoch_us(number: int) -> int | None:
    """Return an epoch as microseconds: below 1e11 it is in seconds, below 1e14 in milliseconds, else unreadable."""
    if -SECONDS_BELOW < number < SECONDS_BELOW:
        return number * 1_000_000
    return number * 1_000 if -MILLISECONDS_BELOW < number < MILLISECONDS_BELOW else None


def _parse_us(text: str) -> tuple[int | None, bool]:
    if iso := _ISO.match(text):
        zone = iso.group(8)
        try:
            return _from_iso(iso), zone is not None
        except ValueError:
            return None, zone is not None
    return (_from_epoch(Decimal(text.strip())) if _EPOCH.match(text) else None), True


def _from_iso(iso: re.Match[str]) -> int:
    year, *rest, fraction, zone = iso.groups()
    offset_s = _offset_s(zone)
    shift_us = _CALENDAR_CYCLE_US if int(year) == 0 else 0
    moment = datetime(int(year) or 400, *(int(part or 0) for part in rest), tzinfo=UTC)
    since = moment - _EPOCH_START
    seconds = since.days * _DAY_S + since.seconds - offset_s
    return seconds * 1_000_000 + int((fraction or "")[:6].ljust(6, "0")) - shift_us


def _offset_s(zone: str | None) -> int:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    offset_s = hours * 3600 + minutes * 60
    if minutes > 59 or offset_s > LARGEST_OFFSET_S:
        raise ValueError(f"no such zone: {zone}")
    return -offset_s if zone[0] == "-" else offset_s


def _from_epoch(number: Decimal) -> int | None:
    if abs(number) >= MILLISECONDS_BELOW:
        return None
    # As many decimals as Spark's widest decimal has beside the digits of any epoch.
    number = number.quantize(_DECIMALS, ROUND_HALF_UP)
    if abs(number) < SECONDS_BELOW:
        return int(number * 1_000_000)
    return int(number * 1_000) if abs(number) < MILLISECONDS_BELOW else None
