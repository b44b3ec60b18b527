"""The expectation suite on a curated batch, as plain values `{"type", "kwargs"}`, made from the contract.

It checks what curation promises: a row that breaks it should have been rejected, or should carry the flag that says so.
"""

from datetime import datetime
from typing import Any

from ingestion.contract import model
from ingestion.contract.rules import OUT_OF_RANGE_FLAG
from ingestion.timestamps import parse_timestamp

Expectation = dict[str, Any]


def curated_expectations() -> list[Expectation]:
    """Return the suite for a Spark frame of `curated.readings` (one row per sensor_id and ts)."""
    contract = model.load("readings")
    table = model.table("curated.readings")
    rules = [
        _no_row(
            f"({', '.join(table.key)}) is unique",
            # The built-in expectation sorts the batch; counting groups takes a fraction of that.
            f"SELECT {', '.join(table.key)}, count(*) AS readings FROM {{batch}} "  # noqa: S608
            f"GROUP BY {', '.join(table.key)} HAVING count(*) > 1",
        ),
        _rule(
            "every quality flag is one that the contract declares",
            f"exists(quality_flags, flag -> flag NOT IN ({_quoted(contract.flag_names)}))",
        ),
    ]
    for column in table.columns:
        if column.maximum_ahead_of_arrival_minutes is not None:
            minutes = column.maximum_ahead_of_arrival_minutes
            rules.append(
                _rule(
                    f"{column.name} is at most {minutes} minutes ahead of the arrival",
                    f"{column.name} > arrived_at + INTERVAL {minutes} MINUTES",
                )
            )
    return _table_expectations(table) + rules


def _table_expectations(table: model.Table) -> list[Expectation]:
    """Return what the columns of a table promise: their order, presence, ranges, lengths and values."""
    expectations = [
        _expectation("expect_table_columns_to_match_ordered_list", column_list=[c.name for c in table.columns])
    ]
    for column in table.columns:
        expectations += _column_expectations(column)
    return expectations


def _column_expectations(column: model.Column) -> list[Expectation]:
    found = []
    if column.required:
        found.append(_expectation("expect_column_values_to_not_be_null", column=column.name))
    limits = {"min_value": _limit(column.minimum), "max_value": _limit(column.maximum)}
    if column.exclusive_minimum is not None:
        limits |= {"min_value": column.exclusive_minimum, "strict_min": True}
    limits = {key: value for key, value in limits.items() if value is not None}
    if limits:
        # What is only informative is kept as sent when it is out of range, but then it has to say so.
        condition = (
            {"row_condition": f"NOT array_contains(quality_flags, '{OUT_OF_RANGE_FLAG}')", "condition_parser": "spark"}
            if column.on_violation == "flag"
            else {}
        )
        found.append(_expectation("expect_column_values_to_be_between", column=column.name, **limits, **condition))
    lengths = {"min_value": column.min_length, "max_value": column.max_length}
    lengths = {key: value for key, value in lengths.items() if value is not None}
    if lengths:
        found.append(_expectation("expect_column_value_lengths_to_be_between", column=column.name, **lengths))
    if column.enum:
        found.append(_expectation("expect_column_values_to_be_in_set", column=column.name, value_set=list(column.enum)))
    return found


def _expectation(kind: str, **kwargs: object) -> Expectation:
    return {"type": kind, "kwargs": kwargs}


def _rule(description: str, broken_where: str) -> Expectation:
    return _no_row(description, f"SELECT * FROM {{batch}} WHERE {broken_where}")  # noqa: S608 (made from the contract alone)


def _no_row(description: str, query: str) -> Expectation:
    return {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": query},
        "description": description,
    }


def _limit(value: float | str | None) -> float | datetime | None:
    if not isinstance(value, str):
        return value
    instant, _ = parse_timestamp(value)
    if instant is None:
        raise model.ContractError(f"{value!r} is no time to limit a column with")
    return instant.replace(tzinfo=None)


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)
