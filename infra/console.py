"""What the command shows: tables, progress and sentences. Nothing here computes a figure."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.table import Table

from infra.runners.events import Event, OnEvent, RunReport
from ingestion.publish.sent import Sent

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table; numbers are right-aligned, fractions get one to three digits, None is a dash."""
    rows = [list(row) for row in rows]
    shown = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        widest = max((len(_cell(row[index])) for row in rows), default=0)
        numeric = any(isinstance(row[index], Real) for row in rows)
        shown.add_column(escape(name), justify="right" if numeric else "left", min_width=widest, overflow="fold")
    for row in rows:
        shown.add_row(*(escape(_cell(value)) for value in row))
    return shown


def _cell(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 — a missing float is not equal to itself
        return "–"
    if type(value).__name__.startswith("bool"):  # numpy has one of its own
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{value:,}"
    if isinstance(value, Real):
        return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return str(value)


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar while documents are dealt with; yields the function to call with each further number of them."""
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed()]
    with Progress(*columns, console=err, transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda count: bars.advance(task, count)


@contextmanager
def fetching() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each download; yields the function to call with (what, bytes done, bytes in all or 0)."""
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Elapsed(), console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(f"fetching {what}", total=None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield show


def sent(report: Sent, to: str) -> None:
    """Say what was sent, what failed and why, and the rate."""
    rate = report.sent / report.seconds if report.seconds else 0.0
    out.print(
        f"{to}: [bold]{report.sent:,} sent[/bold], {report.failed:,} failed, "
        f"{report.seconds:.1f} s, {rate:,.0f} readings/s"
    )
    for reason, count in report.reasons.items():
        err.print(f"[red]{count:,} not sent: {escape(reason)}[/red]")


@contextmanager
def run_progress() -> Iterator[OnEvent]:
    """Show the steps of a run as they go: a bar for the one at work, a line for each that has ended."""
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed()]
    with Progress(*columns, console=out, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(event: Event) -> None:
            if event.kind == "waiting":
                out.print(f"[yellow]{event.message}[/yellow]")
            elif event.kind == "planned":
                out.print(f"arrival hours to curate (UTC): {event.message or 'none'}")
            elif event.kind == "started":
                tasks[event.step] = bars.add_task(f"{event.step}: {escape(event.message)}", total=None)
            elif event.kind == "progress":
                bars.update(tasks[event.step], completed=event.done, total=event.total)
            else:
                bars.remove_task(tasks.pop(event.step))
                out.print(_ended(event))

        yield show


def _ended(event: Event) -> str:
    if event.kind == "failed":
        return f"[red]✗ {event.step}[/red]"
    return f"[green]✓[/green] {event.step:<13}{event.seconds or 0:7.1f} s  {event.message}"


def run_report(report: RunReport) -> None:
    """Say how a run ended."""
    if report.outcome == "nothing to do":
        out.print("Nothing to do: everything that landed is processed.")
        return
    out.print(f"{report.outcome} in {report.seconds:.1f} s")
    if report.verdict:
        out.print(verdict(report))


def verdict(report: RunReport) -> str:
    """Return the verdict of the expectations in a sentence."""
    found = report.verdict
    if found is None:
        return "no expectation had anything to check"
    color = "green" if found.success else "red"
    docs = f" (data docs: {report.docs})" if report.docs else ""
    return f"[{color}]{found.passed} of {found.expectations} expectations hold[/{color}] on {found.rows:,} rows{docs}"


def reconciliation_line(sums: Mapping[str, int]) -> str:
    """Return `landed = curated + duplicates + rejected` in figures."""
    total = sums["curated"] + sums["duplicates"] + sums["rejected"]
    sign, color = ("=", "green") if sums["landed"] == total else ("≠", "red")
    return (
        f"[{color}]landed {sums['landed']:,} {sign} curated {sums['curated']:,} + duplicates {sums['duplicates']:,} "
        f"+ rejected {sums['rejected']:,}[/{color}]; documents that could not be converted: "
        f"{sums['conversion_errors']:,} (kept in curated.rejected_readings)"
    )


def error(message: str) -> None:
    """Print an error where errors belong; brackets in it (file names, data) are no markup."""
    err.print(f"[red]{escape(message)}[/red]")


def raw(text: str) -> None:
    """Print text for another program to read, as it is."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
