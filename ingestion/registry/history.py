"""The registry's history (SCD2) as pure functions. All times are naive, UTC.

A sensor's history is what was said of it, by the time from which it holds; a version ends where the next begins, so
versions never overlap and a later statement about an earlier time falls into its place.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise

from ingestion.registry.rows import SEGMENT_ATTRIBUTES, RegistryRow, Value

SINCE_EVER = datetime(2000, 1, 1)
Attributes = Mapping[str, Value]
Versions = dict[datetime, Attributes]
History = dict[str, Versions]
Record = dict[str, Value | datetime]


def from_records(records: Iterable[Record]) -> History:
    """Return the history that stored versions (rows of `reference.sensors`) stand for."""
    history: History = {}
    for record in records:
        attributes = {k: v for k, v in record.items() if k not in ("valid_from", "valid_to")}
        history.setdefault(str(record["sensor_id"]), {})[record["valid_from"]] = attributes
    return history


def to_records(history: History) -> list[Record]:
    """Return one row per sensor and version, half-open in [valid_from, valid_to), ordered by both."""
    return [
        {**versions[start], "valid_from": start, "valid_to": end}
        for _, versions in sorted(history.items())
        for start, end in pairwise([*sorted(versions), None])
    ]


def as_of(versions: Versions, moment: datetime) -> Attributes | None:
    """Return the version that holds at a moment, or None before the first."""
    start = max((start for start in versions if start <= moment), default=None)
    return None if start is None else versions[start]


def merge(history: History, rows: Iterable[RegistryRow], now: datetime) -> tuple[History, dict[str, datetime]]:
    """Return (the history with the rows merged in, the earliest changed time by changed sensor).

    A row holds from its valid_from. Without one it holds since ever where the sensor is new, or where the file
    gives other versions of it by date (then it is the first of them), and otherwise from `now`, if it says anything
    new. Sensors without a row stay as they are. Merging the same rows again changes nothing.
    """
    merged = {sensor: dict(versions) for sensor, versions in history.items()}
    changes: dict[str, datetime] = {}
    rows = list(rows)
    dated = {row.sensor_id for row in rows if row.valid_from is not None}
    for row in rows:
        known = row.sensor_id in history and row.sensor_id not in dated
        versions = merged.setdefault(row.sensor_id, {})
        if row.valid_from is None and known and as_of(versions, now) == row.attributes:
            continue
        start = row.valid_from or (now if known else SINCE_EVER)
        if versions.get(start) != row.attributes:
            versions[start] = row.attributes
            changes[row.sensor_id] = min(start, changes.get(row.sensor_id, start))
    return merged, changes


def segments(history: History) -> list[Record]:
    """Return the versions of the segments that the sensors' history stands for, ordered by segment and time.

    Where sensors of a segment disagree, the latest statement counts (of several, that of the first sensor id). The
    place is the mean of its sensors'. Versions that follow each other without a difference are one.
    """
    by_segment: dict[str, list[Record]] = {}
    for record in to_records(history):
        by_segment.setdefault(str(record["segment_id"]), []).append(record)
    return [version for segment in sorted(by_segment) for version in _segment_versions(by_segment[segment])]


def _segment_versions(records: list[Record]) -> list[Record]:
    borders = sorted({moment for r in records for moment in (r["valid_from"], r["valid_to"]) if moment is not None})
    versions: list[Record] = []
    for start, end in pairwise([*borders, None]):
        valid = [r for r in records if r["valid_from"] <= start and (r["valid_to"] is None or start < r["valid_to"])]
        if not valid:
            continue
        said = _segment(valid)
        last = versions[-1] if versions else {}
        if last.get("valid_to") == start and all(last[name] == said[name] for name in said):
            last["valid_to"] = end
        else:
            versions.append({**said, "valid_from": start, "valid_to": end})
    return versions


def _segment(records: list[Record]) -> Record:
    latest = max(record["valid_from"] for record in records)
    first = min((r for r in records if r["valid_from"] == latest), key=lambda record: str(record["sensor_id"]))
    return {
        "segment_id": first["segment_id"],
        **{name: first[name] for name in SEGMENT_ATTRIBUTES},
        "latitude": _mean([record["latitude"] for record in records]),
        "longitude": _mean([record["longitude"] for record in records]),
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(set(known)) <= 1:
        return known[0] if known else None
    return math.fsum(known) / len(known)


def zones(history: History, names: Mapping[str, str]) -> list[Record]:
    """Return the zones that any version of a sensor names; a zone without a name of its own is named by its id."""
    found = {str(a["zone_id"]) for versions in history.values() for a in versions.values() if a["zone_id"]}
    return [{"zone_id": zone, "name": names.get(zone, zone)} for zone in sorted(found | names.keys())]
