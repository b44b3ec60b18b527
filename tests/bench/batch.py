"""(a) Curation and roll-up in Spark against the same work hand-written in DuckDB, over the same Parquet."""

import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.home import bench_home
from tests.bench.measure import CellError, Row, cell

# In curation, what DuckDB's side has no counterpart of: the audit, its branch, and the records for later runs.
_BESIDE = ("audit", "announce", "branch_off", "publish", "note_processed", "create_tables")


def measure(readings: int, repeats: int, work: Path) -> list[Row]:
    """Measure both sides in turn, on emptied tables, and return a row for each part and for the whole.

    Raises CellError when a side fails or when their tables differ.
    """
    landing, registry = work / "landing", work / "registry.csv"
    ours: list[dict[str, Any]] = []
    other: list[dict[str, Any]] = []
    with bench_home(work / "home") as environment:
        made = cell("prepare", {"landing": str(landing), "registry": str(registry), "readings": readings}, environment)
        span = {"start": made["start"], "end": made["end"], "fresh": True}
        for _ in range(repeats):
            out = work / "duckdb"
            shutil.rmtree(out, ignore_errors=True)
            ours.append(cell("spark_batch", span, environment))
            paths = {"landing": str(landing), "registry": str(registry), "out": str(out)}
            other.append(cell("duckdb_batch", paths))
            differences = cell("compare_batch", {"out": str(out)}, environment)["differences"]
            if differences:
                raise CellError(f"the two sides differ: {'; '.join(differences)}")
    return rows(ours, other, made["readings"])


def rows(ours: list[dict[str, Any]], other: list[dict[str, Any]], readings: int) -> list[Row]:
    """Return the rows of measurements of both sides: curation, roll-up, and both together."""
    scale = f"{readings:,} readings, {ours[0]['counts']['duplicates']:,} duplicates"
    versions = f"Spark {ours[0]['version']} / DuckDB {other[0]['version']}"
    audit = statistics.median(each["seconds"]["audit"] for each in ours)
    session = statistics.median(each["session_s"] for each in ours)
    beside = statistics.median(sum(each["seconds"][name] for name in _BESIDE) for each in ours)

    def row(name: str, parts: tuple[bool, bool], detail: str, left_out: tuple[str, ...] = ()) -> Row:
        return Row(
            benchmark=f"(a) {name}",
            scale=scale,
            sides=("Spark", "DuckDB"),
            ours=tuple(_seconds(each["seconds"], *parts, left_out) for each in ours),
            other=tuple(_seconds(each["seconds"], *parts) for each in other),
            versions=versions,
            detail=detail,
        )

    return [
        row("curate + roll up", (True, True), f"starting Spark ({session:.1f} s) is not counted"),
        row("the same work", (True, True), f"without what DuckDB's side does not do ({beside:.1f} s)", _BESIDE),
        row("curate", (True, False), f"{beside:.1f} s of it have no counterpart: audit {audit:.1f} s, branch, records"),
        row("roll up", (False, True), "from the table that curation wrote"),
    ]


def _seconds(
    seconds: Mapping[str, float], with_curation: bool, with_roll_up: bool, left_out: tuple[str, ...] = ()
) -> float:
    curation = sum(value for name, value in seconds.items() if name not in ("roll_up", *left_out))
    return curation * with_curation + seconds["roll_up"] * with_roll_up
