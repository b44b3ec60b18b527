"""Times as devices send them, as Spark expressions: the rules of `ingestion.timestamps`, without Python per row."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from ingestion.timestamps import END, EPOCH_PATTERN, ISO_PATTERN, MILLISECONDS_BELOW, SECONDS_BELOW

_ZONE = r"([Zz]|[+-]\d{2}(:?\d{2})?)\s*" + END


def parsed(text: Column) -> Column:
    """Return the instant as UTC `timestamp_ntz`, cut to microseconds; null when it is unreadable.

    A time without zone is taken as UTC. An epoch below 1e11 is in seconds, below 1e14 in milliseconds.
    """
    # Without its Z, because Spark looks every zone up anew.
    usual = F.when(_is_usual(text), F.substring_index(text, "Z", 1).cast("timestamp_ntz"))
    return usual.when(text.rlike(ISO_PATTERN), _from_iso(text)).when(text.rlike(EPOCH_PATTERN), _from_epoch(text))


def has_zone(text: Column) -> Column:
    """Tell whether a readable time says its zone; an epoch always does."""
    return F.when(_is_usual(text), F.lit(True)).when(text.rlike(ISO_PATTERN), text.rlike(_ZONE)).otherwise(True)


def _is_usual(text: Column) -> Column:
    """Recognise `2026-01-05T00:00:00Z`, also with `.123` or `.123456`, without a regular expression.

    That would cost more than all other parsing. What has these marks at these places, and digits where Spark would
    also take a blank, a zone or a shorter number, is a time if Spark can read it.
    """
    marks = F.concat(*(F.substring(text, place, 1) for place in (5, 8, 11, 14, 17)))
    whole = (F.length(text) == 20) & F.substring(text, 19, 1).between("0", "9")
    digits = F.substring(text, 21, 6)
    fraction = F.length(text).isin(24, 27) & (F.substring(text, 20, 1) == ".")
    fraction &= F.translate(digits, "0123456789Z", "") == ""
    return (F.instr(text, "Z") == F.length(text)) & (marks == "--T::") & (whole | fraction)


def _from_iso(text: Column) -> Column:
    spelled = F.translate(F.regexp_replace(text, r"^\s+|\s+$|\s+(?=[Zz+-])", ""), "tz,", "TZ.")
    with_seconds = F.regexp_replace(spelled, r"^(.{11}\d{2}:\d{2})(?!:)", "$1:00")
    return with_seconds.cast("timestamp").cast("timestamp_ntz")


def _from_epoch(text: Column) -> Column:
    number = F.regexp_replace(text, r"\s", "").cast("decimal(38,12)")
    microseconds = (
        F.when(F.abs(number) < SECONDS_BELOW, number * F.lit(1_000_000))
        .when(F.abs(number) < MILLISECONDS_BELOW, number * F.lit(1_000))
        .cast("long")
    )
    return F.timestamp_micros(microseconds).cast("timestamp_ntz")
