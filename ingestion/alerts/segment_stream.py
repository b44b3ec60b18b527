"""Records of the second stream, on which all readings of a segment follow one another.

Devices publish by sensor, so the sensors of a segment may be on any shard of the first stream. Judged readings are
packed by group of segments, and the group is the partition key: one shard, one reader, one order. A tick says that
time goes on; being in the log with the readings, it is the same for whoever reads the log again.
"""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from ingestion.alerts.anomalies import Findings

VERSION = 1
# As many as the stream may ever have shards, and few enough that a batch becomes few records.
GROUPS = 64
# About 250 kB: a record holds at most 1 MB.
READINGS_PER_RECORD = 2000


class JudgedReading(NamedTuple):
    """A valid reading of a registered sensor: what state machine, summaries and anomaly rules need of it.

    `findings` and `fingerprint` are of `anomalies`.
    """

    segment_id: str
    sensor_id: str
    ts_us: int
    arrived_us: int
    congestion_index: float | None
    vehicle_count: int | None
    findings: Findings
    fingerprint: int


class Record(NamedTuple):
    """One record: readings, or a tick, which has none. `at_us` is when it was put on the stream."""

    at_us: int
    readings: list[JudgedReading]


def group_of(segment_id: str) -> str:
    """Return the partition key of a segment."""
    return f"{zlib.crc32(segment_id.encode()) % GROUPS:03d}"


def packed(readings: list[JudgedReading], at_us: int) -> Iterator[tuple[str, bytes]]:
    """Return partition keys and data of the records that hold the readings, in their order."""
    groups: dict[str, list[JudgedReading]] = {}
    keys: dict[str, str] = {}
    for reading in readings:
        key = keys.get(reading.segment_id) or keys.setdefault(reading.segment_id, group_of(reading.segment_id))
        groups.setdefault(key, []).append(reading)
    for key, of_group in groups.items():
        for start in range(0, len(of_group), READINGS_PER_RECORD):
            yield key, _encoded(of_group[start : start + READINGS_PER_RECORD], at_us)


def tick(at_us: int) -> bytes:
    """Return the data of a record that only says what time it is."""
    return _encoded([], at_us)


def unpacked(data: bytes) -> Record:
    """Return what a record holds. Raises ValueError for anything but a record of this stream."""
    try:
        document = orjson.loads(data)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']} is not {VERSION}")
        return Record(int(document["at_us"]), [JudgedReading(*row) for row in document["readings"]])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"no record of judged readings: {error}") from error


def _encoded(readings: list[JudgedReading], at_us: int) -> bytes:
    return orjson.dumps({"version": VERSION, "at_us": at_us, "readings": [tuple(reading) for reading in readings]})
