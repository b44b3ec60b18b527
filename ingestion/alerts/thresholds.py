"""When a segment is congested: the settings of the state machine, checked once."""

from dataclasses import dataclass

DEFAULT_ALLOWED_LATENESS_S = 10


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Levels of the mean congestion index (0 to 100) and durations in whole seconds.

    `allowed_lateness_s` is how far readings of one segment may be out of order: half an interval of the usual 20 s,
    so that an alert comes at most one further reading later. Raises ValueError for what cannot work together.
    """

    warning: float = 80
    critical: float = 90
    clear: float = 70
    window_s: int = 600
    clear_for_s: int = 600
    allowed_lateness_s: int = DEFAULT_ALLOWED_LATENESS_S

    def __post_init__(self) -> None:
        """Refuse thresholds out of order or range; what is not a number is neither."""
        if not 0 <= self.clear <= self.warning <= self.critical <= 100:
            raise ValueError(
                "thresholds must be 0 <= clear <= warning <= critical <= 100, "
                f"not clear {self.clear}, warning {self.warning}, critical {self.critical}."
            )
        for name, least in (("window_s", 1), ("clear_for_s", 0), ("allowed_lateness_s", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of seconds of at least {least}, not {value}.")
