"""What the hourly run plans, leaves pending, and does when a step fails."""

import importlib
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from infra import pipeline, run_steps
from infra.home.environment import local_environment
from infra.home.resources import create_resources
from infra.runners import lock, pending, planning
from infra.runners.dbt_step import DbtLog
from infra.runners.events import StepFailedError
from infra.settings import CitySettings
from ingestion.contract import iceberg
from ingestion.iceberg_catalog import open_catalog
from quality.results import ExpectationsFailedError
from quality.touched_hours import taken_by

STEPS_CITY = CitySettings(stage="steps")
DAY = datetime(2026, 3, 2)
RUN = "r-1"
MB = 1 << 20
ETAG_OF_X = "9dd4e461268c8034f5c8564e155c67a6"  # the MD5 of b"x"


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def ranges_of(*wanted: int, landed: dict[int, int]) -> list[tuple[float, float]]:
    found = planning.join_hours({at(hour) for hour in wanted}, {at(hour): size for hour, size in landed.items()})
    return [((a - DAY) / timedelta(hours=1), (b - DAY) / timedelta(hours=1)) for a, b in found]


def test_neighbouring_hours_are_curated_together():
    assert ranges_of(1, 2, 3, landed={1: MB, 2: MB, 3: MB}) == [(1, 4)]


def test_a_quiet_night_does_not_split_a_range_but_a_done_hour_does():
    assert ranges_of(1, 6, landed={1: MB, 6: MB}) == [(1, 7)]
    assert ranges_of(1, 6, landed={1: MB, 4: MB, 6: MB}) == [(1, 2), (6, 7)]


def test_years_between_two_hours_are_not_listed_hour_by_hour():
    assert ranges_of(1, 5000, landed={1: MB, 5000: MB}) == [(1, 2), (5000, 5001)]


def test_a_back_fill_is_cut_into_ranges_that_memory_holds():
    assert ranges_of(1, 2, 3, landed={1: 600 * MB, 2: 600 * MB, 3: 300 * MB}) == [(1, 2), (2, 4)]


@pytest.fixture(scope="module")
def own_endpoint(run_endpoint, tmp_path_factory):
    """An endpoint of this module's own: its tests drop tables that others may be using."""
    with pytest.MonkeyPatch.context() as patch, run_endpoint(tmp_path_factory.mktemp("own"), "--no-athena") as (url, _):
        for name, value in local_environment(url).items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        create_resources()
        yield url


@pytest.fixture
def raw_bucket(own_endpoint):
    bucket = f"planning-{time.monotonic_ns()}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return bucket


@pytest.fixture
def table(own_endpoint):
    """Make a fresh, empty table of the contract."""
    catalog = open_catalog()

    def fresh(name: str):
        if catalog.table_exists(name):
            catalog.drop_table(name)
        return catalog.create_table(name, iceberg.table_schema(name), partition_spec=iceberg.partition_spec(name))

    yield fresh
    for name in (planning.PROCESSED, pending.TABLE):
        if catalog.table_exists(name):
            catalog.drop_table(name)


def land(bucket: str, kind: str, hour: int, body: bytes = b"x", name: str = "o") -> str:
    key = f"{kind}/dt=2026-03-02/hour={hour:02d}/{name}"
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


