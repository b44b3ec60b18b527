"""Formulas of measures in the language of QuickSight's calculated fields.

Facts from the QuickSight user guide ("Functions and operators"): `sumIf` and its like take a field and no expression,
so that a condition is an `ifelse` inside of `sum`; `dateDiff(a, b, 'SS')` is positive where b is later, booleans of
Athena become integers ("Supported data types and values"). Division is made one of decimals, and unknown where the
divisor is 0, by ourselves.
"""

import ast
from collections.abc import Callable

from dashboards import formula

_AGGREGATES = {"sum": "sum", "min": "min", "max": "max", "count": "count", "distinct": "distinct_count"}
_OVER = {"sum": "sumOver", "min": "minOver", "max": "maxOver", "count": "countOver", "distinct": "distinctCountOver"}
_WORDS = {ast.And: " AND ", ast.Or: " OR "}


def aggregated(tree: ast.expr, *, counted: str, only_where: str = "") -> str:
    """Return a formula over the rows of a cell. `counted` is a column that no row lacks, which count() counts.

    `only_where` is a condition in QuickSight's language on rows of all of its aggregates.
    """

    def aggregate(part: formula.Aggregate) -> str:
        return f"{_AGGREGATES[part.function]}({_counted_value(part, counted, only_where)})"

    return _formula(tree, aggregate)


def over(tree: ast.expr, partition: list[str], *, counted: str) -> str:
    """Return a formula as a value of each row: that of the row's cell, which the columns of `partition` make.

    Such a value can be a dimension, which an aggregate cannot. It is computed after the filters (PRE_AGG).
    """
    cell = ", ".join(f"{{{column}}}" for column in partition)

    def aggregate(part: formula.Aggregate) -> str:
        return f"{_OVER[part.function]}({_counted_value(part, counted, '')}, [{cell}], PRE_AGG)"

    return _formula(tree, aggregate)


def of_one_row(tree: ast.expr) -> str:
    """Return a formula where a cell is a single row: each aggregate is then its row's own value."""

    def aggregate(part: formula.Aggregate) -> str:
        counts = part.function in ("count", "distinct")
        value = "1" if counts else _row(part.row)  # type: ignore[arg-type]
        if part.condition is None:
            return value
        return f"ifelse({_condition(part.condition)}, {value}, {'0' if counts else 'NULL'})"

    return _formula(tree, aggregate)


def _counted_value(part: formula.Aggregate, counted: str, only_where: str) -> str:
    """Return what a row adds to an aggregate, unknown where the row is none of it."""
    value = f"{{{counted}}}" if part.row is None else _row(part.row)
    own = "" if part.condition is None else _condition(part.condition)
    conditions = " AND ".join(filter(None, (own, only_where)))
    return f"ifelse({conditions}, {value}, NULL)" if conditions else value


def _formula(tree: ast.expr, aggregate: Callable[[formula.Aggregate], str]) -> str:
    if isinstance(tree, ast.BinOp):
        return _operation(tree, _formula(tree.left, aggregate), _formula(tree.right, aggregate))
    if formula.is_coalesce(tree):
        first, second = (_formula(result, aggregate) for result in formula.results(tree))
        return f"coalesce({first}, {second})"
    if isinstance(tree, ast.Call):
        return aggregate(formula.aggregate(tree))
    return _literal(tree)


def _row(tree: ast.expr) -> str:
    if isinstance(tree, ast.BinOp):
        return _operation(tree, _row(tree.left), _row(tree.right))
    if isinstance(tree, ast.Call):
        earlier, later = map(_row, tree.args)
        return f"dateDiff({earlier}, {later}, 'SS')"
    return f"{{{tree.id}}}" if isinstance(tree, ast.Name) else _literal(tree)


def _condition(tree: ast.expr) -> str:
    match tree:
        case ast.BoolOp(op=op, values=values):
            return "(" + _WORDS[type(op)].join(map(_condition, values)) + ")"
        case ast.UnaryOp(operand=operand):
            return f"NOT({_condition(operand)})"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"{_row(left)} {formula.COMPARISONS[type(op)]} {_row(right)}"
        case ast.Call(args=[column]):
            return f"isNotNull({_row(column)})"
    return f"{_row(tree)} = 1"


def _operation(tree: ast.BinOp, left: str, right: str) -> str:
    sign = formula.OPERATORS[type(tree.op)]
    if sign == "/":
        never_zero = isinstance(tree.right, ast.Constant) and tree.right.value
        return f"(1.0 * {left} / {right if never_zero else f'nullIf({right}, 0)'})"
    return f"({left} {sign} {right})"


def _literal(tree: ast.expr) -> str:
    value = tree.value  # type: ignore[attr-defined]
    return f"'{value}'" if isinstance(value, str) else repr(value)
