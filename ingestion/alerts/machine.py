"""The state machine of one segment: readings in any order in, one event per change of its congestion out. Pure.

Definition: metrics, "Alerts". Two calls change a state, and both return a new one with what it puts out:
`update` takes one reading, `advance` says that nothing earlier than a moment is waited for any more.

- Time is event time, integers of microseconds since 1970 (UTC). A reading is due when the watermark has passed it:
  max over the segment's readings of min(ts, arrived) - allowed lateness. The smaller of the two, because a sensor
  whose clock is ahead must not make the others late. Until then it waits in `pending`.
- Of several arrivals of (sensor_id, ts) the latest wins while they wait; at the same arrival the higher index, then
  the higher count. A reading at or before the watermark is late: ignored and counted, as is a repeat of a reading
  that is already used. So duplicates, and any order within the allowed lateness, give the same outputs.
- At each distinct time t of due readings with an index, the mean index of the readings in (t - window, t] is
  evaluated. No level: above `warning` starts WARNING, above `critical` starts CRITICAL. WARNING escalates above
  `critical`; CRITICAL never falls back to WARNING. Either is cleared when the mean has been below `clear` at every
  evaluation for `clear_for_s`; after a gap of more than the window between two evaluations that time starts anew.
  Without readings nothing is evaluated: silence is not free flow.
- Each 5-minute interval that has readings gives one Summary when the watermark has reached its end.
- A reading without an index counts in the summary and is evaluated in no mean.
- Indices are rounded to millionths of an index point on entry (`_micro`), sums are integers and means are rounded to
  millionths: no order of addition can change a result, and float noise cannot lift an 80 above 80.

All sensors must report the same interval to within the allowed lateness: `ts` is the start of the interval that a
reading covers, so a sensor of 300 s beside one of 20 s is always late. Give the end of the interval as `ts_us` there.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingestion.alerts.thresholds import Thresholds

WARNING = "WARNING"
CRITICAL = "CRITICAL"
STARTED = "CongestionStarted"
ESCALATED = "CongestionEscalated"
CLEARED = "CongestionCleared"
SUMMARY_S = 300
ITEM_VERSION = 1
_SECOND_US = 1_000_000
_SUMMARY_US = SUMMARY_S * _SECOND_US
_MICRO = 1_000_000
# Stands for an index or a count that is not known, so that readings compare and pack as integers.
_UNKNOWN = -1


class Reading(NamedTuple):
    """One reading: what the machine needs of it. Index 0 to 100 and vehicles are None where unknown."""

    sensor_id: str
    ts_us: int
    arrived_us: int
    congestion_index: float | None
    vehicle_count: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """One event: `kind` is STARTED, ESCALATED or CLEARED, `level` the one that holds, or held until cleared.

    `since_us` is the start of the episode, `worst_mean_index` the highest mean of the window since then.
    """

    kind: str
    ts_us: int
    level: str
    since_us: int
    mean_index: float
    worst_mean_index: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One 5-minute interval of a segment: means over its readings, `worst_index` the highest of one reading.

    Indices are None where no reading had one, `vehicles` where no reading had a count.
    """

    interval_start_us: int
    readings: int
    mean_index: float | None
    worst_index: float | None
    vehicles: int | None


@dataclass(frozen=True, slots=True)
class Alert:
    """The alert that a segment is in, as of its last evaluation."""

    level: str
    since_us: int
    mean_index: float
    worst_mean_index: float


Output = Change | Summary


class _Episode(NamedTuple):
    level: str
    since_us: int
    worst_micro: int
    below_since_us: int | None


class _Interval(NamedTuple):
    start_us: int
    readings: int
    indices: int
    total_micro: int
    worst_micro: int
    vehicles: int


class State(NamedTuple):
    """What is kept of a segment. Treat as opaque, and its arrays as values: nothing may change them.

    `pending` is sorted, entries (ts_us, sensor_id, arrived_us, index_micro, vehicles). `times_us` and `indices_micro`
    are the window as of its last evaluation, `total_micro` its sum. `late` counts the readings that were ignored.
    """

    watermark_us: int
    pending: tuple[tuple[int, str, int, int, int], ...]
    times_us: array
    indices_micro: array
    total_micro: int
    episode: _Episode | None
    interval: _Interval | None
    late: int


def new_state() -> State:
    """Return the state of a segment without readings. Its watermark is 1970; the contract's times begin in 2000."""
    return State(0, (), array("q"), array("i"), 0, None, None, 0)


