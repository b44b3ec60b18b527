"""What a run tells whoever watches it, and what it leaves behind as its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from quality.results import Verdict

Range = tuple[datetime, datetime]


@dataclass(frozen=True)
class Event:
    """Something happened: `done` of `total` where a step counts its work, `rows` and `seconds` where it has ended."""

    kind: Literal["waiting", "planned", "started", "progress", "finished", "failed"]
    step: str = ""
    message: str = ""
    done: int | None = None
    total: int | None = None
    rows: int | None = None
    seconds: float | None = None


OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class StepReport:
    """What a step did: its rows (nodes for dbt, expectations for the audit) and further counts in `details`."""

    step: str
    seconds: float
    rows: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class RunReport:
    """A run from start to end. Times are UTC; `ranges` are half-open ranges of arrival hours, naive UTC."""

    started: datetime
    outcome: Literal["published", "nothing to do", "failed"] = "failed"
    ranges: tuple[Range, ...] = ()
    steps: list[StepReport] = field(default_factory=list)
    verdict: Verdict | None = None
    docs: str | None = None
    record: str | None = None
    failed_step: str | None = None
    error: str | None = None
    seconds: float = 0.0


class StepFailedError(Exception):
    """A step of the run failed; says which, why, and how to go on. `report` is the run so far."""

    def __init__(self, step: str, cause: str, how_to_go_on: str, report: RunReport) -> None:
        super().__init__(f"step '{step}' failed: {cause}\n{how_to_go_on}")
        self.step = step
        self.cause = cause
        self.how_to_go_on = how_to_go_on
        self.report = report
