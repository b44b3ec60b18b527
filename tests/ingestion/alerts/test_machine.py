"""The state machine, transition by transition, against tables computed by hand."""

import json
from decimal import Decimal

import pytest

from ingestion.alerts.machine import (
    CLEARED,
    CRITICAL,
    ESCALATED,
    STARTED,
    WARNING,
    Alert,
    Change,
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

MINUTE_US = 60_000_000
SECOND_US = 1_000_000
# 2026-03-02 08:00 UTC, the start of a 5-minute interval
START_US = 1_772_438_400_000_000
DEFAULTS = Thresholds()


def reading(minute, index, sensor="a", *, count=None, arrived=None, second=0):
    ts_us = START_US + minute * MINUTE_US + second * SECOND_US
    return Reading(sensor, ts_us, ts_us if arrived is None else START_US + arrived * MINUTE_US, index, count)


def replayed(readings, thresholds=DEFAULTS):
    """Return (state, outputs) of readings, all of them finalised."""
    state, outputs = new_state(), []
    for one in readings:
        state, put_out = update(state, one, thresholds)
        outputs += put_out
    state, put_out = advance(state, START_US + 10_000 * MINUTE_US, thresholds)
    return state, [*outputs, *put_out]


def told(outputs):
    """Return (kind, minute, level, minute of the start, mean, worst mean) of the events."""
    minutes = [((c.ts_us - START_US) / MINUTE_US, (c.since_us - START_US) / MINUTE_US) for c in changes(outputs)]
    return [
        (c.kind, at, c.level, since, c.mean_index, c.worst_mean_index)
        for c, (at, since) in zip(changes(outputs), minutes, strict=True)
    ]


# One reading every 5 minutes: the window (t - 10 min, t] holds two, the mean is that of a reading and the one before.
TABLES = {
    "at a threshold nothing changes": ([80, 80, 80], []),
    "above warning starts a warning, once": (
        [70, 80, 91, 85, 83],  # means 70, 75, 85.5, 88, 84
        [(STARTED, 10, WARNING, 10, 85.5, 85.5)],
    ),
    "above critical starts as critical": ([95], [(STARTED, 0, CRITICAL, 0, 95, 95)]),
    "a warning escalates once": (
        [84, 90, 96, 97, 97],  # means 84, 87, 93, 96.5, 97
        [(STARTED, 0, WARNING, 0, 84, 84), (ESCALATED, 10, CRITICAL, 0, 93, 93)],
    ),
    "a mean at critical leaves a warning": (
        [84, 96, 84],  # means 84, 90, 90
        [(STARTED, 0, WARNING, 0, 84, 84)],
    ),
    "critical does not fall back to warning": (
        [95, 75, 95, 95],  # means 95, 85, 85, 95
        [(STARTED, 0, CRITICAL, 0, 95, 95)],
    ),
    "below clear for ten minutes clears": (
        [85, 85, 60, 50, 50, 50, 20],  # means 85, 85, 72.5, 55, 50, 50, 35: below since minute 15
        [(STARTED, 0, WARNING, 0, 85, 85), (CLEARED, 25, WARNING, 0, 50, 85)],
    ),
    "a mean at clear starts the ten minutes anew": (
        [85, 50, 50, 90, 50, 30, 30],  # means 85, 67.5, 50, 70, 70, 40, 30: below since 5, stopped at 15; since 25
        [(STARTED, 0, WARNING, 0, 85, 85)],
    ),
    "a new episode can start after a cleared one": (
        [95, 40, 40, 40, 100, 100],  # means 95, 67.5, 40, 40, 70, 100
        [
            (STARTED, 0, CRITICAL, 0, 95, 95),
            (CLEARED, 15, CRITICAL, 0, 40, 95),
            (STARTED, 25, CRITICAL, 25, 100, 100),
        ],
    ),
    "the worst mean is of its own episode": (
        [85, 89, 88, 40, 40, 40, 40, 82, 82],  # means 85, 87, 88.5, 64, 40, 40, 40, 61, 82
        [
            (STARTED, 0, WARNING, 0, 85, 85),
            (CLEARED, 25, WARNING, 0, 40, 88.5),
            (STARTED, 40, WARNING, 40, 82, 82),
        ],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_transitions(name):
    indices, expected = TABLES[name]
    _, outputs = replayed(reading(5 * i, index) for i, index in enumerate(indices))
    assert told(outputs) == expected


def test_all_sensors_of_a_time_are_evaluated_as_one():
    # alone, the first of them would start an alert
    _, outputs = replayed([reading(0, 100, "a"), reading(0, 20, "b"), reading(1, 100, "a"), reading(1, 100, "b")])
    assert told(outputs) == []  # means 60, 80


def test_the_window_is_open_at_its_start():
    _, outputs = replayed([reading(0, 0), reading(9, 90), reading(10, 90)])
    assert told(outputs) == [(STARTED, 10, WARNING, 10, 90, 90)]  # means 0, 45, 90


def test_float_noise_does_not_lift_an_index_above_a_threshold():
    assert told(replayed([reading(0, 80.00000000000001)])[1]) == []
    assert told(replayed([reading(0, 80.000001)])[1]) == [(STARTED, 0, WARNING, 0, 80.000001, 80.000001)]


def test_a_gap_longer_than_the_window_starts_the_time_below_clear_anew():
    jam = [reading(0, 95), reading(10, 50), reading(15, 50)]
    # a gap of just the window is none: below since minute 10
    assert told(replayed([*jam, reading(25, 50)])[1])[1:] == [(CLEARED, 25, CRITICAL, 0, 50, 95)]
    # below since minute 26
    _, outputs = replayed([*jam, reading(26, 50), reading(31, 50), reading(36, 50)])
    assert told(outputs)[1:] == [(CLEARED, 36, CRITICAL, 0, 50, 95)]


def test_silence_clears_nothing():
    state, outputs = replayed([reading(0, 95)])
    assert len(changes(outputs)) == 1
    assert open_alert(state) == Alert(CRITICAL, START_US, 95, 95)


def test_a_reading_without_an_index_is_evaluated_in_no_mean():
    state, outputs = replayed([reading(0, 95), reading(0, None, "b"), *(reading(m, None) for m in (5, 10, 15, 20, 25))])
    assert told(outputs) == [(STARTED, 0, CRITICAL, 0, 95, 95)]
    assert open_alert(state) == Alert(CRITICAL, START_US, 95, 95)


def test_an_open_alert_knows_its_mean_and_its_worst():
    state, _ = replayed([reading(0, 85), reading(5, 89), reading(10, 81)])
    assert open_alert(state) == Alert(WARNING, START_US, 85, 87)
    assert open_alert(new_state()) is None


def test_a_reading_waits_until_the_watermark_has_passed_it():
    state, outputs = update(new_state(), reading(0, 95), DEFAULTS)
    assert (outputs, len(state.pending)) == ((), 1)
    state, outputs = update(state, reading(0, 95, second=9), DEFAULTS)
    assert outputs == ()
    state, outputs = update(state, reading(0, 95, second=10), DEFAULTS)
    assert outputs == (Change(STARTED, START_US, CRITICAL, START_US, 95, 95),)


def test_a_late_reading_is_counted_and_changes_nothing_else():
    state, _ = update(new_state(), reading(10, 50), DEFAULTS)
    on_time, _ = update(state, reading(10, 99, "b", second=-9), DEFAULTS)
    assert (on_time.late, len(on_time.pending)) == (0, 2)
    late, outputs = update(state, reading(10, 99, "b", second=-10), DEFAULTS)
    assert (late, outputs) == (state._replace(late=1), ())


def test_a_clock_that_is_ahead_makes_nobody_late():
    ahead = reading(4, 95, "ahead", arrived=0)
    state, _ = update(new_state(), ahead, DEFAULTS)
    for minute in (0, 1, 2, 3):
        state, outputs = update(state, reading(minute, 10), DEFAULTS)
        assert changes(outputs) == []
    assert state.late == 0
    assert ahead.ts_us in [entry[0] for entry in state.pending]


def test_of_several_arrivals_the_latest_counts_whatever_their_order():
    early, corrected = reading(0, 95, arrived=1), reading(0, 85, arrived=2)
    for order in ([early, corrected], [corrected, early], [early, corrected, early, corrected]):
        assert told(replayed(order)[1]) == [(STARTED, 0, WARNING, 0, 85, 85)]
    withdrawn = reading(0, None, arrived=3)
    assert told(replayed([withdrawn, early, corrected])[1]) == []


def test_of_equal_arrivals_the_worse_one_counts():
    for order in ([85, 95], [95, 85]):
        assert told(replayed(reading(0, index) for index in order)[1]) == [(STARTED, 0, CRITICAL, 0, 95, 95)]


def test_a_summary_comes_once_the_watermark_has_reached_the_end_of_its_interval():
    readings = [
        reading(0, 10, count=3),
        reading(2, 40, "b", count=4),
        reading(4, None, count=5),
        reading(5, 99, count=1, second=1),
    ]
    state = new_state()
    for one in readings:
        state, outputs = update(state, one, DEFAULTS)
        assert outputs == ()
    end_us = START_US + 5 * MINUTE_US
    assert advance(state, end_us - 1, DEFAULTS)[1] == ()
    state, outputs = advance(state, end_us, DEFAULTS)
    assert outputs == (Summary(START_US, readings=3, mean_index=25, worst_index=40, vehicles=12),)
    assert advance(state, end_us, DEFAULTS) == (state, ())


def test_what_a_summary_does_not_know_is_none_and_not_zero():
    _, outputs = replayed([reading(0, None), reading(30, 0, count=0)])
    assert outputs == [
        Summary(START_US, 1, None, None, None),
        Summary(START_US + 30 * MINUTE_US, 1, 0, 0, 0),
    ]


def test_advancing_to_an_earlier_moment_changes_nothing():
    state, _ = update(new_state(), reading(10, 95), DEFAULTS)
    assert advance(state, START_US, DEFAULTS) == (state, ())


def test_a_call_leaves_the_state_that_it_was_given_as_it_was():
    state = new_state()
    for minute in range(20):
        kept = json.dumps(to_item(state))
        following, _ = update(state, reading(minute, 85), DEFAULTS)
        advance(state, START_US + minute * MINUTE_US, DEFAULTS)
        assert json.dumps(to_item(state)) == kept
        state = following


def test_a_state_comes_back_from_json_as_it_was():
    state, _ = update(replayed([reading(m, 85.123456, count=2) for m in range(12)])[0], reading(20_000, None), DEFAULTS)
    assert state.episode is not None
    assert from_item(json.loads(json.dumps(to_item(state)))) == state
    # DynamoDB gives numbers back as decimals
    assert from_item(json.loads(json.dumps(to_item(state)), parse_int=Decimal)) == state
    assert from_item(to_item(new_state())) == new_state()


def test_an_item_of_another_version_is_refused():
    with pytest.raises(ValueError, match="version 2 cannot be read"):
        from_item(to_item(new_state()) | {"version": 2})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warning": 95}, "clear 70, warning 95, critical 90"),
        ({"clear": 85}, "clear 85, warning 80, critical 90"),
        ({"critical": 101}, "critical 101"),
        ({"clear": -1}, "clear -1"),
        ({"warning": float("nan")}, "warning nan"),
        ({"window_s": 0}, "window_s must be a whole number of seconds of at least 1, not 0"),
        ({"clear_for_s": 1.5}, "clear_for_s must be a whole number of seconds of at least 0, not 1.5"),
        ({"allowed_lateness_s": 0}, "allowed_lateness_s must be a whole number of seconds of at least 1, not 0"),
    ],
)
def test_thresholds_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Thresholds(**settings)


def test_equal_thresholds_are_allowed():
    steep = Thresholds(warning=80, critical=80, clear=80, clear_for_s=0)
    _, outputs = replayed([reading(0, 81), reading(10, 79)], steep)
    assert told(outputs) == [(STARTED, 0, CRITICAL, 0, 81, 81), (CLEARED, 10, CRITICAL, 0, 79, 81)]
