"""What holds of the state machine for any readings: no order, repeat, cut or restart can change what it says."""

import json
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.alerts.machine import (
    CLEARED,
    CRITICAL,
    ESCALATED,
    STARTED,
    WARNING,
    Reading,
    Summary,
    advance,
    changes,
    from_item,
    new_state,
    open_alert,
    to_item,
    update,
)
from ingestion.alerts.thresholds import Thresholds

SECOND_US = 1_000_000
START_US = 1_772_438_400_000_000
END_US = START_US + 10**12
# A short memory, so that few readings make whole episodes.
THRESHOLDS = Thresholds(window_s=60, clear_for_s=60, allowed_lateness_s=15)
INDICES = st.one_of(st.sampled_from([30.0, 69.999999, 70.0, 80.0, 85.0, 90.0, 95.0, 100.0, None]), st.floats(0, 100))


@st.composite
def streams(draw):
    """Draw readings of up to three sensors: phases of traffic, one sensor's clock possibly ahead, gaps, no repeats."""
    phases = draw(st.lists(st.tuples(st.integers(1, 12), INDICES, st.integers(1, 100)), min_size=1, max_size=8))
    ahead_us = draw(st.sampled_from([0, 0, 40 * SECOND_US]))
    found, at_us = [], START_US
    for readings, index, gap_s in phases:
        for _ in range(readings):
            at_us += draw(st.sampled_from([1, 10 * SECOND_US, 20 * SECOND_US]))
            index_here = draw(INDICES) if draw(st.integers(0, 5)) == 0 else index
            for sensor in draw(st.sampled_from(["a", "ab", "abc", "c"])):
                ts_us = at_us + (ahead_us if sensor == "c" else 0)
                found.append(Reading(sensor, ts_us, at_us, index_here, draw(st.sampled_from([None, 0, 7]))))
        at_us += gap_s * SECOND_US
    return found


def fed(state, readings, thresholds=THRESHOLDS):
    outputs = []
    for one in readings:
        state, put_out = update(state, one, thresholds)
        outputs += put_out
    return state, outputs


def replayed(readings, thresholds=THRESHOLDS):
    """Return (state, outputs) of readings, all of them finalised."""
    state, outputs = fed(new_state(), readings, thresholds)
    state, put_out = advance(state, END_US, thresholds)
    return state, [*outputs, *put_out]


def in_event_time(readings):
    return sorted(readings, key=lambda one: (one.ts_us, one.sensor_id, one.arrived_us))


@st.composite
def disordered(draw, readings):
    """Draw an order in which no reading comes after one that is later by the allowed lateness or more."""
    delay = st.integers(0, THRESHOLDS.allowed_lateness_s * SECOND_US - 1)
    return [one for _, _, one in sorted((one.ts_us + draw(delay), at, one) for at, one in enumerate(readings))]


@st.composite
def repeated(draw, readings):
    """Draw the readings, some of them sent again as they were, earlier or corrected."""
    copies = []
    for one in readings:
        for kind in draw(st.sampled_from([(), (), ("same",), ("older",), ("newer", "same")])):
            shift_us = {"same": 0, "older": -1, "newer": 1}[kind]
            other = one if kind == "same" else one._replace(congestion_index=draw(INDICES))
            copies.append(other._replace(arrived_us=one.arrived_us + shift_us))
    return readings + copies


def latest(readings):
    """Keep the winner of each (sensor_id, ts), as the definition says it."""
    best = {}
    for one in readings:
        rank = (
            one.arrived_us,
            -1 if one.congestion_index is None else one.congestion_index,
            -1 if one.vehicle_count is None else one.vehicle_count,
        )
        key = (one.ts_us, one.sensor_id)
        if key not in best or best[key][0] < rank:
            best[key] = (rank, one)
    return [one for _, one in best.values()]


def by_definition(readings):
    """Compute the events as the definition reads: for each time anew, over all readings, in exact fractions."""
    known = [(one.ts_us, Fraction(round(one.congestion_index * 10**6), 10**6))
             for one in readings if one.congestion_index is not None]  # fmt: skip
    means = []
    for t in sorted({ts for ts, _ in known}):
        window = [index for ts, index in known if t - THRESHOLDS.window_s * SECOND_US < ts <= t]
        means.append((t, sum(window) / len(window)))
    events, level, since = [], None, None
    for at, (t, mean) in enumerate(means):
        if level is None and mean > 80:
            level, since = (CRITICAL if mean > 90 else WARNING), t
            events.append((STARTED, t, level, since))
        elif level == WARNING and mean > 90:
            level = CRITICAL
            events.append((ESCALATED, t, level, since))
        elif level is not None and below_for_us(means[: at + 1]) >= THRESHOLDS.clear_for_s * SECOND_US:
            events.append((CLEARED, t, level, since))
            level = None
    return events


