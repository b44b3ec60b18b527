"""(b) What one more hour costs with more history behind it: it must not grow with the lake."""

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.data import START
from tests.bench.home import bench_home
from tests.bench.measure import CellError, Row, cell

HOUR = timedelta(hours=1)


def measure(days: Sequence[int], sensors: int, repeats: int, work: Path) -> list[Row]:
    """Measure the run of the same hours in homes with different history, in turn; returns a row per home.

    The histories end at the same hour, so what the run makes of the hours after it must be the same everywhere.
    Raises CellError when a run fails or when it is not.
    """
    end = START.replace(tzinfo=None)
    for count in days:
        _make_home(work, count, sensors, count * 24 + 2 * repeats, end - count * 24 * HOUR)
    measured: dict[int, list[dict[str, Any]]] = {count: [] for count in days}
    for repeat in range(repeats):
        # Each repeat takes two hours, the first of them to warm up.
        start = end + (2 * repeat + 1) * HOUR
        for count in days:
            measured[count].append(_run(work, count, start, start + HOUR, warm_up=True))
        digests = {str(measured[count][-1]["digest"]) for count in days}
        if len(digests) > 1:
            raise CellError(f"the same hour became different figures: {'; '.join(sorted(digests))}")
    return [_row(count, sensors, measured) for count in days]


def _make_home(work: Path, days: int, sensors: int, hours: int, start: datetime) -> None:
    folder = work / f"{days}-days"
    with bench_home(folder, with_athena=False) as environment:
        where = {"landing": str(folder / "landing"), "registry": str(folder / "registry.csv")}
        cell("prepare", where | {"sensors": sensors, "hours": hours, "since": start.isoformat()}, environment)
    _run(work, days, start, start + days * 24 * HOUR, warm_up=False)


def _run(work: Path, days: int, start: datetime, end: datetime, *, warm_up: bool) -> dict[str, Any]:
    folder = work / f"{days}-days"
    with bench_home(folder, with_athena=True) as environment:
        span = {"start": start.isoformat(), "end": end.isoformat(), "warm_up": warm_up}
        return cell("one_more_hour", {"lock_file": str(folder / "run.lock"), **span}, environment)


def _row(count: int, sensors: int, measured: dict[int, list[dict[str, Any]]]) -> Row:
    least = min(measured)
    steps = {
        name: statistics.median(each["steps"][name] for each in measured[count]) for name in measured[count][0]["steps"]
    }
    return Row(
        benchmark="(b) one more hour",
        scale=f"{count} days of {sensors} sensors behind it",
        sides=(f"{count} days", f"{least} days"),
        ours=tuple(each["seconds"] for each in measured[count]),
        other=tuple(each["seconds"] for each in measured[least]) if count != least else (),
        versions="the whole hourly run",
        detail=", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items()),
    )
