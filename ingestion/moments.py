"""When a reading was and when it arrived, without Spark: the rules of `glue_jobs.parsing` for one reading.

Instants are microseconds since 1970 (UTC).
"""

from functools import lru_cache

from ingestion.timestamps import epoch_us, parse_us

# How far received_at may lie from the arrival that the platform itself notes: Firehose buffers minutes, a broken
# clock is off by more. Whole seconds count, so anything under the next one is as near.
PLAUSIBLE_S = 3600
_TOO_FAR_US = (PLAUSIBLE_S + 1) * 1_000_000


def event_time(sent: str | int | None) -> tuple[str | int | None, int | None, bool]:
    """Return the time that was sent, None where that is blank, its instant (None if unreadable), and whether zoned."""
    if type(sent) is str and sent.strip(" "):
        return sent, *parse_us(sent)
    return (sent, epoch_us(sent), True) if type(sent) is int else (None, None, True)


# The sensors of a city report the same few seconds; what is longer than any time is not worth keeping.
known_event_time = lru_cache(maxsize=8192)(event_time)
LONG = 64


def arrival(received: str | int, arrived_us: int, place: int) -> tuple[int | None, int, int]:
    """Return the time at which a reading says it was received, that of its arrival, and what stands for its own.

    Where the first is within an hour of when the platform took it (`arrived_us`), it is all three. If not, `place`,
    the reading's position in its record, is added to the last: readings of one record must differ in time, or all
    but one of a sensor's would be repeats.
    """
    received_us = parse_us(received)[0] if type(received) is str else epoch_us(received)
    if received_us is not None and -_TOO_FAR_US < received_us - arrived_us < _TOO_FAR_US:
        return received_us, received_us, received_us
    return received_us, arrived_us, arrived_us + place
