"""What an alarm is, as plain data."""

from dataclasses import dataclass
from typing import Literal

from infra.aws.watch.metrics import Metric


@dataclass(frozen=True)
class Alarm:
    """One alarm. It fires when `times` periods of the last `of` are beyond the threshold.

    `setting` says where the threshold comes from, `missing` what a period without a value counts as. With `part_of`,
    only the composite alarm of that name sends messages.
    """

    name: str
    metric: Metric
    fires: Literal["above", "below"]
    threshold: float
    setting: str
    means: str
    do: str
    times: int = 1
    of: int = 1
    missing: Literal["breaching", "notBreaching", "ignore"] = "notBreaching"
    part_of: str | None = None

    @property
    def description(self) -> str:
        """Return what people read when it fires."""
        return f"{self.means} {self.do}"


@dataclass(frozen=True)
class Composite:
    """An alarm that fires while one of its parts does."""

    name: str
    parts: tuple[str, ...]
    means: str
    do: str

    @property
    def description(self) -> str:
        """Return what people read when it fires."""
        return f"{self.means} {self.do}"
