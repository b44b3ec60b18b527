"""Runs the steps of `infra.pipeline` on whatever AWS endpoint the environment names.

A run may be killed at any point, and the next one ends in the same tables, because of who writes what when:

1. curate (each range of arrival hours): rejected rows and landed keys are written idempotently; then the hours that
   the batch will change go to `curated.pending_hours`; only then do readings move, by one fast-forward; last, the
   objects are noted in `curated.processed_objects`. Killed before the note: the next plan finds these objects again
   and repeats the range. Killed after it: the hours are pending, and that is what the steps below work from.
2. roll up tags the snapshot of `pending_hours` that it works on; it and dbt, which reads the table as it is, recompute
   every pending hour from its inputs and replace it. No row of `pending_hours` goes, so whatever is unfinished is
   simply computed again, under a new tag.
3. expectations only read: the hours of the tag.
4. publish removes the rows of the tag's data files, in one commit. Killed before it: the same hours are recomputed to
   equal rows. Rows that anyone added meanwhile are in other data files and stay for the next run.

So a run starts when landing objects are new or hours are pending, and two runs never overlap (`infra.runners.lock`).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glue_jobs.session import spark_session
from infra.pipeline import STEPS, Step, parameters, utc_text
from infra.runners import lock, pending, python_steps, record
from infra.runners.dbt_step import DbtFailedError, dbt_build
from infra.runners.events import Event, OnEvent, Range, RunReport, StepFailedError, StepReport
from infra.runners.glue_step import run_job
from infra.runners.python_steps import RunContext
from infra.settings import CitySettings, settings
from ingestion.iceberg_catalog import open_catalog
from quality import suites
from quality.results import ExpectationsFailedError, Verdict, verdict

MAX_CAUSE_LINES = 3


def run(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    on_event: OnEvent,
    lock_file: Path,
    city: CitySettings | None = None,
) -> RunReport:
    """Curate the arrival hours of `[start, end)`, by default those with new objects, and bring the marts up to date.

    Times are naive UTC. Raises StepFailedError at the first step that fails; the record of the run is written before.
    """
    city = city or settings()
    with lock.exclusive(lock_file, lambda reason: on_event(Event("waiting", message=reason))) as descriptor:
        report = RunReport(started=datetime.now(UTC))
        began = time.monotonic()
        context = RunContext(
            city,
            open_catalog(),
            record.name_of(report.started),
            start,
            end,
            lambda why: on_event(Event("waiting", message=why)),
        )
        runner = _Runner(context, on_event, lock_file, descriptor)
        try:
            _run_steps(report, runner)
        finally:
            runner.close()
            report.seconds = time.monotonic() - began
            if report.outcome != "nothing to do":
                report.record = record.write(report, city.lake_bucket)
        return report


class _Runner:
    """How each kind of step is run; holds what steps of one run share."""

    def __init__(self, context: RunContext, on_event: OnEvent, lock_file: Path, descriptor: int) -> None:
        self.context, self.on_event, self.lock_file, self.descriptor = context, on_event, lock_file, descriptor
        self.release_engine: Callable[[], None] | None = None

    def call(self, step: Step, ranges: list[Range]) -> dict[str, Any]:
        """Run a step and return its counts."""
        if step.kind == "glue_job":
            return self._glue_job(step, ranges)
        if step.kind == "dbt":
            log = dbt_build(self._dbt_progress(step), keep_open=(self.descriptor,))
            return {"rows": log.done}
        module, function = step.target.split(":")
        return dict(getattr(importlib.import_module(module), function)(self.context))

    def close(self) -> None:
        """Let go of what outlives the run: the session, which a further run in this process finds again, holds it."""
        if self.release_engine is not None:
            self.release_engine()

    def _glue_job(self, step: Step, ranges: list[Range]) -> dict[str, Any]:
        if self.release_engine is None:
            session = spark_session("trafficlake", self.context.city.lake_bucket)
            self.release_engine = lock.hold_by_engine(session, self.lock_file)
            # Not before Spark runs: pyspark forks, and a fork beside a thread that imports may hang for ever.
            suites.warm_up()
        if not step.per_range:
            return run_job(step.target, self._arguments(step, None))
        counts: dict[str, Any] = {}
        for done, hours in enumerate(ranges):
            self.on_event(Event("progress", step.name, _words(hours), done=done, total=len(ranges)))
            for name, count in run_job(step.target, self._arguments(step, hours)).items():
                counts[name] = counts.get(name, 0) + count
        return counts

    def _arguments(self, step: Step, hours: Range | None) -> Mapping[str, str]:
        values = parameters(self.context.city) | {"run": self.context.run}
        if hours is not None:
            values |= {"from_hour": utc_text(hours[0]), "to_hour": utc_text(hours[1])}
        return {name: template.format(**values) for name, template in step.arguments.items()}

    def _dbt_progress(self, step: Step):  # noqa: ANN202
        return lambda done, total, node: self.on_event(Event("progress", step.name, node, done=done, total=total))


def _run_steps(report: RunReport, runner: _Runner) -> None:
    curate, *downstream = STEPS
    context = runner.context
    python_steps.plan(context)
    ranges = context.ranges
    report.ranges = tuple(ranges)
    runner.on_event(Event("planned", message="; ".join(map(_words, ranges)), total=len(ranges)))
    expectations, audited = 0, 0
    if ranges:
        counts = _step(report, runner, curate, ranges)
        expectations, audited = counts.get("expectations", 0), counts.get("audited_rows", 0)
    if not pending.read(context.catalog):
        report.outcome = "published" if ranges else "nothing to do"
        return
    for step in downstream:
        try:
            _step(report, runner, step, ranges)
        finally:
            report.docs = context.docs
            marts = verdict(context.validations)
            report.verdict = Verdict(
                suites=marts.suites + bool(expectations),
                expectations=marts.expectations + expectations,
                passed=marts.passed + expectations,
                failed=marts.failed,
                rows=marts.rows + audited,
            )
    report.outcome = "published"


def _step(report: RunReport, runner: _Runner, step: Step, ranges: list[Range]) -> dict[str, Any]:
    runner.on_event(Event("started", step.name, step.description))
    began = time.monotonic()
    with _failures_of(step, report, runner):
        counts = runner.call(step, ranges)
    seconds = time.monotonic() - began
    rows = counts.get(step.rows)
    report.steps.append(StepReport(step.name, seconds, rows, counts))
    runner.on_event(Event("finished", step.name, _counts(counts), rows=rows, seconds=seconds))
    return counts


@contextmanager
def _failures_of(step: Step, report: RunReport, runner: _Runner) -> Iterator[None]:
    """Turn whatever a step raises into StepFailedError and note it in the report."""
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        report.failed_step, report.error = step.name, cause
        if isinstance(error, ExpectationsFailedError):
            report.verdict = verdict(error.results)
        runner.on_event(Event("failed", step.name, cause))
        raise StepFailedError(step.name, cause, step.how_to_go_on, report) from error


def _cause(error: Exception) -> str:
    if isinstance(error, ExpectationsFailedError | DbtFailedError):
        return str(error)
    lines = [line for line in str(error).splitlines() if line.strip()][:MAX_CAUSE_LINES]
    return f"{type(error).__name__}: {' '.join(lines)}"


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())


def _words(hours: Range) -> str:
    return f"{hours[0]:%Y-%m-%d %H:%M} to {hours[1]:%Y-%m-%d %H:%M}"
