"""What is kept of a segment while its readings come by, and what they give: the state machine, its sensors. Pure.

Time goes on with the stream, never with a clock, so whoever reads the same records again gets the same:

- a reading waits for those that may still come before it until a later reading of its segment is 10 s past it
  (`machine`), or until a tick finds that it arrived `WAIT_S` ago: the last reading before a silence, or the first of a
  trial by hand, must not wait for ever;
- a segment of which nothing has arrived for `FLUSH_S` gets the summary of the interval that it broke off in.

A reading that arrives after that is late for the alerts; the batch, which waits for nothing, still counts it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ingestion.alerts import anomalies, machine
from ingestion.alerts.anomalies import Rules
from ingestion.alerts.segment_stream import JudgedReading, Record
from ingestion.alerts.thresholds import Thresholds

# One usual reporting interval.
WAIT_S = 20
FLUSH_S = 300
_SECOND_US = 1_000_000


class Tracked(NamedTuple):
    """A segment in memory. `sensors` holds anomaly states by sensor; `last_arrived_us` is of its newest arrival."""

    state: machine.State
    sensors: Mapping[str, anomalies.State]
    last_arrived_us: int


class Anomaly(NamedTuple):
    """A change of a sensor of the segment."""

    sensor_id: str
    change: anomalies.Change


Told = machine.Output | Anomaly


class Folded(NamedTuple):
    """What records became: the new states of the segments that they touched, and what each was told, in order."""

    states: dict[str, Tracked]
    told: dict[str, list[Told]]


def new_segment() -> Tracked:
    """Return what is kept of a segment without readings."""
    return Tracked(machine.new_state(), {}, 0)


def fold(
    records: Sequence[Record],
    known: Mapping[str, Tracked],
    load: Callable[[set[str]], Mapping[str, Tracked]],
    thresholds: Thresholds,
    rules: Rules,
) -> Folded:
    """Take records in the order of the stream; `known` is not changed.

    `load` returns what was saved of segments that are not known, without those of which nothing was.
    """
    # Of all records at once: a cold start then asks in few calls.
    strangers = {reading.segment_id for record in records for reading in record.readings} - known.keys()
    found = load(strangers) if strangers else {}
    folded = Folded({segment_id: found.get(segment_id) or new_segment() for segment_id in strangers}, {})
    for record in records:
        for reading in record.readings:
            segment_id = reading.segment_id
            before = folded.states.get(segment_id) or known[segment_id]
            _keep(folded, segment_id, *_with_reading(before, reading, thresholds, rules))
        if not record.readings:
            for segment_id in known.keys() | folded.states.keys():
                before = folded.states.get(segment_id) or known[segment_id]
                if before.state.pending or before.state.interval:
                    _keep(folded, segment_id, *_at_tick(before, record.at_us, thresholds))
    return folded


def _keep(folded: Folded, segment_id: str, tracked: Tracked, told: Iterable[Told]) -> None:
    folded.states[segment_id] = tracked
    if told:
        folded.told.setdefault(segment_id, []).extend(told)


def _with_reading(
    tracked: Tracked, reading: JudgedReading, thresholds: Thresholds, rules: Rules
) -> tuple[Tracked, list[Told]]:
    state, outputs = machine.update(
        tracked.state,
        machine.Reading(
            reading.sensor_id, reading.ts_us, reading.arrived_us, reading.congestion_index, reading.vehicle_count
        ),
        thresholds,
    )
    sensor, changes = anomalies.update(
        tracked.sensors.get(reading.sensor_id), reading.ts_us, reading.findings, reading.fingerprint, rules
    )
    sensors = {**tracked.sensors, reading.sensor_id: sensor}
    told = [*outputs, *(Anomaly(reading.sensor_id, change) for change in changes)]
    return Tracked(state, sensors, max(tracked.last_arrived_us, reading.arrived_us)), told


def _at_tick(tracked: Tracked, at_us: int, thresholds: Thresholds) -> tuple[Tracked, tuple[Told, ...]]:
    state = tracked.state
    waited = [ts_us for ts_us, _, arrived_us, *_ in state.pending if arrived_us <= at_us - WAIT_S * _SECOND_US]
    until_us = waited[-1] if waited else state.watermark_us
    if tracked.last_arrived_us <= at_us - FLUSH_S * _SECOND_US:
        last_us = state.pending[-1][0] if state.pending else state.watermark_us
        until_us = max(until_us, last_us - last_us % _INTERVAL_US + _INTERVAL_US)
    if until_us <= state.watermark_us:
        return tracked, ()
    state, outputs = machine.advance(state, until_us, thresholds)
    return tracked._replace(state=state), outputs


_INTERVAL_US = machine.SUMMARY_S * _SECOND_US
