"""The index of one reading: hand-computed figures, and the contract's flags honoured as the roll-up does."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ingestion.alerts import congestion_index as module
from ingestion.alerts.congestion_index import congestion_index, reading_capacity_veh, usable_count

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = yaml.safe_load((ROOT / "ingestion" / "contract" / "readings.yaml").read_text())
EXCLUDES = {
    flag["name"]: flag["excludes"]
    for entry in CONTRACT["customProperties"]
    if entry["property"] == "qualityFlags"
    for flag in entry["value"]
}


def index(speed_kmh=None, vehicle_count=None, flags=(), free_flow_kmh=100.0, capacity_veh=20.0):
    return congestion_index(
        speed_kmh=speed_kmh,
        vehicle_count=vehicle_count,
        quality_flags=flags,
        free_flow_kmh=free_flow_kmh,
        capacity_veh=capacity_veh,
    )


@pytest.mark.parametrize(
    ("speed_kmh", "expected"),
    [(100, 0), (120, 0), (60, 50), (36, 80), (28, 90), (20, 100), (5, 100), (90, 12.5)],
)
def test_the_index_falls_from_a_fifth_of_free_flow_to_free_flow(speed_kmh, expected):
    assert index(float(speed_kmh), 5) == pytest.approx(expected, abs=1e-9)
    assert index(float(speed_kmh)) == pytest.approx(expected, abs=1e-9), "a sensor that sends no count"


@pytest.mark.parametrize(("vehicle_count", "expected"), [(0, 0), (5, 25), (20, 100), (40, 100)])
def test_without_a_speed_the_count_is_measured_against_capacity(vehicle_count, expected):
    assert index(None, vehicle_count) == expected


@pytest.mark.parametrize(
    ("speed_kmh", "vehicle_count", "expected"),
    [
        (0.0, None, None),  # no vehicle moved at 0 km/h: the roll-up takes such a speed for none
        (0.0, 5, 25),
        (70.0, 0, 0),  # nobody had that speed, and the road is empty
        (None, None, None),
    ],
)
def test_a_speed_that_no_vehicle_had_is_not_used(speed_kmh, vehicle_count, expected):
    assert index(speed_kmh, vehicle_count) == expected


def test_what_the_registry_does_not_know_leaves_the_index_unknown():
    assert index(50.0, 5, free_flow_kmh=None) is None
    assert index(None, 5, capacity_veh=None) is None
    assert index(60.0, 5, capacity_veh=None) == 50
    assert index(None, 5, free_flow_kmh=None) == 25


@pytest.mark.parametrize("flag", sorted(EXCLUDES))
def test_each_flag_of_the_contract_keeps_out_what_it_says(flag):
    no_speed, no_count = "speed" in EXCLUDES[flag], "volume" in EXCLUDES[flag]
    assert index(60.0, None, [flag]) == (None if no_speed else 50)
    assert index(None, 5, [flag]) == (None if no_count else 25)
    assert usable_count(5, [flag]) == (None if no_count else 5)
    # a count that was sent and may not be used cannot vouch for the speed either
    assert index(60.0, 5, [flag]) == (None if no_count else 25 if no_speed else 50)


def test_flags_add_up():
    assert index(60.0, 5, ["timestamp_without_zone", "speed_above_160_kmh"]) == 25
    assert index(60.0, 5, ["stuck", "speed_above_160_kmh"]) is None


def test_a_sensor_on_one_lane_has_its_share_of_the_capacity():
    assert reading_capacity_veh(5400, interval_s=20, lanes_covered=1, lanes=3) == 10
    assert reading_capacity_veh(5400, interval_s=20, lanes_covered=3, lanes=3) == 30


def test_the_span_is_that_of_the_marts():
    project = yaml.safe_load((ROOT / "dbt" / "dbt_project.yml").read_text())
    assert project["vars"]["congestion_index_span"] == module.SPAN


def test_the_core_loads_nothing_heavy():
    code = (
        "import sys, ingestion.alerts.congestion_index, ingestion.alerts.episodes, ingestion.alerts.machine;"
        "sys.exit(', '.join({'pandas', 'numpy', 'pyspark', 'pyarrow', 'boto3'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
