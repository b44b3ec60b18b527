"""The table of a benchmark run: a line per row, also for what could not be measured."""

import statistics
from collections.abc import Sequence

from rich.table import Table

from tests.bench.measure import Row

HEADERS = ("benchmark", "version", "scale", "seconds", "reference", "ratio", "spread")


def table(rows: Sequence[Row]) -> Table:
    """Return all rows as a table; seconds are medians over the repeats."""
    made = Table(*HEADERS, title="Benchmarks: medians, each cell in its own process, sides in turn")
    for row in rows:
        made.add_row(*cells(row))
    return made


def remarks(rows: Sequence[Row]) -> list[str]:
    """Return a line for each row that has something to say beside its figures, such as why there are none."""
    return [f"{row.benchmark}, {row.scale}: {row.reason or row.detail}" for row in rows if row.reason or row.detail]


def cells(row: Row) -> tuple[str, ...]:
    """Return one row's texts, in the order of HEADERS."""
    ours, other = (_seconds(side, values) for side, values in zip(row.sides, (row.ours, row.other), strict=True))
    ratio = "N/A" if row.ratio is None else f"{row.ratio:.2f}×"
    return row.benchmark, row.versions or "N/A", row.scale, ours, other, ratio, _spread(row)


def _seconds(side: str, values: Sequence[float]) -> str:
    return f"{side} {statistics.median(values):.2f}" if values else "N/A"


def _spread(row: Row) -> str:
    """Return from where to where the ratio of the pairs goes; of one side alone, its seconds."""
    if len(row.ours) < 2:
        return "N/A (1 repeat)" if row.ours else "N/A"
    if row.other:
        return f"{min(row.ratios):.2f}–{max(row.ratios):.2f}×"
    return f"{min(row.ours):.2f}–{max(row.ours):.2f} s"
