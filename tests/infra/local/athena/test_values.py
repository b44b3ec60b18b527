"""Values in results read as Athena writes them."""

import pytest

from infra.local.athena.results import csv_line, read_rows, write_lines
from infra.local.athena.values import formatter, java_double


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1.0"),
        (-0.0, "-0.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9999999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (12345678.9, "1.23456789E7"),
        (1.5e300, "1.5E300"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ],
)
def test_doubles_are_written_as_java_does(number: float, text: str):
    assert java_double(number) == text


def _type(raw: str, *arguments: dict) -> dict:
    return {"rawType": raw, "arguments": [{"kind": "TYPE", "value": argument} for argument in arguments]}


def test_nested_values():
    row = {
        "rawType": "row",
        "arguments": [
            {"value": {"fieldName": {"name": "a"}, "typeSignature": _type("double")}},
            {"value": {"fieldName": None, "typeSignature": _type("array", _type("varchar"))}},
        ],
    }
    assert formatter(row)([1, ["x", None]]) == "{a=1.0, field1=[x, null]}"
    assert formatter(_type("map", _type("varchar"), _type("boolean")))({"k": True}) == "{k=true}"
    assert formatter(row)(None) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2020-01-01 00:00:00", "2020-01-01 00:00:00.000"),
        ("2020-01-01 00:00:00.1 UTC", "2020-01-01 00:00:00.100 UTC"),
        ("2020-01-01 00:00:00.123456", "2020-01-01 00:00:00.123456"),
    ],
)
def test_times_have_at_least_milliseconds(value: str, text: str):
    assert formatter({"rawType": "timestamp"})(value) == text


def test_bytes_are_written_in_hex():
    assert formatter({"rawType": "varbinary"})("AGX/") == "00 65 ff"


def test_null_and_empty_text_differ_in_csv():
    assert csv_line(["a", None, "", 'say "x"']) == b'"a",,"","say ""x"""\n'


def test_pages_follow_each_other(tmp_path):
    write_lines(tmp_path / "rows", ["a", "b", "c"])
    first, token = read_rows(tmp_path / "rows", None, 2)
    rest, end = read_rows(tmp_path / "rows", token, 2)
    assert (first, rest, end) == ([["a"], ["b"]], [["c"]], None)
    assert read_rows(tmp_path / "rows", None, 3)[1] is None
