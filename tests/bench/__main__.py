"""`python -m tests.bench`: measure the pipeline against references on this machine; asserts nothing about time.

Both sides of a ratio run on this machine, in turn, and must give the same result before it is printed.
"""

import argparse
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.bench import alerts, batch, demo, history, landing
from tests.bench.measure import Report
from tests.bench.report import remarks, table

PARTS = ("a", "b", "c", "d", "e", "f")
NINE_MILLION = 9_000_000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="a batch, b history, c landing, d demo, e alerts, f MQTT to queue (default all)",
    )
    add("--readings", type=int, default=NINE_MILLION, help="of (a), the hour of a city at 20 s (default %(default)s)")
    add("--days", type=int, nargs="+", default=[1, 7, 30], help="of (b), histories (default %(default)s)")
    add("--sensors", type=int, default=160, help="of (b) (default %(default)s)")
    add("--documents", type=int, default=500_000, help="of (c) (default %(default)s)")
    add("--rates", type=int, nargs="+", default=[100, 2_000], help="of (f), readings a second (default %(default)s)")
    add("--records", type=int, default=1_000, help="of (e), in a batch (default %(default)s)")
    add("--repeats", type=int, default=3, help="of every side (default %(default)s)")
    add("--work", type=Path, help="folder for files, kept afterwards (default: a temporary one, removed)")
    return parser.parse_args()


def main() -> None:
    """Measure what was asked for and print the table."""
    asked = _arguments()
    # A file or a log has no width of its own; the table needs some.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(f"{platform.machine()}, {platform.system()} {platform.release()}, Python {platform.python_version()}")
    work = asked.work or Path(tempfile.mkdtemp(prefix="trafficlake-bench-"))
    report = Report(announce=lambda text: console.print(f"measuring {text} …"))
    measures: dict[str, tuple[str, str, Callable]] = {
        "a": ("(a) curate + roll up", f"{asked.readings:,} readings", _in(work / "a", batch.measure, asked.readings)),
        "b": ("(b) one more hour", f"{asked.days} days", _in(work / "b", history.measure, asked.days, asked.sensors)),
        "c": (
            "(c) JSON to Parquet",
            f"{asked.documents:,} documents",
            _in(work / "c", landing.measure, asked.documents),
        ),
        "e": ("(e) alerts", f"{asked.records:,} records", _in(work / "e", alerts.measure, asked.records)),
        "f": (
            "(f) MQTT to queue",
            f"{asked.rates} readings/s",
            _in(work / "f", alerts.measure_latency, asked.rates),
        ),
    }
    try:
        for part in asked.only:
            if part == "d":
                report.attempt("(d) demo", "its last runs", demo.measure)
                continue
            name, scale, measure = measures[part]
            report.attempt(name, scale, lambda measure=measure: measure(asked.repeats))
    finally:
        if not asked.work:
            shutil.rmtree(work, ignore_errors=True)
    console.print(table(report.rows))
    for line in remarks(report.rows):
        console.print(line, highlight=False)


def _in(work: Path, measure: Callable, *scale: object) -> Callable:
    def measured(repeats: int) -> list:
        work.mkdir(parents=True, exist_ok=True)
        return measure(*scale, repeats=repeats, work=work.resolve())

    return measured


if __name__ == "__main__":
    main()
