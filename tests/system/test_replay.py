"""A run that is killed, repeated, given its hours in another order or its data late ends in the same tables.

A clean home takes everything in and runs once. The other home gets the later hours first, has its run killed at every
step boundary and within the steps that write, then gets the earlier hours and, for hours that are already curated,
further objects. The archive gives every reading its own arrival, so both homes must hold equal rows.
"""

import csv
import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion import simulator
from tests.system.lost_reading import lose

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

# Midnight of the city's clock lies in the middle; long enough ago that no arrival is in the future.
FIRST = datetime(2025, 3, 3, 6, tzinfo=UTC)
HOURS = 4
SENSORS = 9
RUN_LIMIT_S = 400
PLACE = ("source_file", "source_row")
KEYS = {
    "curated.readings": ("sensor_id", "ts"),
    "curated.rejected_readings": PLACE,
    "curated.landed_keys": PLACE,
    "curated.sensor_5min": ("sensor_id", "interval_start"),
    "marts.congestion_hourly": ("segment_id", "hour_start"),
    "marts.congestion_daily": ("segment_id", "local_date"),
    "marts.zone_congestion_hourly": ("zone_id", "hour_start"),
    "marts.zone_congestion_daily": ("zone_id", "local_date"),
    "marts.reconciliation_hourly": ("arrival_hour",),
}

Tables = dict[str, pa.Table]


@dataclass(frozen=True)
class Input:
    """Files of one small city: everything of the first delivery, the same by halves, and what lands afterwards."""

    registry: Path
    whole: Path
    early: Path
    late: Path
    afterwards: Path


def hour(number: int) -> datetime:
    """Return the start of an arrival hour, naive UTC, as the tables hold it."""
    return (FIRST + timedelta(hours=number)).replace(tzinfo=None)


def option(number: int) -> str:
    return f"{hour(number):%Y-%m-%dT%H:%M}"


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> Input:
    """A city with many late, repeated and spoilt readings; one of its segments has no speed limit."""
    place = simulator.city(SENSORS, seed=3)
    shares = dict.fromkeys(place.defect_shares, 0.004)
    place = replace(place, late_share=0.1, duplicate_share=0.05, defect_shares=shares)
    documents = list(simulator.readings(place, FIRST, FIRST + timedelta(hours=HOURS)))
    # What cannot be read at all has no arrival of its own but its neighbour's, which differs between the files.
    arrived = [(json.loads(document), document) for document in documents if _is_json(document)]
    first = [entry for number, entry in enumerate(arrived) if number % 9]
    further = [document for number, (_, document) in enumerate(arrived) if not number % 9]
    further += list(_corrections(arrived))
    folder = tmp_path_factory.mktemp("sent")
    halves = {late: [d for r, d in first if (r["received_at"] >= f"{option(2)}:00") is late] for late in (False, True)}
    return Input(
        _write(folder / "registry.csv", [_without_a_speed_limit(simulator.registry_csv(place)).encode()]),
        _write(folder / "whole.jsonl", [document for _, document in first]),
        _write(folder / "early.jsonl", halves[False]),
        _write(folder / "late.jsonl", halves[True]),
        _write(folder / "afterwards.jsonl", further),
    )


def _is_json(document: bytes) -> bool:
    try:
        json.loads(document)
    except ValueError:
        return False
    return True


