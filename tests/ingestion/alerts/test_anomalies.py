"""Rules on what devices report: one reading judged by hand, durations by hand-computed tables, mistakes by sentence."""

import json
from decimal import Decimal

import pytest

from glue_jobs import stuck
from ingestion.alerts.anomalies import (
    ENDED,
    MEASURES,
    RULES_FILE,
    STARTED,
    Change,
    fingerprint,
    from_item,
    load,
    to_item,
    update,
    violations,
)
from ingestion.contract.model import load as load_contract
from ingestion.errors import UnusableFileError
from ingestion.generated_reading import reading as generated

SECOND_US = 1_000_000
# 2026-03-02 08:00 UTC
START_S = 1_772_438_400
START_US = START_S * SECOND_US
RULES = load()
TEMPERATURE = """
rules:
  - name: hot
    title: too hot
    measure: temperature_c
    above: 74
    holds_for_s: 60
    absent_for_s: 120
    longest_gap_s: 300
"""


def reading(second=0, **sent):
    """Return the reading of a document as a device sends it; without measures it has a count that breaks no rule."""
    row = {"sensor_id": "d1", "timestamp": START_S + second, **(sent or {"vehicle_count": 0})}
    found = generated(row, json.dumps(row).encode(), START_US + second * SECOND_US, 0)
    assert found.reasons == ()
    return found


def fed(readings, rules=RULES, state=None):
    """Return (state, changes) of readings; what one stage hands to the other passes through JSON."""
    changes = []
    for one in readings:
        findings = json.loads(json.dumps(violations(one, rules)))
        state, told = update(state, one.ts_us, findings, fingerprint(one), rules)
        changes += told
    return state, changes


def told(readings, rules=RULES):
    """Return (kind, rule, second, second of the start, value) of the changes."""
    return [
        (c.kind, c.rule, (c.ts_us - START_US) / SECOND_US, (c.since_us - START_US) / SECOND_US, c.value)
        for c in fed(readings, rules)[1]
    ]


def rules_of(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return load(path)


# --- one reading


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"temperature": 74, "occupancy": 95, "battery": 20}, ()),
        ({"temperature": -34}, ()),
        ({"temperature": 74.001}, (("temperature_high", 74001),)),
        ({"temperature": -34.5}, (("temperature_low", -34500),)),
        ({"occupancy": 95.1}, (("occupancy_high", 95100),)),
        ({"battery": 19.99}, (("battery_low", 19990),)),
        ({"status": "ok"}, ()),
        ({"status": "FAULT"}, (("status_not_ok", None),)),
        (
            {"status": "fault", "battery": 0, "temperature": 999},
            (("temperature_high", 999000), ("battery_low", 0), ("status_not_ok", None)),
        ),
        # every number that JSON can hold is a finding that it can hold
        ({"temperature": 1e308}, (("temperature_high", 10**15),)),
        ({"temperature": -1e308}, (("temperature_low", -(10**15)),)),
    ],
)
def test_a_reading_breaks_the_rules_whose_limit_it_is_beyond(sent, expected):
    assert violations(reading(vehicle_count=3, **sent), RULES)[1] == expected


def test_a_reading_that_lacks_a_measure_says_so_and_a_whole_one_says_nothing():
    whole = {"vehicle_count": 3, "occupancy": 5, "temperature": 20, "battery": 80}
    assert violations(reading(**whole), RULES) == (0, ())
    bits = [violations(reading(**{k: v for k, v in whole.items() if k != lacks}), RULES)[0] for lacks in list(whole)]
    assert bits == [0, 1, 2, 4]


def test_equal_measures_have_equal_fingerprints_and_nothing_that_passes_has_none():
    measures = {"vehicle_count": 3, "avg_speed": 50.5, "occupancy": 7.25}
    same = {**measures, "temperature": 3, "battery": 9, "status": "fault"}
    assert fingerprint(reading(**measures)) == fingerprint(reading(60, **same)) != 0
    others = [{**measures, name: value + 1} for name, value in measures.items()]
    absent = [{k: v for k, v in measures.items() if k != name} for name in measures]
    zero = [{**measures, name: 0} for name in measures]
    different = [measures, *others, *absent, *zero]
    assert len({fingerprint(reading(**sent)) for sent in different}) == len(different)
    for nothing in ({"vehicle_count": 0}, {"vehicle_count": 0, "avg_speed": 0, "occupancy": 0}, {"avg_speed": 0}):
        assert fingerprint(reading(**nothing)) == 0


