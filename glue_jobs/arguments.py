"""Arguments of the jobs, read the same way on Glue and elsewhere."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from glue_jobs.session import on_glue


class ArgumentError(ValueError):
    """An argument is missing or unusable; the message says which."""


def job_arguments(argv: list[str] | None, required: Sequence[str], optional: dict[str, str]) -> dict[str, str]:
    """Return the `--name value` arguments of a job; `optional` gives defaults, other arguments are Glue's own.

    Raises ArgumentError when a required one is missing.
    """
    given = sys.argv if argv is None else ["job", *argv]
    named = [name for name in (*required, *optional) if name in required or f"--{name}" in given]
    if on_glue():
        from awsglue.utils import getResolvedOptions  # exists on Glue only  # noqa: PLC0415

        return optional | {name: getResolvedOptions(given, named)[name] for name in named}
    values = dict(optional)
    for name in named:
        position = given.index(f"--{name}") if f"--{name}" in given else len(given)
        if position + 1 >= len(given):
            raise ArgumentError(f"argument --{name} is missing")
        values[name] = given[position + 1]
    return values


def utc_time(text: str) -> datetime:
    """Return a time given as ISO 8601 as a naive UTC time; raises ArgumentError when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentError(f"{text!r} is not a time like 2026-01-01T00:00:00Z") from error
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def utc_hour(text: str) -> datetime:
    """Return an hour given as ISO 8601 as a naive UTC time; raises ArgumentError when it is not a full hour."""
    moment = utc_time(text)
    if moment != moment.replace(minute=0, second=0, microsecond=0):
        raise ArgumentError(f"{text!r} is not a full hour")
    return moment


def hours_between(start: datetime, end: datetime) -> list[datetime]:
    """Return the hours of `[start, end)`; raises ArgumentError when there is none."""
    if end <= start:
        raise ArgumentError(f"the range from {start} to {end} holds no hour")
    return [start + timedelta(hours=n) for n in range(int((end - start) / timedelta(hours=1)))]
