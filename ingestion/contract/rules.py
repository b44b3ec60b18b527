"""The contract's rules on one reading as SQL: why it is refused and which flags it carries.

Spark evaluates these conditions as they are; `rules_python` makes Python of them for where there is no Spark.
"""

import re

from ingestion.contract.model import Column, Contract, ContractError, stated

KMH_PER_MPH = 1.609344
# What a condition may use besides the contract's columns; readings.yaml says what each is.
BESIDE = ("ts_sent", "ts_zoned", "speed_sent", "arrived_at")
# The reason that no condition gives: landing itself did.
ON_LANDING = "conversion_error"
# The flag of every column whose value is only informative, and therefore kept when it is out of range.
OUT_OF_RANGE_FLAG = "reported_value_out_of_range"

_PLACEHOLDER = re.compile(r"\{(\w+)\.(\w+)\}")


def rejections(contract: Contract) -> dict[str, str]:
    """Return the condition of each reason to refuse a landed reading, in the contract's order.

    Raises ContractError for a reason that has neither a condition nor a column's range.
    """
    ranges = {
        f"{column.name}_out_of_range": outside(column)
        for column in contract.columns
        if column.on_violation == "reject" and not column.enum
    }
    written = {reason.name: reason.condition for reason in contract.reasons if reason.name != ON_LANDING}
    return _complete(contract, written, ranges)


def sample_flags(contract: Contract) -> dict[str, str]:
    """Return the condition of each flag that follows from the reading alone, in the contract's order.

    Raises ContractError for a flag that has no condition.
    """
    informative = [outside(column) for column in contract.columns if column.on_violation == "flag"]
    written = {flag.name: flag.condition for flag in contract.flags if flag.scope == "sample"}
    return _complete(contract, written, {OUT_OF_RANGE_FLAG: " OR ".join(informative)})


def outside(column: Column) -> str:
    """Return the condition that a value lies outside its column's range."""
    bounds = {"<": column.minimum, ">": column.maximum, "<=": column.exclusive_minimum}
    return " OR ".join(f"{column.name} {sign} {bound}" for sign, bound in bounds.items() if bound is not None)


def _complete(contract: Contract, written: dict[str, str | None], ranges: dict[str, str]) -> dict[str, str]:
    """Return every name's condition: the written one with its placeholders filled in, or that of the range."""
    without = [name for name, condition in written.items() if not condition and not ranges.get(name)]
    if without or ranges.keys() - written.keys():
        raise ContractError(f"no condition for {without}, no name for {sorted(ranges.keys() - written.keys())}")
    return {
        name: _PLACEHOLDER.sub(lambda match: _literal(contract.column(match[1]), match[2]), condition)
        if condition
        else ranges[name]
        for name, condition in written.items()
    }


def _literal(column: Column, name: str) -> str:
    """Return what the contract says of a column as SQL: a number, a time, or a list of texts."""
    value = stated(column, name)
    if isinstance(value, tuple):
        return ", ".join(f"'{text}'" for text in value)
    if column.physical_type == "timestamp" and isinstance(value, str):
        return f"TIMESTAMP_NTZ '{value.removesuffix('Z')}'"
    return str(value)