# --- durations, by tables: the rule is broken above 74 °C for 60 s, kept for 120 s, a gap is longer than 300 s

TABLES = {
    "shorter than it must hold": ([(0, 80), (59, 80), (60, 74)], []),
    "as long as it must hold": ([(0, 80), (60, 81)], [(STARTED, 0, 60, 81)]),
    "once": ([(0, 80), (60, 80), (120, 80), (900, 80)], [(STARTED, 0, 60, 80)]),
    "a reading that keeps it starts the time anew": (
        [(0, 80), (40, 20), (50, 79), (80, 79), (110, 79)],
        [(STARTED, 50, 110, 79)],
    ),
    "a reading without the measure says nothing": (
        [(0, 80), (40, None), (60, 80), (70, None), (300, None), (310, 20), (430, 20)],
        [(STARTED, 0, 60, 80), (ENDED, 0, 430, 80)],
    ),
    "kept for less than it must be absent": (
        [(0, 80), (60, 80), (70, 20), (189, 20), (190, 90), (200, 20), (319, 20)],
        [(STARTED, 0, 60, 80)],
    ),
    "the worst value since the start": (
        [(0, 80), (60, 79), (70, 95), (80, 85), (90, 20), (210, 20)],
        [(STARTED, 0, 60, 80), (ENDED, 0, 210, 95)],
    ),
    "a gap before it starts": ([(0, 80), (301, 80), (360, 80), (361, 80)], [(STARTED, 301, 361, 80)]),
    "no gap before it starts": ([(0, 80), (300, 80)], [(STARTED, 0, 300, 80)]),
    "a gap while it is kept": (
        [(0, 80), (60, 80), (70, 20), (371, 20), (490, 20), (491, 20)],
        [(STARTED, 0, 60, 80), (ENDED, 0, 491, 80)],
    ),
    "silence keeps what has started": ([(0, 80), (60, 80), (90_000, 80)], [(STARTED, 0, 60, 80)]),
    "it can start again": (
        [(0, 80), (60, 80), (70, 20), (190, 20), (200, 76), (260, 75)],
        [(STARTED, 0, 60, 80), (ENDED, 0, 190, 80), (STARTED, 200, 260, 76)],
    ),
    "a repeat and a reading that is late change nothing": (
        [(0, 80), (0, 20), (50, 80), (45, 20), (60, 80), (60, 20), (55, 20), (70, 20), (65, 80), (70, 80), (190, 20)],
        [(STARTED, 0, 60, 80), (ENDED, 0, 190, 80)],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_durations(name, tmp_path):
    table, expected = TABLES[name]
    readings = [reading(s, vehicle_count=0, **({} if t is None else {"temperature": t})) for s, t in table]
    expected = [(kind, "hot", at, since, value) for kind, since, at, value in expected]
    assert told(readings, rules_of(tmp_path, TEMPERATURE)) == expected


def test_a_lower_limit_tells_the_lowest_value(tmp_path):
    rules = rules_of(tmp_path, TEMPERATURE.replace("above: 74", "below: 0"))
    readings = [reading(s, temperature=t, vehicle_count=0) for s, t in [(0, -2), (60, -5), (70, -1), (80, 0), (200, 1)]]
    assert told(readings, rules) == [(STARTED, "hot", 60, 0, -5), (ENDED, "hot", 200, 0, -5)]


def test_with_no_durations_each_reading_may_change_it(tmp_path):
    text = TEMPERATURE.replace("holds_for_s: 60", "holds_for_s: 0").replace("absent_for_s: 120", "absent_for_s: 0")
    readings = [reading(s, temperature=t, vehicle_count=0) for s, t in [(0, 20), (1, 80), (2, 20), (3, 80)]]
    kinds = [kind for kind, *_ in told(readings, rules_of(tmp_path, text))]
    assert kinds == [STARTED, ENDED, STARTED]


def test_durations_are_differences_of_whole_seconds_as_in_the_batch(tmp_path):
    rules = rules_of(tmp_path, TEMPERATURE)
    first, *later = (reading(s, temperature=80, vehicle_count=0) for s in (0, 59, 60))
    first = first._replace(ts_us=first.ts_us + 900_000)
    assert [(at, since) for _, _, at, since, _ in told([first, *later], rules)] == [(60, 0.9)]


def test_rules_are_judged_apart_and_told_in_the_order_of_the_file():
    bad = {"vehicle_count": 0, "temperature": 80, "status": "fault"}
    assert told([reading(0, **bad), reading(300, **bad), reading(310)]) == [
        (STARTED, "temperature_high", 300, 0, 80),
        (STARTED, "status_not_ok", 300, 0, None),
    ]


# --- repeated values, as the batch finds them


def repeated(minutes, first=0, step=5, **sent):
    values = sent or {"vehicle_count": 3, "avg_speed": 50, "occupancy": 7}
    return [reading(60 * (first + minute), **values) for minute in range(0, minutes, step)]


def test_the_numbers_of_repeated_values_are_those_of_the_batch():
    rule = RULES.get("values_stuck")
    assert (rule.holds_for_s, rule.repeated_readings) == (stuck.LASTS_S, stuck.READINGS)
    assert rule.longest_gap_s == stuck.LONGEST_GAP_S


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (repeated(100), [(60, 0)]),
        (repeated(60), []),
        (repeated(80, step=8), [(72, 0)]),  # ten readings
        (repeated(60) + repeated(5, 60, vehicle_count=4) + repeated(70, 65), [(125, 65)]),
        (repeated(60) + repeated(60, 70), []),  # silence
        (repeated(100, vehicle_count=0, avg_speed=0, occupancy=0), []),
        (repeated(100, vehicle_count=0), []),
        (repeated(70, avg_speed=61.5), [(60, 0)]),
    ],
)
def test_repeated_values_start_where_the_batch_begins_its_span(readings, expected):
    changes = [(kind, rule, ts / 60, since / 60) for kind, rule, ts, since, _ in told(readings)]
    assert changes == [(STARTED, "values_stuck", *minutes) for minutes in expected]


