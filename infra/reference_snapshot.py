"""What the alerts know of the city, published for their functions: sensors and segments, and what is usual.

The registry's current versions: readings of the stream are of now. Free-flow speeds that the marts estimate are those
of the last run. Written after every run and every load of the registry; equal content keeps its ETag.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import boto3
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import IsNull

from infra.settings import CitySettings
from ingestion.alerts.congestion_index import reading_capacity_veh
from ingestion.alerts.reference import KEY, USUAL_KEY, Segment, Sensor, Usual, encode, encode_usual
from ingestion.contract.limits import LIMIT_VEH_H_LANE

SENSORS, SEGMENTS = "reference.sensors", "reference.segments"
FREE_FLOW = "marts.int_segment__free_flow"
# Eight weeks: a usual Tuesday is that of the last eight.
_USUAL_SQL = """
with last_hour as (select max(hour_start) as hour_start from congestion_hourly)
select
    segment_id,
    cast(day_of_week(local_date) as integer) - 1 as weekday,
    local_hour,
    avg(congestion_index_avg) as usual_index
from congestion_hourly
where hour_start > (select hour_start from last_hour) - interval '56' day and congestion_index_avg is not null
group by 1, 2, 3
"""
Row = Mapping[str, Any]


def publish_reference(catalog: Catalog, city: CitySettings) -> None:
    """Publish what the registry says now; nothing where none is loaded."""
    if not (catalog.table_exists(SENSORS) and catalog.table_exists(SEGMENTS)):
        return
    sensors, segments = (
        catalog.load_table(name).scan(row_filter=IsNull("valid_to")).to_arrow().to_pylist()
        for name in (SENSORS, SEGMENTS)
    )
    estimated = catalog.load_table(FREE_FLOW).scan().to_arrow().to_pylist() if catalog.table_exists(FREE_FLOW) else []
    _put(city, KEY, encode(sensors_of(sensors, segments), segments_of(segments, estimated)))


def publish_usual(city: CitySettings) -> None:
    """Publish the mean congestion index of each segment, weekday and local hour in the marts' last eight weeks."""
    from infra.athena import ask  # noqa: PLC0415 — brings pandas, which a load of the registry spares

    rows = ask(_USUAL_SQL).rows
    _put(city, USUAL_KEY, encode_usual(usual_of(rows.itertuples(index=False, name=None))))


def sensors_of(sensors: Iterable[Row], segments: Iterable[Row]) -> dict[str, Sensor]:
    """Return the sensors by id, from current rows of the registry's tables.

    Lanes and capacities are those of `glue_jobs.episodes.sensor_versions`: lanes are as many as have a sensor where the
    registry says less, and a sensor without a lane stands for a part of the road of its own.
    """
    of_segment: dict[str, list[Row]] = defaultdict(list)
    for sensor in sensors:
        of_segment[sensor["segment_id"]].append(sensor)
    found = {}
    for segment in segments:
        located = of_segment[segment["segment_id"]]
        lane_keys = {each["sensor_id"] if each["lane"] is None else each["lane"] for each in located}
        has_whole_road = any(each["lane"] is None for each in located)
        lanes = len(lane_keys) if has_whole_road else max(segment["lanes"] or 0, len(lane_keys))
        found |= {sensor["sensor_id"]: _sensor(sensor, segment["capacity_veh_h"], lanes) for sensor in located}
    return found


def _sensor(sensor: Row, capacity_veh_h: float | None, lanes: int) -> Sensor:
    interval_s = sensor["interval_s"]
    covered = (sensor["lanes"] or 1) if sensor["lane"] is None else 1
    capacity_veh = None if capacity_veh_h is None else reading_capacity_veh(capacity_veh_h, interval_s, 1, lanes)
    return Sensor(sensor["segment_id"], capacity_veh, interval_s * covered * LIMIT_VEH_H_LANE / 3600)


def segments_of(segments: Iterable[Row], estimated: Iterable[Row]) -> list[Segment]:
    """Return the segments; free flow is the speed limit, or the marts' estimate where the registry has none."""
    estimates = {row["segment_id"]: row["free_flow_kmh"] for row in estimated}
    return [
        Segment(
            segment_id=row["segment_id"],
            zone_id=row["zone_id"],
            corridor_id=row["corridor_id"],
            free_flow_kmh=row["speed_limit_kmh"] or estimates.get(row["segment_id"]),
            position_km=row["position_km"],
            length_km=row["length_km"],
        )
        for row in segments
    ]


def usual_of(rows: Iterable[tuple[str, int, int, float]]) -> Usual:
    """Return the usual indices, to a tenth, from rows of segment, weekday (0 is Monday), local hour and mean index."""
    usual: dict[str, list[float | None]] = {}
    for segment_id, weekday, hour, index in rows:
        usual.setdefault(segment_id, [None] * 168)[weekday * 24 + hour] = round(index, 1)
    return usual


def _put(city: CitySettings, key: str, content: bytes) -> None:
    boto3.client("s3").put_object(Bucket=city.lake_bucket, Key=key, Body=content)
