"""The state machine runs the real steps, each a process of its own, and ends in the tables of `trafficlake run`."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tests.system.hourly_run import CITY, FIRST, load, run_by_machine

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

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
    hour = {"from_hour": f"{FIRST:%Y-%m-%dT%H:00Z}", "to_hour": f"{FIRST + timedelta(hours=1):%Y-%m-%dT%H:00Z}"}
    assert run_by_machine(hourly_run.home, "again", **hour)[-1] == "published"
    found = tables(hourly_run.home)
    assert [name for name, expected in by_command.items() if not found[name].equals(expected)] == []
