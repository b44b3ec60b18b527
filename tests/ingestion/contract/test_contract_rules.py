"""Conditions of reasons and flags: every name has one, and the Python made of it has SQL's three values."""

import dataclasses
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contract import python_reading, rules
from ingestion.contract.model import ContractError, load
from ingestion.contract.python_conditions import statements

READINGS = load("readings")
COLUMNS = ("a", "b", "t")


def with_condition(name, condition):
    reasons = [dataclasses.replace(r, condition=condition) if r.name == name else r for r in READINGS.reasons]
    return dataclasses.replace(READINGS, reasons=tuple(reasons))


def test_every_reason_and_sample_flag_has_a_condition():
    assert [*rules.rejections(READINGS), rules.ON_LANDING] == list(READINGS.reason_names)
    assert list(rules.sample_flags(READINGS)) == [flag.name for flag in READINGS.flags if flag.scope == "sample"]


def test_what_a_column_says_stands_in_the_conditions():
    conditions = rules.rejections(READINGS) | rules.sample_flags(READINGS)
    assert conditions["sensor_id_too_long"] == "LENGTH(sensor_id) > 128"
    assert conditions["timestamp_before_2000"] == "ts < TIMESTAMP_NTZ '2000-01-01T00:00:00'"
    assert conditions["speed_unit_unknown"] == "speed_unit NOT IN ('km/h', 'kmh', 'kph', 'mph')"
    assert conditions["speed_kmh_out_of_range"] == "speed_kmh < 0 OR speed_kmh > 300"
    assert "battery_pct < 0 OR battery_pct > 100" in conditions["reported_value_out_of_range"]


def test_a_reason_without_condition_is_refused():
    with pytest.raises(ContractError, match=r"no condition for \['no_measurement'\]"):
        rules.rejections(with_condition("no_measurement", None))


def test_a_range_whose_reason_the_contract_does_not_list_is_refused():
    reasons = tuple(reason for reason in READINGS.reasons if reason.name != "speed_kmh_out_of_range")
    with pytest.raises(ContractError, match="speed_kmh_out_of_range"):
        rules.rejections(dataclasses.replace(READINGS, reasons=reasons))


def test_a_placeholder_for_what_the_column_does_not_say_is_refused():
    with pytest.raises(ContractError, match="column ts says no okValues"):
        rules.rejections(with_condition("no_measurement", "ts IN ({ts.okValues})"))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("speed > 1", r"uses \['speed'\]"),
        ("a % 7 = 1", "no Python"),
        ("ABS(a) = 1", "no Python"),
        ("a BETWEEN 1 AND 2", "no Python"),
        ("t LIKE 'x%'", "no Python"),
    ],
)
def test_a_condition_that_cannot_be_translated_is_refused(condition, message):
    with pytest.raises(ContractError, match=message):
        statements("bits", {"x": condition}, dict.fromkeys(COLUMNS, True))


def test_the_module_names_its_columns_by_unit():
    assert [python_reading.field(READINGS.column(name)) for name in ("ts", "received_at", "speed_kmh")] == [
        "ts_us",
        "received_us",
        "speed_kmh",
    ]


numbers = st.sampled_from(["a", "b", "0", "2", "-1"])
comparisons = st.builds("{} {} {}".format, numbers, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), numbers)
atoms = st.one_of(
    comparisons,
    st.sampled_from(["a IS NULL", "b IS NOT NULL", "a % 2 = 0", "b % 2 <> 0", "t IS NULL"]),
    st.sampled_from(["TRIM(t) = ''", "LENGTH(t) > 1", "t IN ('x', 'y')", "LOWER(TRIM(t)) NOT IN ('', 'x')"]),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map("NOT ({})".format),
        st.builds("({}) AND ({})".format, inner, inner),
        st.builds("({}) OR ({})".format, inner, inner),
    ),
    max_leaves=6,
)
values = [(a, b, t) for a in (None, -1, 0, 1, 2) for b in (None, 0, 2) for t in (None, "", "x", " X ", "y")]


@settings(max_examples=300)
@given(conditions)
def test_the_python_of_a_condition_is_true_where_sql_says_so(condition):
    lines = ["bits = 0"]
    for guard, found in statements("bits", {"x": condition}, dict.fromkeys(COLUMNS, True)).items():
        lines.append(f"if {' and '.join([f'{name} is not None' for name in sorted(guard)] or ['True'])}:")
        lines += [f"    {line}" for text in found for line in text.split("\n")]
    code = compile("\n".join(lines), condition, "exec")
    sqlite = sqlite3.connect(":memory:")
    for row in values:
        names = dict(zip(COLUMNS, row, strict=True))
        exec(code, names)  # noqa: S102
        (expected,) = sqlite.execute(
            f"SELECT ({condition}) IS TRUE FROM (SELECT ? AS a, ? AS b, ? AS t)", row
        ).fetchone()
        assert bool(names["bits"]) == bool(expected), row
