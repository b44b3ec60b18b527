"""The formulas of a 5-minute interval, worked out by hand."""

from datetime import datetime, timedelta

import pytest

from glue_jobs.rollup import sensor_5min
from ingestion.contract.spark import table_schema

START = datetime(2026, 1, 5, 8)
READING = (
    "sensor_id STRING, ts TIMESTAMP_NTZ, vehicle_count INT, speed_kmh DOUBLE, occupancy_pct DOUBLE, "
    "quality_flags ARRAY<STRING>"
)
SPAN = "sensor_id STRING, stuck_from TIMESTAMP_NTZ, stuck_to TIMESTAMP_NTZ"


def sample(second: int, count=None, speed=None, occupancy=None, flags=(), *, sensor="a") -> tuple:
    return sensor, START + timedelta(seconds=second), count, speed, occupancy, list(flags)


@pytest.fixture
def roll(spark):
    def up(samples: list[tuple], spans=(), **sensor):
        schema = table_schema("reference.sensors")
        known = {"sensor_id": "a", "segment_id": "s", "interval_s": 20, "valid_from": datetime(2000, 1, 1)} | sensor
        registry = spark.createDataFrame([[known.get(name) for name in schema.names]], schema)
        rows = sensor_5min(
            spark.createDataFrame(samples, READING), spark.createDataFrame(list(spans), SPAN), registry
        ).collect()
        return sorted(rows, key=lambda row: (row.sensor_id, row.interval_start))

    return up


def test_speed_is_the_space_mean(roll):
    # 10 vehicles at 100 km/h and 10 at 50: 20 ÷ (10/100 + 10/50) = 66.67, not 75.
    (row,) = roll([sample(0, 10, 100.0, 4.0), sample(20, 10, 50.0, 8.0)])
    assert row.speed_kmh == pytest.approx(66.6666666667, rel=1e-10)
    assert (row.volume_veh, row.samples_observed, row.samples_expected, row.interval_s) == (20.0, 2, 15, 20)
    assert row.flow_veh_h == 20 * 3600 / 40
    assert row.occupancy_pct == 6.0
    assert (row.interval_start, row.quality_flags) == (START, [])


def test_without_counts_the_speed_is_the_harmonic_mean(roll):
    (row,) = roll([sample(0, None, 100.0), sample(20, None, 50.0)])
    assert row.speed_kmh == pytest.approx(66.6666666667, rel=1e-10)
    assert (row.volume_veh, row.flow_veh_h, row.samples_observed) == (None, None, 2)


def test_one_count_in_the_interval_rules_the_harmonic_mean_out(roll):
    (row,) = roll([sample(0, None, 100.0), sample(20, 10, 50.0)])
    assert row.speed_kmh == 50.0


def test_an_empty_road_has_a_volume_and_no_speed(roll):
    (row,) = roll([sample(0, 0, 0.0), sample(20, 0, None)])
    assert (row.volume_veh, row.flow_veh_h, row.speed_kmh) == (0.0, 0.0, None)


def test_a_flagged_sample_is_left_out_as_the_contract_says(roll):
    (row,) = roll(
        [
            sample(0, 5, 60.0, 4.0),
            sample(20, 7, 170.0, 4.0, ["speed_above_160_kmh"]),
            sample(40, 9, 80.0, 99.0, ["occupancy_above_95_pct", "device_status_not_ok"]),
        ]
    )
    assert (row.volume_veh, row.speed_kmh, row.occupancy_pct, row.samples_observed) == (12.0, 60.0, 4.0, 2)
    assert row.quality_flags == ["device_status_not_ok", "occupancy_above_95_pct", "speed_above_160_kmh"]


def test_only_unusable_samples_leave_an_interval_empty(roll):
    (row,) = roll([sample(0, 9, 80.0, 99.0, ["occupancy_above_95_pct"])])
    assert (row.volume_veh, row.speed_kmh, row.occupancy_pct, row.samples_observed) == (None, None, None, 0)


@pytest.mark.parametrize(
    ("count", "lane", "lanes", "volume"),
    [(17, 1, 3, 17.0), (18, 1, 3, None), (51, None, 3, 51.0), (52, None, 3, None), (18, None, None, None)],
)
def test_more_than_seventeen_vehicles_in_twenty_seconds_and_lane_are_impossible(roll, count, lane, lanes, volume):
    (row,) = roll([sample(0, count, 60.0)], lane=lane, lanes=lanes)
    assert row.volume_veh == volume
    assert row.quality_flags == ([] if volume else ["count_above_physical_limit"])


def test_stuck_samples_are_left_out(roll):
    spans = [("a", START + timedelta(seconds=20), START + timedelta(seconds=40))]
    (row,) = roll([sample(0, 1, 60.0), sample(20, 2, 60.0), sample(40, 4, 60.0), sample(60, 8, 60.0)], spans)
    assert (row.volume_veh, row.quality_flags) == (9.0, ["stuck"])


def test_a_sensor_that_the_registry_does_not_know_has_no_flow(roll):
    (row,) = roll([sample(0, 30, 60.0, sensor="b")])
    assert (row.volume_veh, row.speed_kmh, row.quality_flags) == (30.0, 60.0, [])
    assert (row.flow_veh_h, row.samples_expected, row.interval_s) == (None, None, None)


def test_the_version_at_the_start_of_the_interval_holds(roll):
    rows = roll([sample(0, 5), sample(300, 5)], valid_from=START + timedelta(minutes=1))
    assert [row.interval_s for row in rows] == [None, 20]
    rows = roll([sample(0, 5), sample(300, 5)], valid_to=START + timedelta(minutes=5))
    assert [row.interval_s for row in rows] == [20, None]


def test_the_order_of_samples_changes_no_bit(roll):
    samples = [sample(n, n % 7, 31.7 + n / 3, 0.1 * n) for n in range(0, 300, 7)]
    forwards, backwards = roll(samples), roll(samples[::-1])
    assert forwards == backwards
