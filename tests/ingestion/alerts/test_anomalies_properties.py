"""What holds of device anomalies for any readings: the definition, computed naively over the whole list."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.alerts.anomalies import ENDED, STARTED, fingerprint, from_item, load, to_item, update, violations
from ingestion.generated_reading import reading as generated

SECOND_US = 1_000_000
START_US = 1_772_438_400_000_000
# Short durations, so that few readings make whole anomalies.
FILE = """
rules:
  - {name: hot, title: hot, measure: temperature_c, above: 74, holds_for_s: 60, absent_for_s: 90, longest_gap_s: 150}
  - {name: warm, title: warm, measure: temperature_c, above: 50, holds_for_s: 0, absent_for_s: 30, longest_gap_s: 40}
  - {name: cold, title: too cold, measure: temperature_c, below: 0, holds_for_s: 30, absent_for_s: 0, longest_gap_s: 60}
  - {name: same, title: stuck, repeated_readings: 3, holds_for_s: 60, absent_for_s: 40, longest_gap_s: 60}
  - {name: ill, title: ill, flag: device_status_not_ok, holds_for_s: 20, absent_for_s: 60, longest_gap_s: 100}
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(FILE)
    return load(path)


@st.composite
def streams(draw):
    """Draw readings of one sensor in phases, so that values hold for a while, with changes and gaps between."""
    readings, ts_us = [], START_US
    temperature = st.sampled_from([None, -5.0, -4.0, 0.0, 20.0, 60.0, 74.0, 80.0, 90.5])
    measures = st.fixed_dictionaries(
        {
            "vehicle_count": st.sampled_from([0, 0, 3, 4]),
            "avg_speed": st.sampled_from([None, 50.0]),
            "temperature": temperature,
            "status": st.sampled_from([None, "fault"]),
        }
    )
    for _ in range(draw(st.integers(1, 6))):
        sent = draw(measures)
        for _ in range(draw(st.integers(1, 12))):
            ts_us += draw(st.sampled_from([1, 400_000, 10 * SECOND_US, 20 * SECOND_US, 20 * SECOND_US + 600_000]))
            here = draw(measures) if draw(st.integers(0, 6)) == 0 else sent
            row = {"sensor_id": "d", "received_at": None, **{k: v for k, v in here.items() if v is not None}}
            readings.append(generated(row, b"", ts_us, 0))
        ts_us += draw(st.sampled_from([0, 0, 30, 61, 200])) * SECOND_US
    return readings


def fed(readings, rules, state=None):
    changes = []
    for one in readings:
        findings = json.loads(json.dumps(violations(one, rules)))
        state, told = update(state, one.ts_us, findings, fingerprint(one), rules)
        changes += told
    return state, changes


def seconds(start_us, end_us):
    return math.floor(end_us / SECOND_US) - math.floor(start_us / SECOND_US)


def evidence(rule, readings):
    """Return (ts, broken, since, value) of each reading that says something about a rule."""
    if rule.measure:
        limit = [(one.ts_us, one.temperature_c) for one in readings if one.temperature_c is not None]
        return [(ts, t > rule.above or t < rule.below, ts, t) for ts, t in limit]
    if rule.flag:
        return [(one.ts_us, rule.flag in one.flags, one.ts_us, None) for one in readings]
    found = []
    for at, one in enumerate(readings):
        measures = (one.vehicle_count, one.speed_kmh, one.occupancy_pct)
        first = at
        while first > 0 and (
            measures == (readings[first - 1].vehicle_count, readings[first - 1].speed_kmh, None)
            and seconds(readings[first - 1].ts_us, readings[first].ts_us) <= rule.longest_gap_s
        ):
            first -= 1
        since_us = readings[first].ts_us
        is_long = seconds(since_us, one.ts_us) >= rule.holds_for_s and at - first + 1 >= rule.repeated_readings
        found.append((one.ts_us, any(measures[:2]) and is_long, since_us, None))
    return found


def held_since(told, rule):
    """Return the place of the first of the last readings that are all alike, without a gap."""
    first = len(told) - 1
    while first > 0 and told[first - 1][1] == told[-1][1] and (
        seconds(told[first - 1][0], told[first][0]) <= rule.longest_gap_s
    ):  # fmt: skip
        first -= 1
    return first


def by_definition(rule, readings):
    """Return (kind, ts, since, value) of a rule: for each reading anew, over all readings up to it."""
    told, changes, since = evidence(rule, readings), [], None
    for at, (ts_us, is_broken, _, _) in enumerate(told):
        first = held_since(told[: at + 1], rule)
        begun_us = told[first][2]
        for_s = seconds(begun_us if is_broken else told[first][0], ts_us)
        if since is None and is_broken and for_s >= rule.holds_for_s:
            since = (first, begun_us)
            changes.append((STARTED, ts_us, begun_us, worst(rule, told[first : at + 1])))
        elif since is not None and not is_broken and for_s >= rule.absent_for_s:
            changes.append((ENDED, ts_us, since[1], worst(rule, told[since[0] : at + 1])))
            since = None
    return changes


def worst(rule, told):
    values = [value for _, is_broken, _, value in told if is_broken and value is not None]
    if not values:
        return None
    return max(values) if rule.above < math.inf else min(values)


@settings(max_examples=200)
@given(readings=streams())
def test_the_changes_are_those_of_the_definition(rules, readings):
    _, changes = fed(readings, rules)
    for rule in rules.rules:
        found = [(c.kind, c.ts_us, c.since_us, c.value) for c in changes if c.rule == rule.name]
        assert found == by_definition(rule, readings)


@settings(max_examples=100)
@given(data=st.data())
def test_repeats_and_late_readings_change_nothing(rules, data):
    readings = data.draw(streams())
    noisy = []
    for at, one in enumerate(readings):
        late = data.draw(st.lists(st.integers(max(0, at - 3), at), max_size=2))
        strays = [readings[place]._replace(temperature_c=data.draw(st.sampled_from([20.0, 90.0]))) for place in late]
        noisy += [one, *strays, *data.draw(st.sampled_from([(), (one,)]))]
    assert fed(noisy, rules) == fed(readings, rules)


@settings(max_examples=100)
@given(data=st.data())
def test_each_rule_starts_and_ends_in_turn_and_a_stored_state_goes_on_as_before(rules, data):
    readings = data.draw(streams())
    cut = data.draw(st.integers(1, len(readings)))
    state, before = fed(readings[:cut], rules)
    stored = from_item(json.loads(json.dumps(to_item(state))))
    assert stored == state
    state, after = fed(readings[cut:], rules, stored)
    changes = [*before, *after]
    assert (state, changes) == fed(readings, rules)
    for rule in rules.rules:
        kinds = [c.kind for c in changes if c.rule == rule.name]
        assert kinds == [STARTED, ENDED] * (len(kinds) // 2) + [STARTED] * (len(kinds) % 2)
        assert len(kinds) % 2 == sum(trace.is_open for trace in state.traces if trace.rule == rule.name)
