"""What curation and roll-up promise of whole batches, on real Iceberg tables behind the local endpoint."""

import base64
import json
from datetime import datetime

import boto3
import pyarrow as pa
import pytest

from glue_jobs import curate_readings, maintain_tables, rollup_5min
from glue_jobs.curate_readings import CurateCounts
from glue_jobs.tables import ensure_table
from infra.settings import settings
from ingestion.contract.spark import table_schema
from quality.results import ExpectationsFailedError

KEYS = {
    "curated.readings": ["sensor_id", "ts"],
    "curated.rejected_readings": ["source_file", "source_row"],
    "curated.landed_keys": ["source_file", "source_row"],
    "curated.sensor_5min": ["sensor_id", "interval_start"],
    "curated.processed_objects": ["object_path"],
}


def reading(sensor_id: str, timestamp: str, **values) -> dict:
    return {"sensor_id": sensor_id, "timestamp": timestamp, "vehicle_count": 5.0, "avg_speed": 60.0} | values


def contents(spark, *tables: str) -> dict[str, list]:
    return {
        table: spark.table(f"glue.{table}").select(table_schema(table).names).orderBy(*KEYS[table]).collect()
        for table in tables or KEYS
    }


def three_hours(land) -> None:
    """Readings that come twice, late and corrected, spread over the arrival hours 8 to 10."""
    eight = [reading(sensor, f"2026-01-05T0{h}:5{m}:00Z") for sensor in "ab" for h in (7, 8) for m in (0, 5)]
    land("2026-01-05T08:10:00", [*eight[:2], reading("a", "2026-01-05T07:50:00Z", vehicle_count=6.0), *eight[4:6]])
    land("2026-01-05T09:00:10", [*eight[2:4], *eight[6:], *eight[:1], reading("c", "never")], "late")
    land(
        "2026-01-05T10:00:10", [reading("a", "2026-01-05T08:50:00Z", vehicle_count=9.0), reading(" ", "1")], "corrected"
    )


HOURS = [(f"2026-01-05T{hour:02}", f"2026-01-05T{hour + 1:02}") for hour in (8, 9, 10)]


@pytest.fixture
def clean_run(lake, land, batch) -> dict[str, list]:
    """What one run over all three hours leaves, afterwards the objects are still there and the tables are gone."""
    three_hours(land)
    curate_readings.run(batch(HOURS[0][0], HOURS[-1][1]))
    rollup_5min.run(lake, "r-1")
    left = contents(lake)
    glue = boto3.client("glue")
    for table in glue.get_tables(DatabaseName="curated")["TableList"]:
        glue.delete_table(DatabaseName="curated", Name=table["Name"])
    return left


def test_counts_of_a_batch_balance_and_no_row_is_lost(batch, land):
    rows = [
        reading("a", "2026-01-05T08:09:00Z"),
        reading("a", "2026-01-05T08:09:00Z", vehicle_count=6.0),
        reading("b", "2026-01-05T08:09:00Z", vehicle_count=-1.0),
    ]
    place = land("2026-01-05T08:10:00", rows)
    eight = batch("2026-01-05T08", "2026-01-05T09")
    assert curate_readings.run(eight) == CurateCounts(3, 1, 1, 1, 0)
    (kept,) = eight.spark.table("glue.curated.readings").collect()
    assert (kept.sensor_id, kept.vehicle_count, kept.source_file, kept.source_row) == ("a", 6, place, 1)
    (refused,) = eight.spark.table("glue.curated.rejected_readings").collect()
    assert (refused.reasons, refused.source_row) == (["vehicle_count_out_of_range"], 2)
    assert json.loads(refused.original) == rows[2]


@pytest.mark.slow
def test_hours_in_another_order_and_twice_leave_the_same_tables(clean_run, lake, batch):
    for hours in [HOURS[2], HOURS[0], HOURS[1], HOURS[0]]:
        curate_readings.run(batch(*hours))
        rollup_5min.run(lake, "r-1")
    assert contents(lake) == clean_run


@pytest.mark.slow
def test_killed_at_every_step_and_run_again_the_tables_are_the_same(clean_run, lake, batch):
    curate_readings.run(batch(*HOURS[0]))
    for killed_after in range(len(curate_readings.STEPS)):
        unfinished = batch(HOURS[1][0], HOURS[2][1])
        for step in curate_readings.STEPS[:killed_after]:
            step(unfinished)
    curate_readings.run(batch(HOURS[1][0], HOURS[2][1]))
    rollup_5min.run(lake, "r-1")
    assert contents(lake) == clean_run


@pytest.mark.slow
def test_a_superseded_reading_announces_its_own_arrival_hour(lake, land, batch):
    three_hours(land)
    for hours in HOURS[:2]:
        curate_readings.run(batch(*hours))
    lake.sql("DELETE FROM glue.curated.pending_hours")
    curate_readings.run(batch(*HOURS[2]))
    pending = lake.table("glue.curated.pending_hours").distinct().orderBy("kind", "hour_start").collect()
    assert [tuple(row) for row in pending] == [
        ("arrival", datetime(2026, 1, 5, 9)),
        ("arrival", datetime(2026, 1, 5, 10)),
        # Two more hours, because a flag `stuck` can reach that far.
        *(("event", datetime(2026, 1, 5, hour)) for hour in (8, 9, 10)),
    ]