def update(state: State, reading: Reading, thresholds: Thresholds) -> tuple[State, tuple[Output, ...]]:
    """Take one reading; return the new state and what became certain by it, in order of time."""
    sensor_id, ts_us, arrived_us, index, count = reading
    if ts_us <= state.watermark_us:
        return state._replace(late=state.late + 1), ()
    index_micro = _UNKNOWN if index is None else round(index * _MICRO)
    entry = (ts_us, sensor_id, arrived_us, index_micro, _UNKNOWN if count is None else count)
    seen_us = (ts_us if ts_us < arrived_us else arrived_us) - thresholds.allowed_lateness_s * _SECOND_US
    return _up_to(state, _with_entry(state.pending, entry), max(state.watermark_us, seen_us), thresholds)


def advance(state: State, watermark_us: int, thresholds: Thresholds) -> tuple[State, tuple[Output, ...]]:
    """Finalise all up to and including a moment; readings of that time that come later are late.

    For a sweep, which must leave time for readings under way (reporting interval, transport, allowed lateness), and
    for the end of a replay. A moment before the watermark changes nothing.
    """
    return _up_to(state, state.pending, max(state.watermark_us, watermark_us), thresholds)


def open_alert(state: State) -> Alert | None:
    """Return the alert that the segment is in, if any."""
    if state.episode is None:
        return None
    level, since_us, worst_micro, _ = state.episode
    mean_micro = _mean(state.total_micro, len(state.times_us))
    return Alert(level, since_us, mean_micro / _MICRO, worst_micro / _MICRO)


def changes(outputs: Sequence[Output]) -> list[Change]:
    """Return the events among outputs, without the summaries."""
    return [output for output in outputs if isinstance(output, Change)]


def to_item(state: State) -> dict[str, Any]:
    """Return the state as JSON-able data of integers, text and lists only, so that DynamoDB takes it as it is.

    Times of the window are steps in microseconds from the one before.
    """
    steps = [time - before for before, time in zip((0, *state.times_us), state.times_us, strict=False)]
    return {
        "version": ITEM_VERSION,
        "watermark_us": state.watermark_us,
        "pending": [list(entry) for entry in state.pending],
        "steps_us": steps,
        "indices_micro": state.indices_micro.tolist(),
        "episode": None if state.episode is None else list(state.episode),
        "interval": None if state.interval is None else list(state.interval),
        "late": state.late,
    }


def from_item(item: Mapping[str, Any]) -> State:
    """Return the state of an item; whole numbers may come as any number type. Raises ValueError for its version."""
    if item.get("version") != ITEM_VERSION:
        raise ValueError(f"a state of version {item.get('version')} cannot be read; this is version {ITEM_VERSION}.")
    times_us, time_us = array("q"), 0
    for step_us in item["steps_us"]:
        time_us += int(step_us)
        times_us.append(time_us)
    indices_micro = array("i", map(int, item["indices_micro"]))
    episode, interval = item["episode"], item["interval"]
    if episode is not None:
        level, since_us, worst_micro, below = episode
        episode = _Episode(level, int(since_us), int(worst_micro), None if below is None else int(below))
    return State(
        watermark_us=int(item["watermark_us"]),
        pending=tuple((int(ts), sensor, int(at), int(index), int(n)) for ts, sensor, at, index, n in item["pending"]),
        times_us=times_us,
        indices_micro=indices_micro,
        total_micro=sum(indices_micro),
        episode=episode,
        interval=None if interval is None else _Interval(*map(int, interval)),
        late=int(item["late"]),
    )


def _with_entry(pending: tuple[tuple, ...], entry: tuple) -> tuple[tuple, ...]:
    """Insert an entry in order of (ts_us, sensor_id); of two with the same key the greater one stays."""
    key = entry[:2]
    at = bisect_left(pending, key)
    if at < len(pending) and pending[at][:2] == key:
        return pending if pending[at] >= entry else (*pending[:at], entry, *pending[at + 1 :])
    return (*pending[:at], entry, *pending[at:])


