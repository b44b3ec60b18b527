"""How a benchmark is measured: each cell in a process of its own, sides in turn, and a row that says what it cannot.

A cell is a function `run(**arguments) -> dict` of a module `tests.bench.cells.<name>`; it measures its own seconds, so
that starting Python and importing libraries are not counted.
"""

import importlib
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


# How Python names what ended a process, before lines that only illustrate it.
_RAISED = re.compile(r"^[\w.]*(?:Error|Exception|Exit)\b.*$", re.MULTILINE)


class CellError(RuntimeError):
    """A benchmark could not be measured; the message is one line that says why."""


@dataclass(frozen=True)
class Row:
    """One line of the report: seconds per repeat of each side, or why there are none (`reason`)."""

    benchmark: str
    scale: str
    sides: tuple[str, str] = ("", "")
    ours: tuple[float, ...] = ()
    other: tuple[float, ...] = ()
    versions: str = ""
    detail: str = ""
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """Median of our seconds ÷ median of the other side's; None where a side was not measured."""
        if not self.ours or not self.other:
            return None
        return statistics.median(self.ours) / statistics.median(self.other)

    @property
    def ratios(self) -> list[float]:
        """Ratio of each pair that ran one after the other."""
        return [ours / other for ours, other in zip(self.ours, self.other, strict=False)]


@dataclass
class Report:
    """Rows so far, and who wants to know of each (the printed table is only there at the end)."""

    announce: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)

    def attempt(self, benchmark: str, scale: str, measure: Callable[[], list[Row]]) -> None:
        """Keep the rows of a benchmark, or one that says why there are none."""
        self.announce(f"{benchmark}, {scale}")
        try:
            self.rows.extend(measure())
        except (CellError, FileNotFoundError) as problem:
            self.rows.append(Row(benchmark, scale, reason=str(problem)))


def cell(name: str, arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a cell in its own process and return what it measured. Raises CellError."""
    command = [sys.executable, "-m", "tests.bench.measure", name, json.dumps(arguments)]
    ended = subprocess.run(
        command, cwd=CHECKOUT, env=os.environ | (environment or {}), capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raised = _RAISED.findall(ended.stderr) or ended.stderr.strip().splitlines() or [f"exit {ended.returncode}"]
        raise CellError(f"{name}: {raised[-1]}")
    return json.loads(ended.stdout.splitlines()[-1])


def _main(name: str, arguments: str) -> None:
    answer = importlib.import_module(f"tests.bench.cells.{name}").run(**json.loads(arguments))
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