def test_repeated_values_end_after_ten_minutes_of_others_even_if_those_repeat_too():
    for others in ({"vehicle_count": 0}, {"vehicle_count": 8}):
        assert told(repeated(65) + repeated(15, 65, **others)) == [
            (STARTED, "values_stuck", 3600, 0, None),
            (ENDED, "values_stuck", 75 * 60, 0, None),
        ]


def test_one_other_value_does_not_end_repeated_values():
    readings = repeated(65) + repeated(5, 65, vehicle_count=8) + repeated(5, 70)
    assert [kind for kind, *_ in told(readings)] == [STARTED]


# --- what is kept


def test_a_sensor_without_trouble_keeps_no_trace():
    state, changes = fed([reading(0, temperature=20, vehicle_count=3), reading(20, temperature=21, vehicle_count=0)])
    assert (state.traces, changes) == ((), [])


def test_a_state_comes_back_from_json_as_it_was():
    bad = {"vehicle_count": 3, "temperature": 80.5, "status": "fault", "battery": 5}
    readings = [*(reading(s, **bad) for s in range(0, 4000, 100)), reading(4010, temperature=3, vehicle_count=3)]
    state, changes = fed(readings)
    assert len(changes) == 4
    stored = json.dumps(to_item(state))
    assert from_item(json.loads(stored)) == state
    # DynamoDB gives numbers back as decimals
    assert from_item(json.loads(stored, parse_int=Decimal)) == state


def test_an_item_of_another_version_is_refused():
    state, _ = fed([reading()])
    with pytest.raises(ValueError, match="version 2 cannot be read"):
        from_item(to_item(state) | {"version": 2})


def test_what_has_started_ends_when_its_rule_is_taken_away(tmp_path):
    rules = rules_of(tmp_path, TEMPERATURE)
    hot = [reading(s, temperature=80, vehicle_count=0) for s in (0, 60)]
    state, _ = fed(hot, rules)
    state, changes = fed([reading(80, temperature=80, vehicle_count=0)], RULES, state)
    assert changes == [Change(ENDED, "hot", START_US + 80 * SECOND_US, START_US, 80)]
    assert fed([reading(90)], RULES, state)[1] == []


