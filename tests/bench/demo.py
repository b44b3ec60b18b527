"""(d) What each step of the demo's runs took, from the records that the runs left in the checkout's own lake."""

from collections.abc import Mapping
from typing import Any

from infra.home.environment import local_environment
from infra.local import process
from tests.bench.measure import CellError, Row, cell


def measure() -> list[Row]:
    """Return a row per step and run of the last demo. Raises FileNotFoundError without one, CellError."""
    folder = process.state_dir()
    if not (folder / "objects").exists():
        raise FileNotFoundError(f"there is no lake in {folder.name}; run `make demo` first")
    was_running = process.status(folder) is not None
    try:
        endpoint = process.ensure(folder)
    except process.EndpointError as problem:
        raise CellError(str(problem)) from problem
    try:
        records = cell("run_records", {}, local_environment(endpoint.url))["records"]
    finally:
        if not was_running:
            process.stop(folder)
    if not records:
        raise FileNotFoundError("no run was published yet; run `make demo` first")
    return [row for record in reversed(records[:2]) for row in rows(record)]


def rows(record: Mapping[str, Any]) -> list[Row]:
    """Return a row per step of one run, and one for all of it."""
    scale = f"run of {record['started'][:16]}"
    steps = [(each["step"], each["seconds"], each["rows"]) for each in record["steps"]]
    steps.append(("whole run", record["seconds"], None))
    return [
        Row(
            benchmark=f"(d) demo: {name}",
            scale=scale if rows is None else f"{scale}, {rows:,} rows",
            sides=("run", ""),
            ours=(seconds,),
            versions="as recorded",
        )
        for name, seconds, rows in steps
    ]
