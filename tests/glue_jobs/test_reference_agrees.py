"""What the alerts know of a sensor is what the batch finds of it: one registry, two engines."""

from datetime import datetime

import pytest

from glue_jobs.episodes import measured, sensor_versions
from infra.reference_snapshot import segments_of, sensors_of
from ingestion.alerts.judge import TOO_MANY
from ingestion.contract.spark import table_schema

SINCE, NOW = datetime(2000, 1, 1), datetime(2026, 3, 2, 8)


def row_of(table, **known):
    """Return a current row of a table of the contract; what is not known is None."""
    return dict.fromkeys(table_schema(table).names) | known


def sensor(sensor_id, segment_id, lane=None, lanes=None, interval_s=20):
    known = {"segment_id": segment_id, "lane": lane, "lanes": lanes, "interval_s": interval_s, "valid_from": SINCE}
    return row_of("reference.sensors", sensor_id=sensor_id, **known)


def segment(segment_id, lanes=None, capacity_veh_h=None, speed_limit_kmh=None):
    known = {"lanes": lanes, "capacity_veh_h": capacity_veh_h, "speed_limit_kmh": speed_limit_kmh}
    return row_of("reference.segments", segment_id=segment_id, length_km=1.0, valid_from=SINCE, **known)


SENSORS = [
    *(sensor(f"each-lane-{lane}", "each lane", lane, 3) for lane in (1, 2, 3)),
    *(sensor(f"two-on-a-lane-{lane}-{which}", "two on a lane", lane, 2) for lane in (1, 2) for which in "ab"),
    *(sensor(f"fewer-{lane}", "fewer lanes than sensors", lane, 2) for lane in (1, 2, 3, 4)),
    *(sensor(f"more-{lane}", "more lanes than sensors", lane, 5) for lane in (1, 2)),
    *(sensor(f"uncounted-{lane}", "lanes not known", lane) for lane in (1, 2)),
    sensor("whole-road", "whole road", None, 4, 300),
    sensor("whole-road-of-one", "whole road, lanes not known", None, None, 60),
    *(sensor(f"half-{which}", "two halves", None, 4) for which in "ab"),
    *(sensor(f"mixed-lane-{which}", "lane and whole road", 1, 3) for which in "ab"),
    sensor("mixed-road", "lane and whole road", None, 3),
    sensor("no-capacity", "no capacity", 1, 2),
    sensor("odd-interval", "odd interval", 1, 1, 7),
]
SEGMENTS = [
    segment("each lane", 3, 5400.0, 100.0),
    segment("two on a lane", 2, 4000.0, 80.0),
    segment("fewer lanes than sensors", 2, 4100.0),
    segment("more lanes than sensors", 5, 9100.0, 60.0),
    segment("lanes not known", None, 3700.0),
    segment("whole road", 4, 7300.0, 120.0),
    segment("whole road, lanes not known", None, 1900.0),
    segment("two halves", 4, 6000.0),
    segment("lane and whole road", 3, 5000.0),
    segment("no capacity", 2, None, 50.0),
    segment("odd interval", 1, 1777.0),
    segment("without sensors", 2, 4000.0),
]
ESTIMATED = [
    {"segment_id": "two on a lane", "free_flow_kmh": 99.0},
    {"segment_id": "two halves", "free_flow_kmh": 71.5},
]


def frame(spark, table, rows):
    return spark.createDataFrame([tuple(row.values()) for row in rows], table_schema(table))


@pytest.fixture(scope="module")
def versions(spark):
    return sensor_versions(
        frame(spark, "reference.sensors", SENSORS), frame(spark, "reference.segments", SEGMENTS)
    ).cache()


def test_every_sensor_has_the_segment_and_capacity_of_the_batch(versions):
    by_batch = {row.sensor_id: (row.segment_id, row.capacity_veh) for row in versions.collect()}
    found = {name: (each.segment_id, each.capacity_veh) for name, each in sensors_of(SENSORS, SEGMENTS).items()}
    assert found == by_batch
    assert len(found) == len(SENSORS)


def test_counts_are_beyond_the_physical_limit_where_the_batch_says_so_and_free_flow_is_its_own(spark, versions):
    sensors = sensors_of(SENSORS, SEGMENTS)
    segments = {each.segment_id: each for each in segments_of(SEGMENTS, ESTIMATED)}
    around = range(-1, 3)
    readings = [
        row_of(
            "curated.readings",
            **{"sensor_id": name, "ts": NOW, "vehicle_count": int(each.limit_veh) + more, "quality_flags": []},
        )
        for name, each in sensors.items()
        for more in around
    ]
    spans = spark.createDataFrame([], "sensor_id STRING, stuck_from TIMESTAMP_NTZ, stuck_to TIMESTAMP_NTZ")
    estimated = spark.createDataFrame(
        [tuple(row.values()) for row in ESTIMATED], "segment_id STRING, free_flow_kmh DOUBLE"
    )
    by_batch = measured(frame(spark, "curated.readings", readings), spans, versions, estimated).collect()
    assert len(by_batch) == len(SENSORS) * len(around)
    for row in by_batch:
        assert (row.vehicle_count > sensors[row.sensor_id].limit_veh) == (TOO_MANY in row.flags), row
        assert segments[row.segment_id].free_flow_kmh == row.free_flow_kmh
    # Both sides of the limit are tried of each sensor.
    assert sum(TOO_MANY in row.flags for row in by_batch) == 2 * len(SENSORS)