def test_a_finding_of_a_rule_that_is_no_longer_there_is_ignored():
    assert update(None, START_US, (0, (("gone", 5000),)), 0, RULES)[1] == ()


# --- the file


def test_units_are_those_of_the_contract():
    contract = load_contract("readings")
    assert {name: contract.column(name).unit for name in MEASURES} == MEASURES
    assert {rule.name for rule in RULES.rules} == {
        *("temperature_high", "temperature_low", "occupancy_high", "values_stuck", "battery_low", "status_not_ok")
    }


HOT = "rule hot: "


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("holds_for_s: 60", "holds_for_s: 1.5", HOT + "holds_for_s must be a whole number of seconds of at least 0"),
        ("absent_for_s: 120", "absent_for_s: -1", HOT + "absent_for_s must be a whole number .* not -1"),
        ("longest_gap_s: 300", "longest_gap_s: yes", HOT + "longest_gap_s must be .* not True"),
        ("    holds_for_s: 60\n", "", HOT + "holds_for_s is missing"),
        ("holds_for_s", "hold_for_s", HOT + "holds_for_s is missing"),
        ("title: too hot", "title: too hot\n    level: 3", HOT + "level is not a field of this rule; those are name,"),
        ("above: 74", "above: .nan", HOT + "above must be a number, not nan"),
        ("above: 74", "above: '74'", HOT + "above must be a number, not '74'"),
        ("above: 74", "above: 74\n    below: 1", HOT + "a measure needs one of above and below"),
        ("    above: 74\n", "", HOT + "a measure needs one of above and below"),
        ("measure: temperature_c", "measure: temperature", HOT + "measure must be one of occupancy_pct, temperature_c"),
        ("measure: temperature_c", "measure: [temperature_c]", HOT + "measure must be one of"),
        ("measure: temperature_c", "flag: stuck", HOT + "a measure needs one of above and below, and nothing else"),
        ("measure: temperature_c\n    above: 74", "flag: stuck", HOT + "flag must be one of timestamp_without_zone"),
        ("measure: temperature_c\n    above: 74", "repeated_readings: 1", HOT + "repeated_readings must be a whole"),
        ("    measure: temperature_c\n    above: 74\n", "", HOT + "it needs one of measure, flag, .* not none"),
        ("above: 74", "flag: device_status_not_ok", HOT + "it needs one of .* not measure and flag"),
        ("name: hot", "name: Hot", "rule Hot: name must be small letters, digits and _, not 'Hot'"),
        ("name: hot\n    ", "", "rule 1: name is missing"),
        ("title: too hot", 'title: "too\\nhot"', HOT + "title must be a line of text"),
        ("rules:", "rule:", "the file must hold a list named rules and nothing else"),
        ("rules:", "- rules:", "this is no YAML|the file must hold"),
        ("rules:", "rules: {", "this is no YAML"),
        ("  - name: hot", "  - hot\n  - name: hot", "rule 1: it must be a list of fields with a name"),
    ],
)
def test_a_mistake_is_refused_with_file_rule_and_field(tmp_path, old, new, message):
    assert old in TEMPERATURE
    with pytest.raises(UnusableFileError, match=rf"rules\.yaml: ({message})"):
        rules_of(tmp_path, TEMPERATURE.replace(old, new, 1))


def test_a_name_and_repeated_values_are_in_one_rule_only(tmp_path):
    twice = TEMPERATURE + TEMPERATURE.replace("rules:\n", "")
    with pytest.raises(UnusableFileError, match="rule hot: name is that of another rule"):
        rules_of(tmp_path, twice)
    both = RULES_FILE.read_text() + TEMPERATURE.replace("rules:\n", "").replace(
        "measure: temperature_c\n    above: 74", "repeated_readings: 3"
    )
    path = tmp_path / "both.yaml"
    path.write_text(both)
    with pytest.raises(UnusableFileError, match="rule hot: repeated_readings may be in one rule only"):
        load(path)
