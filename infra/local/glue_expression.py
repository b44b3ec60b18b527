"""The filter language of GetPartitions: SQL conditions over partition keys, evaluated on a partition's values."""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp

Predicate = Callable[[Mapping[str, str]], bool]
Value = Callable[[Mapping[str, str]], Any]
COMPARISONS: dict[type[exp.Expression], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
WHOLE = ("tinyint", "smallint", "int", "integer", "bigint", "long")
FRACTIONS = ("decimal", "double", "float")


def predicate(expression: str, types: Mapping[str, str]) -> Predicate:
    """Return a function that says for a partition's values (by key) whether `expression` holds.

    `types` gives each key's Hive type.
    Raises ValueError for an expression that is not understood or that names no partition key; the function raises it
    for a value that is not of its key's type.
    """
    try:
        tree = sqlglot.parse_one(expression, dialect="trino")
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"Unsupported expression {expression!r}: {error}") from error
    for column in tree.find_all(exp.Column):
        if column.name.lower() not in types:
            raise ValueError(f"Column {column.name} is not a partition key")
    by_key = {name.lower(): kind.lower() for name, kind in types.items()}
    holds = _truth(tree, by_key)
    return lambda values: holds({key.lower(): value for key, value in values.items()})


def typed(text: str, kind: str) -> Any:  # noqa: ANN401 — of the key's own type
    """Return a partition value in the type that it compares in. Raises ValueError where it is not of that type."""
    if kind in WHOLE:
        return int(text)
    if kind.startswith(FRACTIONS):
        try:
            return Decimal(text)
        except ArithmeticError as error:
            raise ValueError(f"{text!r} is not a number") from error
    if kind == "date":
        return date.fromisoformat(text)
    if kind == "timestamp":
        return datetime.fromisoformat(text)
    return text


def _truth(node: exp.Expression, types: Mapping[str, str]) -> Predicate:
    if isinstance(node, exp.Paren):
        return _truth(node.this, types)
    if isinstance(node, exp.Boolean):
        return lambda _values: bool(node.this)
    if isinstance(node, exp.Not):
        inner = _truth(node.this, types)
        return lambda values: not inner(values)
    if isinstance(node, exp.And | exp.Or):
        sides = (_truth(node.left, types), _truth(node.right, types))
        join = all if isinstance(node, exp.And) else any
        return lambda values: join(side(values) for side in sides)
    return _condition(node, types)


def _condition(node: exp.Expression, types: Mapping[str, str]) -> Predicate:
    column = node.find(exp.Column)
    kind = types[column.name.lower()] if column else "bigint"

    def value(part: exp.Expression) -> Value:
        return _value(part, types, kind)

    if type(node) in COMPARISONS:
        compare, left, right = COMPARISONS[type(node)], value(node.left), value(node.right)
        return lambda values: compare(left(values), right(values))
    if isinstance(node, exp.In):
        found, members = value(node.this), [value(part) for part in node.expressions]
        return lambda values: found(values) in [member(values) for member in members]
    if isinstance(node, exp.Between):
        low, found, high = value(node.args["low"]), value(node.this), value(node.args["high"])
        return lambda values: low(values) <= found(values) <= high(values)
    if isinstance(node, exp.Like):
        found = value(node.this)
        pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in node.expression.this)
        return lambda values: re.fullmatch(pattern, str(found(values)), re.DOTALL) is not None
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        # Partition values are never null.
        return lambda _values: False
    raise ValueError(f"Unsupported expression {node.sql()!r}")


def _value(part: exp.Expression, types: Mapping[str, str], kind: str) -> Value:
    if isinstance(part, exp.Paren | exp.Cast | exp.Date):
        return _value(part.this, types, kind)
    if isinstance(part, exp.Column):
        name = part.name.lower()
        return lambda values: typed(values[name], types[name])
    negative = isinstance(part, exp.Neg)
    literal = part.this if negative else part
    if isinstance(literal, exp.Literal):
        constant = typed(("-" if negative else "") + literal.this, kind)
        return lambda _values: constant
    raise ValueError(f"Unsupported expression {part.sql()!r}")
