"""What the alerts know of sensors and segments: the reference snapshot that the pipeline publishes.

One object of gzipped JSON in the lake's bucket. `infra.reference_snapshot` writes it, the functions read it.
"""

import gzip
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

KEY = "published/alerts/reference.json.gz"
USUAL_KEY = "published/alerts/usual.json.gz"
VERSION = 1


class Segment(NamedTuple):
    """A segment as the registry has it now; what is not known is None."""

    segment_id: str
    zone_id: str | None
    corridor_id: str | None
    free_flow_kmh: float | None
    position_km: float | None
    length_km: float | None


class Sensor(NamedTuple):
    """A sensor as the registry has it now.

    `capacity_veh` is what it can count in one reporting interval when its segment is at capacity, `limit_veh` what no
    road can carry in that time (flag `count_above_physical_limit`).
    """

    segment_id: str
    capacity_veh: float | None
    limit_veh: float


class Reference(NamedTuple):
    """Sensors and segments by id."""

    sensors: Mapping[str, Sensor]
    segments: Mapping[str, Segment]


# Mean congestion index by segment, ISO weekday (0 is Monday) and local hour: 168 values, None where unknown.
Usual = Mapping[str, list[float | None]]

NOTHING = Reference({}, {})


def encode(sensors: Mapping[str, Sensor], segments: Iterable[Segment]) -> bytes:
    """Return the snapshot's object; equal content gives equal bytes, so that its ETag tells a change."""
    return _packed(
        {
            "version": VERSION,
            "sensors": {sensor_id: list(sensors[sensor_id]) for sensor_id in sorted(sensors)},
            "segments": sorted(map(list, segments)),
        }
    )


def decode(content: bytes) -> Reference:
    """Return the snapshot of an object's content. Raises ValueError for another version."""
    document = _unpacked(content)
    # one string per segment: its sensors share it
    segments = {row[0]: Segment(*row) for row in document["segments"]}
    ids = {segment_id: segment_id for segment_id in segments}
    sensors = {name: Sensor(ids[row[0]], *row[1:]) for name, row in document["sensors"].items()}
    return Reference(sensors, segments)


def encode_usual(usual: Usual) -> bytes:
    """Return the object that tells what is usual; equal content gives equal bytes."""
    return _packed({"version": VERSION, "usual": {segment_id: usual[segment_id] for segment_id in sorted(usual)}})


def decode_usual(content: bytes) -> Usual:
    """Return what is usual. Raises ValueError for another version."""
    return _unpacked(content)["usual"]


def _packed(document: dict) -> bytes:
    return gzip.compress(orjson.dumps(document), mtime=0)


def _unpacked(content: bytes) -> dict:
    document = orjson.loads(gzip.decompress(content))
    if document.get("version") != VERSION:
        raise ValueError(f"a snapshot of version {document.get('version')} cannot be read; this is version {VERSION}.")
    return document
