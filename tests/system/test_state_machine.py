"""The state machine runs the real steps, each a process of its own, and ends in the tables of `trafficlake run`."""

import time
from datetime import timedelta
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from infra.local import process
from tests.system.hourly_run import CITY, FIRST, ended, load, run_by_machine, start
from tests.system.lost_reading import lose

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

HOUR = {"from_hour": f"{FIRST:%Y-%m-%dT%H:00Z}", "to_hour": f"{FIRST + timedelta(hours=1):%Y-%m-%dT%H:00Z}"}
JOB_LIMIT_S = 300
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
def by_command(new_home, tmp_path_factory) -> dict[str, pa.Table]:
    with new_home("command") as home:
        load(home, tmp_path_factory.mktemp("sent"))
        home.trafficlake("run")
        return tables(home)


def test_the_machine_ends_in_the_tables_of_the_command(hourly_run, by_command):
    assert hourly_run.states[-1] == "published"
    found = tables(hourly_run.home)
    for name, expected in by_command.items():
        assert expected.num_rows, name
        assert found[name].equals(expected), name
    assert hourly_run.home.catalog().load_table("curated.pending_hours").scan().to_arrow().num_rows == 0
    # What the alerts judge by is published as well.
    published = hourly_run.home.aws("s3").list_objects_v2(Bucket=CITY.lake_bucket, Prefix="published/alerts/")
    assert {Path(entry["Key"]).name for entry in published["Contents"]} == {"reference.json.gz", "usual.json.gz"}


def test_a_second_run_finds_nothing_to_do(hourly_run, by_command):
    assert run_by_machine(hourly_run.home, "second")[-1] == "nothing to do"


def test_an_hour_can_be_asked_for_again_and_nothing_changes(hourly_run, by_command):
    assert run_by_machine(hourly_run.home, "again", **HOUR)[-1] == "published"
    found = tables(hourly_run.home)
    assert [name for name, expected in by_command.items() if not found[name].equals(expected)] == []


def test_a_job_that_is_killed_is_tried_again_and_nothing_changes(hourly_run, by_command):
    execution = start(hourly_run.home, "killed", **HOUR)
    job_of(hourly_run.home, "curate_readings").kill()
    found, states = ended(hourly_run.home, execution)
    assert (found["status"], states[-1]) == ("SUCCEEDED", "published")
    history = hourly_run.home.aws("stepfunctions").get_execution_history(executionArn=execution)["events"]
    assert [event["type"] for event in history].count("TaskFailed") == 1
    after = tables(hourly_run.home)
    assert [name for name, expected in by_command.items() if not after[name].equals(expected)] == []


def test_a_run_whose_expectations_fail_publishes_nothing_and_its_hours_again_mend_it(hourly_run, by_command):
    home = hourly_run.home
    home.trafficlake("env")
    lost = next(row for row in by_command["curated.readings"].to_pylist() if row["arrival_hour"].hour == FIRST.hour)
    lose(home.catalog(), lost, lost["arrival_hour"])
    found, states = ended(home, start(home, "lost"))
    assert (found["status"], states[-1]) == ("FAILED", "expectations")
    assert "is_balanced" in found["cause"]
    assert run_by_machine(home, "mended", **HOUR)[-1] == "published"
    after = tables(home)
    assert [name for name, expected in by_command.items() if not after[name].equals(expected)] == []


def job_of(home, module: str) -> psutil.Process:
    """Wait for the process of a Glue job of a home, and return it."""
    endpoint = process.status(home.folder)
    deadline = time.monotonic() + JOB_LIMIT_S
    while time.monotonic() < deadline:
        for each in psutil.Process(endpoint.pid).children(recursive=True):
            if any(Path(part).name == f"{module}.py" for part in each.cmdline()):
                return each
        time.sleep(0.2)
    raise AssertionError(f"no job {module} was started")