def _corrections(arrived: list[tuple[dict, bytes]]) -> Iterator[bytes]:
    """Say something else of every tenth reading of the first hours: half of it later, half of it before all others."""
    for number, (reading, _) in enumerate(arrived[: len(arrived) // 2 : 10]):
        if isinstance(reading.get("vehicle_count"), int) and "sensor_id" in reading:
            received = option(3) + ":59Z" if number % 2 else option(0) + ":00Z"
            yield json.dumps(reading | {"vehicle_count": 7, "received_at": received}).encode()


def _without_a_speed_limit(registry: str) -> str:
    rows = list(csv.DictReader(io.StringIO(registry)))
    for row in rows:
        if row["segment_id"] == rows[0]["segment_id"]:
            row["speed_limit_kmh"] = ""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def final_tables(home) -> Tables:
    """Read every table that analysts see, in the order of its key."""
    catalog = home.catalog()
    return {
        name: catalog.load_table(name).scan().to_arrow().sort_by([(column, "ascending") for column in key])
        for name, key in KEYS.items()
    }


def assert_equal(found: Tables, expected: Tables) -> None:
    different = []
    for name, table in expected.items():
        if found[name].equals(table):
            continue
        rows = [{repr(row): None for row in each[name].to_pylist()} for each in (found, expected)]
        surplus, missing = list(rows[0].keys() - rows[1].keys()), list(rows[1].keys() - rows[0].keys())
        different.append(
            f"{name}: {found[name].num_rows} rows instead of {table.num_rows}; {len(surplus)} surplus such as "
            f"{sorted(surplus)[:2]}; {len(missing)} missing such as {sorted(missing)[:2]}"
        )
    assert not different, "\n".join(different)


@pytest.fixture(scope="module")
def clean(new_home, sent) -> Tables:
    """The tables of a home that got everything and ran once."""
    with new_home("clean") as home:
        home.trafficlake("registry", "load", str(sent.registry))
        home.trafficlake("ingest", str(sent.afterwards), "--via", "archive")
        home.trafficlake("ingest", str(sent.whole), "--via", "archive")
        home.trafficlake("run")
        return final_tables(home)


@dataclass(frozen=True)
class Moment:
    """When to kill: `begin` looks at the lake before the run and returns the question whether it is time."""

    name: str
    begin: Callable[[Catalog, Path], Callable[[], bool]]


def _said(line: str) -> Moment:
    return Moment(f"after '{line}'", lambda catalog, output: lambda: line in output.read_text())


def _main_of(catalog: Catalog, name: str) -> int | None:
    try:
        snapshot = catalog.load_table(name).snapshot_by_name("main")
    except NoSuchTableError:
        return None
    return snapshot.snapshot_id if snapshot else None


def _written(name: str) -> Moment:
    def begin(catalog: Catalog, output: Path) -> Callable[[], bool]:
        before = _main_of(catalog, name)
        return lambda: _main_of(catalog, name) != before

    return Moment(f"when {name} is written", begin)


def _branch_is_made(catalog: Catalog) -> bool:
    try:
        return any(name.startswith("audit_") for name in catalog.load_table("curated.readings").refs())
    except NoSuchTableError:
        return False


BRANCHED = Moment("while the audit branch is filled", lambda catalog, output: lambda: _branch_is_made(catalog))
PUBLISHED = _written("curated.readings")
# The order is that of the run, so that each run comes farther than the last one before it is killed.
MOMENTS = (
    _said("arrival hours to curate"),
    _written("curated.rejected_readings"),
    _written("curated.landed_keys"),
    BRANCHED,
    PUBLISHED,
    _said("✓ curate"),
    _written("curated.sensor_5min"),
    _said("✓ roll up"),
    _written("marts.congestion_hourly"),
    _said("✓ dbt build"),
    _said("✓ expectations"),
    _said("✓ publish"),
)


def run_and_kill(home, moment: Moment, *arguments: str, with_children: bool) -> None:
    """Start a run and kill it (-9) at a moment: the command alone, or with its engines as when a machine goes down."""
    output = home.folder / "killed-run.txt"
    asks = moment.begin(home.catalog(), output)
    with output.open("w") as out:
        running = home.start("run", *arguments, stdout=out, stderr=out)
    deadline = time.monotonic() + RUN_LIMIT_S
    while True:
        ended = running.poll() is not None  # asked first: what it said at its end counts
        if asks():
            break
        assert not ended, f"the run ended before the moment {moment.name}:\n{output.read_text()}"
        assert time.monotonic() < deadline, f"the moment {moment.name} never came:\n{output.read_text()}"
        time.sleep(0.02)
    if with_children:
        os.killpg(running.pid, signal.SIGKILL)
    else:
        running.kill()
    assert running.wait() in (-signal.SIGKILL, 0)


@pytest.fixture(scope="module")
def replayed(new_home, sent):
    """A home that was killed at every moment, got its hours in another order, and more for hours that were done."""
    with new_home("replayed") as home:
        home.trafficlake("registry", "load", str(sent.registry))
        home.trafficlake("ingest", str(sent.late), "--via", "archive")
        for number, moment in enumerate(MOMENTS):
            run_and_kill(home, moment, with_children=bool(number % 2))
        for file in (sent.early, sent.afterwards, sent.whole):
            home.trafficlake("ingest", str(file), "--via", "archive")
        run_and_kill(home, PUBLISHED, "--from", option(1), "--to", option(2), with_children=True)
        home.trafficlake("run")
        yield home


def test_the_city_shows_what_a_replay_could_spoil(clean):
    sums = {name: sum(clean["marts.reconciliation_hourly"][name].to_pylist()) for name in ("duplicates", "rejected")}
    assert min(sums.values()) > 10
    kinds = clean["curated.rejected_readings"]["source_kind"].to_pylist()
    assert {"landing", "delivery_error"} == set(kinds)
    readings = clean["curated.readings"].to_pylist()
    assert sum(row["ts"] < row["arrival_hour"] - timedelta(hours=1) for row in readings) > 10
    assert len({row["source_file"] for row in readings}) == 2 * HOURS
    assert {row["local_date"].day for row in clean["marts.congestion_daily"].to_pylist()} >= {2, 3}
    assert clean["marts.reconciliation_hourly"]["is_balanced"].to_pylist() == [True] * HOURS


def test_kills_late_data_and_another_order_end_in_the_tables_of_one_clean_run(replayed, clean):
    assert_equal(final_tables(replayed), clean)
    assert replayed.catalog().load_table("curated.pending_hours").scan().to_arrow().num_rows == 0
    assert not _branch_is_made(replayed.catalog())


def test_a_file_that_is_sent_again_is_nothing_new(replayed, clean, sent):
    replayed.trafficlake("ingest", str(sent.whole), "--via", "archive")
    assert "Nothing to do" in replayed.trafficlake("run").stdout


def test_a_reading_that_vanishes_is_seen_and_curating_its_hour_again_mends_it(replayed, clean):
    catalog = replayed.catalog()
    lost = next(row for row in clean["curated.readings"].to_pylist() if row["arrival_hour"] == hour(1))
    lose(catalog, lost, hour(1))

    failed = replayed.trafficlake("run", exit_code=1)
    assert "step 'expectations' failed" in failed.stderr
    assert "reconciliation_hourly" in failed.stderr
    assert "is_balanced" in failed.stderr
    hours = catalog.load_table("marts.reconciliation_hourly").scan().to_arrow().to_pylist()
    assert [row["arrival_hour"] for row in hours if not row["is_balanced"]] == [hour(1)]
    assert _told_of_unbalanced_hours(replayed) == 1

    replayed.trafficlake("run", "--from", option(0), "--to", option(HOURS))
    assert_equal(final_tables(replayed), clean)


def _told_of_unbalanced_hours(home) -> float:
    """Return the most that CloudWatch was told of."""
    metric = {
        "Namespace": "trafficlake",
        "MetricName": "UnbalancedHours",
        "Dimensions": [{"Name": "stage", "Value": "local"}],
    }
    now = datetime.now(UTC)
    found = home.aws("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "told", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Maximum"}}],
        StartTime=now - timedelta(hours=6),
        EndTime=now + timedelta(hours=1),
    )
    return max(found["MetricDataResults"][0]["Values"])