def test_a_failed_audit_publishes_nothing_and_keeps_its_branch(lake, land, batch):
    land("2026-01-05T08:10:00", [reading("a", "2026-01-05T08:09:00Z")])
    eight = batch(*HOURS[0])
    before_audit = curate_readings.STEPS[: curate_readings.STEPS.index(curate_readings.audit)]
    for step in before_audit:
        step(eight)
    branch = f"glue.curated.readings.branch_{eight.branch}"
    lake.sql(f"UPDATE {branch} SET speed_kmh = 999")
    with pytest.raises(ExpectationsFailedError):
        curate_readings.audit(eight)
    assert lake.table("glue.curated.readings").count() == 0
    assert lake.table(branch).count() == 1
    assert curate_readings.run(batch(HOURS[0][0], HOURS[1][1])).curated == 1
    assert "audit" not in str(lake.table("glue.curated.readings.refs").collect())


def test_an_hour_without_objects_changes_nothing(lake, batch):
    assert curate_readings.run(batch(*HOURS[0])) == CurateCounts(0, 0, 0, 0, 0)
    assert rollup_5min.run(lake, "r-1").intervals == 0
    assert lake.table("glue.curated.pending_hours").count() == 0


def test_an_hour_with_only_refused_rows_and_records_that_did_not_convert(lake, land, batch):
    land("2026-01-05T08:10:00", [{"sensor_id": None}])
    record = {"arrivalTimestamp": 1767600300123, "lastErrorCode": "C", "lastErrorMessage": "m"}
    line = json.dumps(record | {"rawData": base64.b64encode(b"{").decode()})
    key = "errors/format-conversion-failed/dt=2026-01-05/hour=08/x-1-2026-01-05-08-10-00-e"
    boto3.client("s3").put_object(Bucket=settings().raw_bucket, Key=key, Body=f"{line}\n{line}\n".encode())
    assert curate_readings.run(batch(*HOURS[0])) == CurateCounts(1, 0, 0, 1, 2)
    assert rollup_5min.run(lake, "r-1").intervals == 0
    kinds = lake.table("glue.curated.rejected_readings").groupBy("source_kind").count().collect()
    assert {row[0]: row[1] for row in kinds} == {"landing": 1, "delivery_error": 2}


def test_an_older_object_without_a_newer_optional_column_is_read(lake, land, batch):
    narrow = pa.schema([("sensor_id", pa.string()), ("timestamp", pa.string()), ("vehicle_count", pa.float64())])
    land("2026-01-05T08:10:00", [reading("a", "2026-01-05T08:09:00Z")], schema=narrow)
    assert curate_readings.run(batch(*HOURS[0])).curated == 1
    (row,) = lake.table("glue.curated.readings").collect()
    assert (row.vehicle_count, row.speed_kmh, row.battery_pct) == (5, None, None)


def test_a_table_gains_the_columns_that_its_contract_has_gained(lake, land, batch):
    land("2026-01-05T08:10:00", [reading("a", "2026-01-05T08:09:00Z", battery=80.0)])
    ensure_table(lake, "curated.readings")
    lake.sql("ALTER TABLE glue.curated.readings DROP COLUMN battery_pct")
    curate_readings.run(batch(*HOURS[0]))
    (row,) = lake.table("glue.curated.readings").collect()
    assert row.battery_pct == 80.0


def pending_by_tag(lake):
    return sorted(lake.read.option("tag", "taken_r-1").table("glue.curated.pending_hours").collect())


@pytest.mark.slow
def test_maintenance_keeps_what_is_published_and_drops_what_is_old(lake, land, batch):
    land("2026-01-05T08:10:00", [reading("a", "2026-01-05T08:09:00Z")])
    land("2026-01-05T09:00:10", [reading("b", "2026-01-05T08:55:00Z")])
    for hours in HOURS[:2]:
        curate_readings.run(batch(*hours))
    lake.sql("ALTER TABLE glue.curated.readings CREATE BRANCH audit_forgotten")
    rollup_5min.take_pending(rollup_5min.Rollup(lake, "r-1"))
    taken = pending_by_tag(lake)
    before = contents(lake, "curated.readings")
    retention = maintain_tables.Retention(min_input_files=2, snapshot_days=1, audit_branch_days=1)
    done = maintain_tables.run(lake, ["curated"], retention, now=datetime(2100, 1, 1))
    readings = next(counts for counts in done if counts.table == "curated.readings")
    assert (readings.branches_dropped, readings.files_compacted, readings.files_written) == (1, 2, 1)
    assert lake.table("glue.curated.readings.snapshots").count() == 1
    assert contents(lake, "curated.readings") == before
    # The steps of a run that is under way still find their hours.
    assert pending_by_tag(lake) == taken != []
