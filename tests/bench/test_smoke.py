"""The benchmarks' own code works on tiny inputs; no test looks at time."""

import io
import json
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from ingestion.simulator import registry_csv
from tests.bench import batch, data, landing
from tests.bench.cells import documents, duckdb_batch, duckdb_landing, publish_live
from tests.bench.demo import rows as demo_rows
from tests.bench.measure import CellError, Report, Row, cell
from tests.bench.report import cells, remarks, table


@pytest.fixture(scope="module")
def hour(tmp_path_factory) -> Path:
    """The landing objects and the registry of an hour with some 9,000 readings."""
    folder = tmp_path_factory.mktemp("hour")
    place = data.dense_city(9_000)
    (folder / "registry.csv").write_text(registry_csv(place))
    written = data.write_hour(place, data.START, folder / "landing")
    (folder / "written").write_text(str(written))
    return folder


def test_the_reference_accounts_for_every_row_and_finds_every_kind_of_reason(hour, tmp_path):
    answer = duckdb_batch.run(str(hour / "landing"), str(hour / "registry.csv"), str(tmp_path / "out"))
    counts = answer["counts"]
    assert counts["landed"] == int((hour / "written").read_text())
    assert counts["landed"] == counts["curated"] + counts["duplicates"] + counts["rejected"]
    assert min(counts["duplicates"], counts["rejected"]) > 0
    rolled = duckdb.execute(
        f"SELECT count(DISTINCT sensor_id), max(samples_observed) FROM '{tmp_path}/out/sensor_5min/*/*.parquet' "
        "WHERE sensor_id NOT LIKE 'GHOST%'"
    ).fetchall()[0]
    assert rolled == (49, 15)  # 50 sensors, one of them dead; 15 samples of 20 s


def test_the_input_holds_what_the_devices_sent(hour):
    place = data.dense_city(9_000)
    sums = duckdb.execute(
        f"SELECT count(DISTINCT sensor_id), count(*) FILTER (vehicle_count < 0), max(occupancy) > 95 "
        f"FROM '{hour}/landing/readings/*/*/*.parquet' WHERE sensor_id NOT LIKE 'GHOST%'"
    ).fetchall()[0]
    assert sums[0] == sum(device.fault != "no_data" for device in place.sensors)
    assert sums[2]


def test_both_ways_to_parquet_are_compared_on_documents_that_convert(tmp_path):
    lines, out = tmp_path / "documents.jsonl", tmp_path / "out.parquet"
    assert documents.run(str(lines), 500)["documents"] == 500
    converted = duckdb_landing.run(str(lines), str(out))
    vehicles = sum(json.loads(line).get("vehicle_count", 0) for line in lines.read_bytes().splitlines())
    assert converted["digest"][:2] == [500, vehicles]
    assert publish_live.digest(str(out)) == converted["digest"]


def test_a_cell_runs_in_its_own_process_and_its_failure_is_a_reason_not_a_missing_row(tmp_path):
    with pytest.raises(CellError, match=r"duckdb_landing: .*No files found"):
        cell("duckdb_landing", {"documents": str(tmp_path / "absent"), "out": str(tmp_path / "out")})
    report = Report(announce=lambda _: None)

    def fail() -> list[Row]:
        raise CellError("the reason")

    report.attempt("(x) nothing", "1 reading", fail)
    assert cells(report.rows[0]) == ("(x) nothing", "N/A", "1 reading", "N/A", "N/A", "N/A", "N/A")
    assert remarks(report.rows) == ["(x) nothing, 1 reading: the reason"]


def test_ratio_is_of_medians_and_spread_of_pairs():
    row = Row("(x)", "1", ("A", "B"), (3.0, 4.0, 20.0), (1.0, 2.0, 4.0), "1 / 2", "remark")
    assert row.ratio == 2.0
    assert cells(row) == ("(x)", "1 / 2", "1", "A 4.00", "B 2.00", "2.00×", "2.00–5.00×")
    out = io.StringIO()
    Console(file=out, width=200).print(table([row]))
    assert "2.00–5.00×" in out.getvalue()


def test_rows_of_the_batch_benchmark_add_up():
    spark = {"seconds": {"merge": 2.0, "roll_up": 1.0} | dict.fromkeys(batch._BESIDE, 0.5), "session_s": 9.0}
    spark |= {"counts": {"duplicates": 3}, "version": "3.5"}
    reference = {"seconds": {"curate": 1.0, "roll_up": 0.5}, "version": "2"}
    whole, same_work, curation, roll_up = batch.rows([spark], [reference], 100)
    assert same_work.ours == (3.0,)
    assert whole.ours[0] == pytest.approx(curation.ours[0] + roll_up.ours[0])
    assert curation.ours[0] == pytest.approx(2.0 + 0.5 * len(batch._BESIDE))
    assert (whole.other, roll_up.ratio) == ((1.5,), 2.0)


def test_a_run_record_becomes_a_row_per_step():
    record = {"started": "2026-03-04T16:00:00+00:00", "seconds": 9.5, "steps": []}
    record["steps"] = [{"step": "curate", "seconds": 4.0, "rows": 1000}, {"step": "publish", "seconds": 1, "rows": 0}]
    assert [(row.benchmark, row.ours) for row in demo_rows(record)] == [
        ("(d) demo: curate", (4.0,)),
        ("(d) demo: publish", (1,)),
        ("(d) demo: whole run", (9.5,)),
    ]


@pytest.mark.nightly
def test_spark_and_the_reference_end_with_the_same_tables(tmp_path):
    assert len(batch.measure(20_000, 1, tmp_path)) == 4


@pytest.mark.slow
def test_the_live_path_lands_what_the_reference_converts(tmp_path):
    assert landing.measure(2_000, 1, tmp_path)[0].ratio > 0