def rows(name: str, records: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(records, schema=iceberg.table_schema(name).as_arrow())


def processed(path: str, hour: int, etag: str) -> dict:
    return {"object_path": path, "kind": "readings", "arrival_hour": at(hour), "etag": etag}


def test_before_the_first_run_every_landed_hour_of_every_kind_is_to_do(raw_bucket, own_endpoint):
    land(raw_bucket, "readings", 8)
    land(raw_bucket, "errors/format-conversion-failed", 9)
    land(raw_bucket, "sent", 10)
    land(raw_bucket, "backup", 11)
    land(raw_bucket, "readings", 12, body=b"")
    assert planning.arrival_hours_to_process(raw_bucket, open_catalog()) == [(at(8), at(11))]


def test_only_hours_with_new_or_changed_objects_are_to_do_again(raw_bucket, table):
    known = [processed(land(raw_bucket, "readings", hour), hour, ETAG_OF_X) for hour in (1, 2, 3, 4)]
    known.append(processed(f"s3://{raw_bucket}/readings/dt=2026-03-02/hour=05/expired", 5, "gone"))
    table(planning.PROCESSED).append(rows(planning.PROCESSED, known))
    assert planning.arrival_hours_to_process(raw_bucket, open_catalog()) == []
    land(raw_bucket, "readings", 2, name="late")
    land(raw_bucket, "readings", 4, body=b"other")
    assert planning.arrival_hours_to_process(raw_bucket, open_catalog()) == [(at(2), at(3)), (at(4), at(5))]


def test_given_bounds_curate_done_hours_again(raw_bucket, own_endpoint):
    for hour in (1, 2, 3, 4):
        land(raw_bucket, "readings", hour)
    assert planning.arrival_hours_to_process(raw_bucket, open_catalog(), at(2), at(4)) == [(at(2), at(4))]


def make_buckets() -> None:
    """Make buckets of a stage of its own: what other tests landed is nothing to it."""
    for bucket in (STEPS_CITY.raw_bucket, STEPS_CITY.lake_bucket):
        boto3.client("s3").create_bucket(Bucket=bucket)


@pytest.fixture
def steps_buckets(own_endpoint):
    make_buckets()
    yield
    s3 = boto3.resource("s3")
    for bucket in (STEPS_CITY.raw_bucket, STEPS_CITY.lake_bucket):
        s3.Bucket(bucket).objects.delete()


def hours(kind: str, *numbers: int) -> pa.Table:
    return rows(pending.TABLE, [{"kind": kind, "hour_start": at(number)} for number in numbers])


def test_publishing_keeps_what_was_added_during_the_run_even_for_the_same_hour(table):
    listed = table(pending.TABLE)
    listed.append(hours("event", 1, 2))
    listed.append(hours("arrival", 1))
    catalog = open_catalog()
    consumed = pending.read(catalog)
    assert (consumed.event, consumed.arrival) == ({at(1), at(2)}, {at(1)})
    open_catalog().load_table(pending.TABLE).append(hours("event", 2))
    assert pending.remove(catalog, consumed) == 3
    left = pending.read(catalog)
    assert (left.event, left.arrival) == ({at(2)}, frozenset())
    assert pending.remove(catalog, consumed) == 0
    assert pending.read(catalog) == left


def test_what_is_added_while_consumed_hours_are_removed_stays(table, monkeypatch):
    table(pending.TABLE).append(hours("event", 1))
    consumed, data_files = pending.read(open_catalog()), pending._data_files

    def meanwhile(scan):
        monkeypatch.undo()
        found = data_files(scan)
        open_catalog().load_table(pending.TABLE).append(hours("event", 2))
        return found

    monkeypatch.setattr(pending, "_data_files", meanwhile)
    assert pending.remove(open_catalog(), consumed) == 1
    assert pending.read(open_catalog()).event == {at(2)}


def test_nothing_is_pending_before_the_first_run(own_endpoint):
    assert not pending.read(open_catalog())
    assert not pending.taken(open_catalog(), RUN)


def test_what_is_added_after_the_roll_up_began_is_not_taken(table):
    listed = table(pending.TABLE)
    assert not pending.taken(open_catalog(), RUN)
    listed.append(hours("event", 1))
    with listed.manage_snapshots() as snapshots:
        snapshots.create_tag(listed.current_snapshot().snapshot_id, taken_by(RUN))
    listed.append(hours("event", 2))
    taken = pending.taken(open_catalog(), RUN)
    assert taken.event == {at(1)}
    assert pending.remove(open_catalog(), taken) == 1
    assert pending.read(open_catalog()).event == {at(2)}
    assert not pending.taken(open_catalog(), "another")
    # The tag still says what this run was about, and removing it again removes nothing.
    assert pending.taken(open_catalog(), RUN) == taken
    assert pending.remove(open_catalog(), taken) == 0


def plan_of(run: str) -> dict:
    key = pipeline.PLAN_KEY.format(run)
    return json.loads(boto3.client("s3").get_object(Bucket=STEPS_CITY.lake_bucket, Key=key)["Body"].read())


def planned(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.runners.step", "plan", *arguments]
    environment = os.environ | {"TRAFFICLAKE_STAGE": STEPS_CITY.stage}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_step_in_a_process_of_its_own_writes_the_plan_that_the_state_machine_reads(table, steps_buckets):
    for hour in (1, 2, 5):
        land(STEPS_CITY.raw_bucket, "readings", hour)
    table(pending.TABLE).append(hours("event", 1))
    done = planned("--run", "by-hand", "--from", "2026-03-02T02:00", "--to", "2026-03-02T07:00+01:00")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"rows": 1, "pending": True})
    assert plan_of("by-hand") == {
        "ranges": [{"from_hour": "2026-03-02T02:00:00Z", "to_hour": "2026-03-02T06:00:00Z"}],
        "pending": True,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run", "a/b"], "not made of up to 80 letters"),
        (["--run", "r", "--from", "noon"], "'noon' is not a time"),
        (["--run", "r", "--from", "2026-03-02T07:30"], "not a whole hour"),
        (["--run", "r", "--from", "2026-03-02T07:00", "--to", "2026-03-02T07:00"], "--from must be earlier than --to"),
    ],
)
def test_what_a_step_cannot_use_is_said_in_a_sentence(arguments, said):
    done = planned(*arguments)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_a_step_that_fails_says_why_and_how_to_go_on(own_endpoint):
    command = [sys.executable, "-m", "infra.runners.step", "plan", "--run", "r"]
    environment = os.environ | {"TRAFFICLAKE_STAGE": "nowhere"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "step 'plan' failed" in done.stderr
    assert "NoSuchBucket" in done.stderr
    assert done.stderr.splitlines()[-1] == pipeline.PLAN.how_to_go_on


HOLDER = """
import subprocess, sys, time
from pathlib import Path
from infra.runners import lock
with lock.exclusive(Path(sys.argv[1]), print) as descriptor:
    child = subprocess.Popen([sys.executable, "-c", "input()"], pass_fds=(descriptor,))
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_a_run_waits_for_the_child_of_a_killed_run(tmp_path):
    path = tmp_path / "run.lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    waits = []

    def let_the_child_end(waiting: str) -> None:
        waits.append(waiting)
        holder.stdin.close()

    with lock.exclusive(path, let_the_child_end):
        pass
    assert waits == [f"another run is at work (process {holder.pid}); this one waits until it ends"]


def dbt_line(name: str, message: str = "", level: str = "info", **data) -> str:
    return json.dumps({"info": {"name": name, "msg": message, "level": level}, "data": data})


def test_the_dbt_log_gives_progress_and_each_error_once():
    log = DbtLog()
    for line in (
        dbt_line("MainReportVersion", "Running with dbt"),
        dbt_line("LogModelResult", "1 of 2 OK", index=1, total=2),
        dbt_line("LogTestResult", "2 of 2 FAIL 3 unique_x", level="error", index=2, total=2),
        dbt_line("RunResultFailure", "Failure in test unique_x", level="error"),
        dbt_line("RunResultFailure", "Failure in test unique_x", level="error"),
        "ModuleNotFoundError: No module named 'dbt'",
    ):
        log.read(line)
    assert (log.done, log.total) == (2, 2)
    assert log.errors == ("Failure in test unique_x", "ModuleNotFoundError: No module named 'dbt'")


def test_every_argument_of_a_step_is_a_known_parameter():
    values = dict.fromkeys(pipeline.PARAMETERS, "value")
    for step in (*pipeline.STEPS, *pipeline.DAILY):
        assert {template.format(**values) for template in step.arguments.values()} <= {"value"}


def run_with(monkeypatch, tmp_path, calls: list[str], failing: str | None):
    """Run the real steps with what each kind does replaced: this is about their order and the stop."""

    def call(self, step, ranges):
        calls.append(step.name)
        if step.name == failing:
            raise ExpectationsFailedError([], "Do this next.")
        return {"rows": 1}

    make_buckets()
    monkeypatch.setattr(run_steps._Runner, "call", call)
    return run_steps.run(on_event=lambda event: None, lock_file=tmp_path / "run.lock", city=STEPS_CITY)


def test_a_crash_after_curation_leaves_hours_that_the_next_run_works_off(monkeypatch, tmp_path, table):
    table(pending.TABLE).append(hours("event", 1))
    calls: list[str] = []
    report = run_with(monkeypatch, tmp_path, calls, failing=None)
    assert report.outcome == "published"
    assert calls == ["roll up", "dbt build", "expectations", "publish"]


def test_nothing_new_and_nothing_pending_runs_no_step(monkeypatch, tmp_path, own_endpoint):
    calls: list[str] = []
    assert run_with(monkeypatch, tmp_path, calls, failing=None).outcome == "nothing to do"
    assert calls == []


def test_a_failed_audit_stops_before_publish_and_keeps_the_hours_pending(monkeypatch, tmp_path, table):
    table(pending.TABLE).append(hours("event", 1))
    calls: list[str] = []
    with pytest.raises(StepFailedError) as failure:
        run_with(monkeypatch, tmp_path, calls, failing="expectations")
    assert calls[-1] == "expectations"
    assert failure.value.how_to_go_on
    assert pending.read(open_catalog()).event == {at(1)}
    bucket, key = failure.value.report.record.removeprefix("s3://").split("/", 1)
    stored = json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    assert (stored["outcome"], stored["failed_step"]) == ("failed", "expectations")
    assert bucket == STEPS_CITY.lake_bucket
    assert [step["step"] for step in stored["steps"]] == ["roll up", "dbt build"]


def test_the_steps_that_run_python_exist():
    for step in (pipeline.PLAN, *pipeline.STEPS, *pipeline.DAILY):
        if step.kind == "python":
            module, function = step.target.split(":")
            assert callable(getattr(importlib.import_module(module), function))
        if step.kind == "glue_job":
            assert (Path(pipeline.__file__).parent.parent / "glue_jobs" / f"{step.target}.py").exists()
