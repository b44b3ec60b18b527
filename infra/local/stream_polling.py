"""Following one shard of a stream: batches in order, each repeated until it is done or given up."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from infra.local.stream_batches import Batch, Record

_IDLE_S = 1.0
_FIRST_RETRY_S, _LAST_RETRY_S = 0.2, 30.0

# (sequence number) → the records after it, at most a batch.
Read = Callable[[str], list[Record]]
# (batch) → what takes its place, and whether that is to wait.
Process = Callable[[Batch], tuple[list[Batch], bool]]


class Place(NamedTuple):
    """Where following begins, as a sequence number (empty: at the beginning), and what notes how far it came."""

    number: str
    save: Callable[[str], None]


class Waiting(NamedTuple):
    """How long a batch may gather, when it is full, what is set when there are new records, and what is set to end."""

    window_s: float
    is_full: Callable[[list[Record]], bool]
    bell: threading.Event
    stop: threading.Event


def follow(read: Read, process: Process, place: Place, waiting: Waiting) -> None:
    """Process the records of a shard until `stop` is set; what was under way comes again at the next start."""
    position = place.number
    while not waiting.stop.is_set():
        records = _gather(read, position, waiting)
        todo = [Batch(tuple(records))] if records else []
        failures = 0
        while todo and not waiting.stop.is_set():
            batch = todo.pop(0)
            following, wait = process(batch)
            todo[:0] = following
            # Of this batch, all is done or given up that does not come again.
            position = _before(following, batch, position) if following else batch.records[-1]["SequenceNumber"]
            place.save(position)
            failures = failures + 1 if wait else 0
            if wait:
                waiting.stop.wait(min(_FIRST_RETRY_S * 2 ** (failures - 1), _LAST_RETRY_S))


def _before(following: list[Batch], batch: Batch, position: str) -> str:
    again = following[0].records[0]["SequenceNumber"]
    numbers = [record["SequenceNumber"] for record in batch.records]
    first = numbers.index(again)
    return numbers[first - 1] if first else position


def _gather(read: Read, position: str, waiting: Waiting) -> list[Record]:
    """Return the next batch, when it is full or its window is over; nothing when nothing came for a while."""
    waiting.bell.clear()
    records = read(position)
    if not records:
        waiting.bell.wait(_IDLE_S)
        return []
    closes = time.monotonic() + waiting.window_s
    while not waiting.is_full(records) and (left := closes - time.monotonic()) > 0 and not waiting.stop.is_set():
        waiting.bell.wait(left)
        waiting.bell.clear()
        records = read(position)
    return records
