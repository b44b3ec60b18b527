"""From a segment's events to its episodes of congestion, one each from start to end. Pure; for the batch twin."""

from collections.abc import Iterable
from dataclasses import dataclass

from ingestion.alerts.machine import CLEARED, CRITICAL, ESCALATED, WARNING, Alert, Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One episode; `level` is its worst. Times are event times in microseconds since 1970, UTC.

    `escalated_us` is None unless it started as WARNING and became CRITICAL, `cleared_us` while it is open.
    `worst_index` is the highest mean index of the trailing window.
    """

    segment_id: str
    level: str
    started_us: int
    escalated_us: int | None
    cleared_us: int | None
    worst_index: float


def episodes(segment_id: str, changes: Iterable[Change], still_open: Alert | None = None) -> list[Episode]:
    """Return the episodes of a segment's events, by time of start.

    Each event carries the start of its episode, so neither their order nor a repeat matters, and an episode whose
    earlier events are missing is still whole but for the time of its escalation. `still_open` is the alert at the end
    of the events: it knows how bad it has become since the last of them.
    """
    by_start: dict[int, list[Change]] = {}
    for change in changes:
        by_start.setdefault(change.since_us, []).append(change)
    return [_episode(segment_id, of_one, still_open) for _, of_one in sorted(by_start.items())]


def _episode(segment_id: str, changes: list[Change], still_open: Alert | None) -> Episode:
    times_us = {change.kind: change.ts_us for change in changes}
    worst_index = max(change.worst_mean_index for change in changes)
    started_us = changes[0].since_us
    if still_open is not None and still_open.since_us == started_us:
        worst_index = max(worst_index, still_open.worst_mean_index)
    return Episode(
        segment_id=segment_id,
        level=CRITICAL if any(change.level == CRITICAL for change in changes) else WARNING,
        started_us=started_us,
        escalated_us=times_us.get(ESCALATED),
        cleared_us=times_us.get(CLEARED),
        worst_index=worst_index,
    )
