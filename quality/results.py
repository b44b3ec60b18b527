"""What a validation says, as plain values: no Great Expectations object leaves `quality.suites`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """One expectation on one batch; `failing_rows` is None where it is not about rows or could not be evaluated."""

    expectation: str
    kwargs: Mapping[str, Any]
    success: bool
    description: str | None = None
    failing_rows: int | None = None
    samples: tuple[Any, ...] = ()
    error: str | None = None

    @property
    def what(self) -> str:
        """The expectation in words, such as `speed_kmh values to be between 0 and 300`."""
        if self.description:
            return self.description
        subject, parameters = _subject_and_parameters(self.kwargs)
        rule = self.expectation.removeprefix("expect_").removeprefix("column_").removeprefix("compound_columns_")
        return " ".join(part for part in (subject, rule.replace("_", " "), parameters) if part)


@dataclass(frozen=True)
class ValidationResult:
    """The outcomes of one suite on one batch; `document` is Great Expectations' own result for the data docs."""

    suite: str
    rows: int
    seconds: float
    outcomes: tuple[Outcome, ...]
    document: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The expectations that did not hold, or could not be evaluated."""
        return tuple(outcome for outcome in self.outcomes if not outcome.success)

    @property
    def success(self) -> bool:
        """Whether every expectation held."""
        return not self.failures


@dataclass(frozen=True)
class Verdict:
    """Counts over several suites, as the demo prints them."""

    suites: int
    expectations: int
    passed: int
    failed: int
    rows: int

    @property
    def success(self) -> bool:
        """Whether every expectation of every suite held."""
        return self.failed == 0


class ExpectationsFailedError(Exception):
    """Data does not hold what its suite promises; says what failed, with samples, and what to do next."""

    def __init__(self, results: Iterable[ValidationResult], next_step: str) -> None:
        self.results = tuple(results)
        self.next_step = next_step
        lines = [line for result in self.results for line in describe_failures(result)]
        super().__init__("\n".join([*lines, next_step]))


def verdict(results: Iterable[ValidationResult]) -> Verdict:
    """Add up what several suites found."""
    results = tuple(results)
    expectations = sum(len(result.outcomes) for result in results)
    failed = sum(len(result.failures) for result in results)
    return Verdict(
        suites=len(results),
        expectations=expectations,
        passed=expectations - failed,
        failed=failed,
        rows=sum(result.rows for result in results),
    )


def describe_failures(result: ValidationResult) -> list[str]:
    """Return a readable line for the suite, and one for each of its failures; nothing when all held."""
    if result.success:
        return []
    lines = [f"{result.suite}: {len(result.failures)} of {len(result.outcomes)} expectations failed:"]
    for outcome in result.failures:
        if outcome.error:
            lines.append(f"  - {outcome.what}: could not be evaluated: {outcome.error}")
            continue
        detail = ""
        if outcome.failing_rows is not None:
            detail = f": {outcome.failing_rows} of {result.rows} rows"
        if outcome.samples:
            detail += ", such as " + ", ".join(str(sample) for sample in outcome.samples)
        lines.append(f"  - {outcome.what}{detail}")
    return lines


def _subject_and_parameters(kwargs: Mapping[str, Any]) -> tuple[str, str]:
    if "column_A" in kwargs:
        return str(kwargs["column_A"]), str(kwargs["column_B"])
    if "column_list" in kwargs:
        return "(" + ", ".join(kwargs["column_list"]) + ")", ""
    subject = str(kwargs.get("column", "table"))
    if "min_value" in kwargs or "max_value" in kwargs:
        minimum, maximum = kwargs.get("min_value"), kwargs.get("max_value")
        return subject, f"{'any' if minimum is None else minimum} and {'any' if maximum is None else maximum}"
    known = kwargs.get("value_set") or kwargs.get("column_set")
    return subject, ", ".join(str(value) for value in known) if known else ""
