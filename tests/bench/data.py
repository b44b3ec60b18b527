"""Input of the benchmarks: landing objects of a simulated city, as files in the landing layout.

The rows come from the simulator's deliveries without the detour over JSON, which is benchmark (c)'s business.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.contract.arrow import landing_schema
from ingestion.simulator import City, city
from ingestion.simulator.devices import Rows, hour_rows, in_arrival_order

HOUR = timedelta(hours=1)
READINGS_PER_SENSOR_AND_HOUR = 180
# A weekday morning, with traffic on the roads.
START = datetime(2026, 3, 4, 16, tzinfo=UTC)
OBJECT_S = 300


def dense_city(readings: int) -> City:
    """Return a city whose sensors send about this many readings an hour, one every 20 seconds each."""
    return city(max(readings // READINGS_PER_SENSOR_AND_HOUR, 1), 1, interval_s=20)


def landing_rows(place: City, rows: Rows) -> pa.Table:
    """Return deliveries as rows of `raw.sensor_readings`, with defects that a landed row can have."""
    kinds = ["", *place.defect_shares]
    defect = np.array(kinds, object)[rows["defect"]]
    sensors = pa.array([device.sensor_id for device in place.sensors])
    sensor = pc.take(sensors, pa.array(rows["sensor"]))
    unknown = pc.binary_join_element_wise("GHOST", sensor, "-")
    sensor = pc.if_else(pa.array(defect == "unknown_sensor"), unknown, sensor)
    sensor = pc.if_else(pa.array(defect == "sensor_id_absent"), None, sensor)
    count = rows["count"].astype(float)
    count = np.where(defect == "negative_count", -1 - count, np.where(defect == "fractional_count", count + 0.5, count))
    count = pa.array(count, mask=(rows["count"] < 0) & (count < 0) & (defect != "negative_count"))
    speed = pa.array(np.where(defect == "speed_900", 900.0, rows["speed"] / 10), mask=rows["speed"] < 0)
    occupancy = pa.array(np.where(defect == "occupancy_140", 140.0, rows["occupancy"] / 10), mask=rows["occupancy"] < 0)
    times = _texts(pa.array(rows["ts"]), "s", "Z")
    for kind, text in (
        ("time_unreadable", pa.scalar("yesterday")),
        ("time_without_zone", _texts(pa.array(rows["ts"]), "s", "")),
        ("future", _texts(pa.array(rows["ts"] + 8 * 3600), "s", "Z")),
    ):
        times = pc.if_else(pa.array(defect == kind), text, times)
    columns = {
        "sensor_id": sensor,
        "timestamp": times,
        "vehicle_count": count,
        "avg_speed": speed,
        "occupancy": occupancy,
        "status": pc.if_else(pa.array(defect == "status_fault"), "fault", pa.scalar("ok")),
        "received_at": _texts(pa.array(rows["arrival"]), "ms", "Z"),
    }
    schema = landing_schema()
    empty = {field.name: pa.nulls(len(rows), field.type) for field in schema if field.name not in columns}
    return pa.table(columns | empty).select(schema.names).cast(schema)


def _texts(epochs: pa.Array, unit: str, zone: str) -> pa.Array:
    return pc.strftime(epochs.cast(pa.timestamp(unit)), format=f"%Y-%m-%dT%H:%M:%S{zone}")


def write_hour(place: City, hour: datetime, folder: Path) -> int:
    """Write the readings of one event hour that arrive within two hours of its start; returns their number.

    Objects hold five minutes of arrivals, like Firehose's.
    """
    rows = hour_rows(place, hour)
    arrival = rows["arrival"] // 1000 - int(hour.timestamp())
    return sum(
        _write_object(place, rows[(arrival >= begin) & (arrival < begin + OBJECT_S)], folder, "bench")
        for begin in range(0, 7200, OBJECT_S)
    )


def write_arrivals(place: City, start: datetime, hours: int, folder: Path) -> int:
    """Write what arrives in these hours, one object an hour, as `archive` does; returns the number of readings."""
    total = 0
    waiting: list[Rows] = []
    for hour in (start + HOUR * n for n in range(hours)):
        rows = in_arrival_order(np.concatenate([*waiting, hour_rows(place, hour)]))
        due = int(np.searchsorted(rows["arrival"], int((hour + HOUR).timestamp()) * 1000))
        waiting = [rows[due:]]
        total += _write_object(place, rows[:due], folder, "archive")
    return total


def _write_object(place: City, rows: Rows, folder: Path, name: str) -> int:
    if not len(rows):
        return 0
    oldest = datetime.fromtimestamp(int(rows["arrival"][0]) // 1000, UTC)
    path = folder / f"readings/dt={oldest:%Y-%m-%d}/hour={oldest:%H}/{name}-1-{oldest:%Y-%m-%d-%H-%M-%S}-0.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(landing_rows(place, rows), path, compression="snappy")
    return len(rows)


def upload(folder: Path, bucket: str) -> None:
    """Put all files of the folder into the bucket under the same names."""
    import boto3  # noqa: PLC0415 — most cells need no AWS client

    s3 = boto3.client("s3")
    for path in sorted(folder.rglob("*.parquet")):
        s3.put_object(Bucket=bucket, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())


def convertible(documents: Iterable[bytes]) -> Iterator[bytes]:
    """Yield only documents that every JSON reader takes for the same values: no malformed text, no wrong type."""
    for document in documents:
        try:
            count = orjson.loads(document).get("vehicle_count")
        except orjson.JSONDecodeError:
            continue
        if not isinstance(count, str):
            yield document