def _up_to(
    state: State, pending: tuple[tuple, ...], watermark_us: int, thresholds: Thresholds
) -> tuple[State, tuple[Output, ...]]:
    """Use the pending readings up to the watermark, in order of time."""
    due = bisect_left(pending, (watermark_us + 1,))
    times_us, indices_micro, total_micro = state.times_us, state.indices_micro, state.total_micro
    episode, interval = state.episode, state.interval
    outputs: list[Output] = []
    if due:
        times_us, indices_micro = times_us[:], indices_micro[:]
    for at in range(due):
        ts_us, _, _, index_micro, count = pending[at]
        if interval is not None and interval.start_us + _SUMMARY_US <= ts_us:
            outputs.append(_summary(interval))
            interval = None
        interval = _with_reading(interval, ts_us, index_micro, count)
        if index_micro != _UNKNOWN:
            # the last evaluation was at the last time of the window, and the first of this time sees the one before
            is_after_gap = bool(times_us) and ts_us - times_us[-1] > thresholds.window_s * _SECOND_US
            if is_after_gap and episode is not None:
                episode = episode._replace(below_since_us=None)
            times_us.append(ts_us)
            indices_micro.append(index_micro)
            total_micro += index_micro
        is_last_of_time = at + 1 == due or pending[at + 1][0] != ts_us
        if is_last_of_time and times_us and times_us[-1] == ts_us:
            total_micro -= _slide(times_us, indices_micro, ts_us - thresholds.window_s * _SECOND_US)
            episode, change = _evaluated(episode, ts_us, _mean(total_micro, len(times_us)), thresholds)
            if change is not None:
                outputs.append(change)
    if interval is not None and interval.start_us + _SUMMARY_US <= watermark_us:
        outputs.append(_summary(interval))
        interval = None
    after = State(watermark_us, pending[due:], times_us, indices_micro, total_micro, episode, interval, state.late)
    return after, tuple(outputs)


def _slide(times_us: array, indices_micro: array, before_us: int) -> int:
    """Drop what lies at or before a time from both arrays; return the sum of the dropped indices."""
    if times_us[0] > before_us:
        return 0
    gone = bisect_right(times_us, before_us)
    total_micro = sum(indices_micro[:gone])
    del times_us[:gone]
    del indices_micro[:gone]
    return total_micro


def _mean(total_micro: int, count: int) -> int:
    """Return the mean, rounded half up to a whole number."""
    return (2 * total_micro + count) // (2 * count)


def _evaluated(
    episode: _Episode | None, ts_us: int, mean_micro: int, thresholds: Thresholds
) -> tuple[_Episode | None, Change | None]:
    """Return the episode after an evaluation, and the event if it changed the level."""
    mean_index = mean_micro / _MICRO
    if episode is None:
        if mean_index <= thresholds.warning:
            return None, None
        level = CRITICAL if mean_index > thresholds.critical else WARNING
        return _Episode(level, ts_us, mean_micro, None), Change(STARTED, ts_us, level, ts_us, mean_index, mean_index)
    level, since_us, worst_micro, below_since_us = episode
    worst_micro = max(worst_micro, mean_micro)
    worst_index = worst_micro / _MICRO
    if mean_index < thresholds.clear:
        below_since_us = ts_us if below_since_us is None else below_since_us
        if ts_us - below_since_us >= thresholds.clear_for_s * _SECOND_US:
            return None, Change(CLEARED, ts_us, level, since_us, mean_index, worst_index)
        return _Episode(level, since_us, worst_micro, below_since_us), None
    if level == WARNING and mean_index > thresholds.critical:
        change = Change(ESCALATED, ts_us, CRITICAL, since_us, mean_index, worst_index)
        return _Episode(CRITICAL, since_us, worst_micro, None), change
    return _Episode(level, since_us, worst_micro, None), None


def _with_reading(interval: _Interval | None, ts_us: int, index_micro: int, count: int) -> _Interval:
    """Count a reading in its interval."""
    if interval is None:
        interval = _Interval(ts_us - ts_us % _SUMMARY_US, 0, 0, 0, _UNKNOWN, _UNKNOWN)
    start_us, readings, indices, total_micro, worst_micro, vehicles = interval
    if index_micro != _UNKNOWN:
        indices, total_micro, worst_micro = indices + 1, total_micro + index_micro, max(worst_micro, index_micro)
    if count != _UNKNOWN:
        vehicles = max(vehicles, 0) + count
    return _Interval(start_us, readings + 1, indices, total_micro, worst_micro, vehicles)


def _summary(interval: _Interval) -> Summary:
    start_us, readings, indices, total_micro, worst_micro, vehicles = interval
    return Summary(
        interval_start_us=start_us,
        readings=readings,
        mean_index=_mean(total_micro, indices) / _MICRO if indices else None,
        worst_index=worst_micro / _MICRO if indices else None,
        vehicles=None if vehicles == _UNKNOWN else vehicles,
    )
