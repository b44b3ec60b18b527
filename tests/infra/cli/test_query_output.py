"""Rows of a query as JSON hold what the engine answered."""

import json
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from infra.athena import as_json, ask


def test_numbers_keep_every_digit():
    values = [0.1 + 0.2, 1e-7 / 3, 12345678.000000001, 2.0**60]
    assert [row["x"] for row in json.loads(as_json(pd.DataFrame({"x": values})))] == values


def test_what_json_has_no_type_for_is_text_and_what_is_missing_is_null():
    rows = pd.DataFrame(
        {
            "day": [date(2012, 3, 1), None],
            "instant": pd.to_datetime(["2012-03-01 08:00:00.000001", None]),
            "moment": pd.to_datetime(["2012-03-01T08:00Z", None]),
            "count": pd.array([1, None], dtype="Int64"),
            "holds": pd.array([True, None], dtype="boolean"),
            "text": pd.array(["é", None], dtype="string"),
            "flags": [np.array(["a", "b"], dtype=object), None],
            "exact": [Decimal("1.10"), None],
            "speed": [1.5, float("nan")],
        }
    )
    assert json.loads(as_json(rows)) == [
        {
            "day": "2012-03-01",
            "instant": "2012-03-01T08:00:00.000001",
            "moment": "2012-03-01T08:00:00.000000Z",
            "count": 1,
            "holds": True,
            "text": "é",
            "flags": ["a", "b"],
            "exact": "1.10",
            "speed": 1.5,
        },
        dict.fromkeys(rows.columns),
    ]


def test_no_rows_are_an_empty_array():
    assert json.loads(as_json(pd.DataFrame({"x": []}))) == []


@pytest.mark.parametrize("sql", ["with a as (select 1 as x) select x from a", "(select 1 as x)", "select 1 as x"])
def test_a_query_may_begin_in_any_way(athena_endpoint, sql):
    assert ask(sql).rows.to_dict("records") == [{"x": 1}]


def test_a_type_that_pandas_has_none_for_gives_text(athena_endpoint):
    rows = ask("select null as nothing, 1.5 as figure").rows
    assert rows.to_dict("records") == [{"nothing": None, "figure": "1.5"}]


def test_a_table_is_described_column_by_column(athena_endpoint):
    rows = ask("describe raw.sensor_readings").rows
    columns = rows.set_index("col_name")["data_type"]
    assert (columns["sensor_id"], columns["vehicle_count"]) == ("string", "double")
