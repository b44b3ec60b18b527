"""The state machine runs the real steps, each a process of its own, and ends in the tables of `trafficlake run`."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from infra.settings import CitySettings
from ingestion import simulator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

CITY = CitySettings()
FIRST = datetime(2025, 3, 3, 6, tzinfo=UTC)
HOURS = 2
SENSORS = 6
RUN_LIMIT_S = 1500
KEYS = {
    "curated.readings": ("sensor_id", "ts"),
    "curated.rejected_readings": ("source_file", "source_row"),
    "curated.sensor_5min": ("sensor_id", "interval_start"),
    "marts.congestion_hourly": ("segment_id", "hour_start"),
    "marts.congestion_daily": ("segment_id", "local_date"),
    "marts.zone_congestion_hourly": ("zone_id", "hour_start"),
    "marts.zone_congestion_daily": ("zone_id", "local_date"),
    "marts.reconciliation_hourly": ("arrival_hour",),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """A small city's registry and the readings of its first hours, as they were sent."""
    place = simulator.city(SENSORS, seed=5)
    folder = tmp_path_factory.mktemp("sent")
    registry, readings = folder / "registry.csv", folder / "readings.jsonl"
    registry.write_text(simulator.registry_csv(place))
    documents = simulator.readings(place, FIRST, FIRST + timedelta(hours=HOURS))
    readings.write_bytes(b"\n".join(documents) + b"\n")
    return registry, readings


def prepared(home, files: tuple[Path, Path]) -> None:
    registry, readings = files
    home.trafficlake("registry", "load", str(registry))
    home.trafficlake("ingest", str(readings), "--via", "archive")


def tables(home) -> dict[str, pa.Table]:
    """Read the tables, each in the order of its key."""
    # An endpoint that stopped by itself starts again.
    home.trafficlake("env")
    catalog = home.catalog()
    return {
        name: catalog.load_table(name).scan().to_arrow().sort_by([(column, "ascending") for column in key])
        for name, key in KEYS.items()
    }


@pytest.fixture(scope="module")
def by_command(new_home, files) -> dict[str, pa.Table]:
    with new_home("command") as home:
        prepared(home, files)
        home.trafficlake("run")
        return tables(home)


@pytest.fixture(scope="module")
def machine_home(new_home, files):
    with new_home("machine") as home:
        prepared(home, files)
        yield home


def run_by_machine(home, name: str, **bounds: str) -> list[str]:
    """Run the state machine to its successful end and return the states that it went through."""
    machines = home.aws("stepfunctions")
    arn = next(
        each["stateMachineArn"]
        for each in machines.list_state_machines()["stateMachines"]
        if each["name"] == CITY.state_machine
    )
    execution = machines.start_execution(stateMachineArn=arn, name=name, input=json.dumps(bounds))["executionArn"]
    deadline = time.monotonic() + RUN_LIMIT_S
    while (found := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution does not end"
        time.sleep(1)
    assert found["status"] == "SUCCEEDED", f"{found['error']}: {found['cause']}"
    pages = machines.get_paginator("get_execution_history").paginate(executionArn=execution)
    entered = (event for page in pages for event in page["events"] if "stateEnteredEventDetails" in event)
    return [event["stateEnteredEventDetails"]["name"] for event in entered]


def test_the_machine_ends_in_the_tables_of_the_command(machine_home, by_command):
    assert run_by_machine(machine_home, "first")[-1] == "published"
    found = tables(machine_home)
    for name, expected in by_command.items():
        assert expected.num_rows, name
        assert found[name].equals(expected), name
    assert machine_home.catalog().load_table("curated.pending_hours").scan().to_arrow().num_rows == 0
    # What the alerts judge by is published as well.
    published = machine_home.aws("s3").list_objects_v2(Bucket=CITY.lake_bucket, Prefix="published/alerts/")
    assert {Path(entry["Key"]).name for entry in published["Contents"]} == {"reference.json.gz", "usual.json.gz"}


def test_a_second_run_finds_nothing_to_do(machine_home, by_command):
    assert run_by_machine(machine_home, "second")[-1] == "nothing to do"


def test_an_hour_can_be_asked_for_again_and_nothing_changes(machine_home, by_command):
    hour = {"from_hour": f"{FIRST:%Y-%m-%dT%H:00Z}", "to_hour": f"{FIRST + timedelta(hours=1):%Y-%m-%dT%H:00Z}"}
    assert run_by_machine(machine_home, "again", **hour)[-1] == "published"
    found = tables(machine_home)
    assert [name for name, expected in by_command.items() if not found[name].equals(expected)] == []