def below_for_us(means):
    """Return how long the mean has been below clear without a gap, at the end of the evaluations; -1 if it is not."""
    first = None
    for (t, mean), (following, _) in zip(reversed(means), [means[-1], *reversed(means)], strict=False):
        if mean >= 70 or following - t > THRESHOLDS.window_s * SECOND_US:
            break
        first = t
    return -1 if first is None else means[-1][0] - first


@settings(max_examples=150)
@given(streams())
def test_the_events_are_those_of_the_definition(readings):
    _, outputs = replayed(in_event_time(readings))
    assert [(c.kind, c.ts_us, c.level, c.since_us) for c in changes(outputs)] == by_definition(readings)


@settings(max_examples=150)
@given(st.data())
def test_order_within_the_allowed_lateness_and_repeats_change_nothing(data):
    readings = data.draw(streams())
    noisy = data.draw(repeated(readings))
    expected_state, expected = replayed(in_event_time(latest(noisy)))
    state, outputs = replayed(data.draw(disordered(noisy)))
    assert outputs == expected
    assert state == expected_state
    assert state.late == 0


@settings(max_examples=100)
@given(st.data())
def test_what_arrives_again_after_it_was_used_is_only_counted(data):
    readings = data.draw(disordered(data.draw(streams())))
    state, outputs = replayed(readings)
    again = data.draw(st.lists(st.sampled_from(readings), max_size=5))
    assert fed(state, again) == (state._replace(late=state.late + len(again)), [])
    assert replayed(readings)[1] == outputs


@settings(max_examples=100)
@given(st.data())
def test_a_replay_in_chunks_with_its_state_stored_between_gives_the_same(data):
    readings = data.draw(disordered(data.draw(streams())))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(readings)), max_size=6)))
    state, outputs = new_state(), []
    for start, end in zip([0, *cuts], [*cuts, len(readings)], strict=True):
        state, put_out = fed(from_item(json.loads(json.dumps(to_item(state)))), readings[start:end])
        assert from_item(json.loads(json.dumps(to_item(state)))) == state
        outputs += put_out
    state, put_out = advance(state, END_US, THRESHOLDS)
    assert (state, [*outputs, *put_out]) == replayed(readings)


@settings(max_examples=100)
@given(st.data())
def test_a_sweep_behind_the_readings_that_are_still_to_come_changes_nothing(data):
    readings = in_event_time(data.draw(streams()))
    cut = data.draw(st.integers(0, len(readings) - 1))
    state, before = fed(new_state(), readings[:cut])
    state, swept = advance(state, readings[cut].ts_us - 1, THRESHOLDS)
    state, after = fed(state, readings[cut:])
    state, rest = advance(state, END_US, THRESHOLDS)
    assert (state, [*before, *swept, *after, *rest]) == replayed(readings)


@settings(max_examples=100)
@given(st.data())
def test_every_change_is_told_once_and_every_reading_is_summed_once(data):
    readings = data.draw(disordered(data.draw(streams())))
    state, outputs = replayed(readings)
    told = changes(outputs)
    kinds = [change.kind for change in told]
    is_open = open_alert(state) is not None
    assert kinds.count(STARTED) == kinds.count(CLEARED) + is_open
    level = None
    for change in told:
        allowed = {None: {STARTED}, WARNING: {ESCALATED, CLEARED}, CRITICAL: {CLEARED}}[level]
        assert change.kind in allowed
        assert change.worst_mean_index >= change.mean_index
        level = None if change.kind == CLEARED else change.level
    assert (level is not None) == is_open
    summaries = [output for output in outputs if isinstance(output, Summary)]
    starts = [summary.interval_start_us for summary in summaries]
    assert starts == sorted(set(starts))
    assert sum(summary.readings for summary in summaries) == len(latest(readings))
    assert sum(s.vehicles or 0 for s in summaries) == sum(one.vehicle_count or 0 for one in latest(readings))
