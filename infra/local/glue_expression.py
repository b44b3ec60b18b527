"""The filter language of GetPartitions: SQL conditions over partition keys, evaluated on a partition's values.

Three-valued, so that a filter can be tried before all keys are known: None means "cannot be told yet".
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp

Truth = bool | None
Predicate = Callable[[Mapping[str, str]], Truth]
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

    `types` gives each key's Hive type. The function returns None where a value that decides is not given.
    Raises ValueError for an expression that is not understood or that names no partition key.
    """
    try:
        tree = sqlglot.parse_one(expression, dialect="trino")
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"Unsupported expression {expression!r}: {error}") from error
    for column in tree.find_all(exp.Column):
        if column.name.lower() not in types:
            raise ValueError(f"Column {column.name} is not a partition key")
    by_key = {name.lower(): kind.lower() for name, kind in types.items()}
    _truth(tree, {}, by_key)  # an expression that cannot be read is refused here, not at the first partition
    return lambda values: _truth(tree, {key.lower(): value for key, value in values.items()}, by_key)


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


def _truth(node: exp.Expression, values: Mapping[str, str], types: Mapping[str, str]) -> Truth:
    if isinstance(node, exp.Paren):
        return _truth(node.this, values, types)
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Not):
        inner = _truth(node.this, values, types)
        return None if inner is None else not inner
    if isinstance(node, exp.And | exp.Or):
        return _joined(node, _truth(node.left, values, types), _truth(node.right, values, types))
    return _condition(node, values, types)


def _joined(node: exp.Expression, left: Truth, right: Truth) -> Truth:
    decisive = isinstance(node, exp.Or)
    if decisive in (left, right):
        return decisive
    return None if None in (left, right) else not decisive


def _condition(node: exp.Expression, values: Mapping[str, str], types: Mapping[str, str]) -> Truth:
    column = node.find(exp.Column)
    kind = types[column.name.lower()] if column else "bigint"

    def value(part: exp.Expression) -> Any:  # noqa: ANN401
        return _value(part, values, types, kind)

    if type(node) in COMPARISONS:
        left, right = value(node.left), value(node.right)
        return None if None in (left, right) else COMPARISONS[type(node)](left, right)
    if isinstance(node, exp.In):
        tried = [value(part) for part in node.expressions]
        found = value(node.this)
        return None if found is None else found in tried
    if isinstance(node, exp.Between):
        low, found, high = value(node.args["low"]), value(node.this), value(node.args["high"])
        return None if found is None else low <= found <= high
    if isinstance(node, exp.Like):
        found = value(node.this)
        pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in node.expression.this)
        return None if found is None else re.fullmatch(pattern, str(found), re.DOTALL) is not None
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        # Partition values are never null.
        return False
    raise ValueError(f"Unsupported expression {node.sql()!r}")


def _value(part: exp.Expression, values: Mapping[str, str], types: Mapping[str, str], kind: str) -> Any:  # noqa: ANN401
    if isinstance(part, exp.Paren):
        return _value(part.this, values, types, kind)
    if isinstance(part, exp.Column):
        name = part.name.lower()
        return typed(values[name], types[name]) if name in values else None
    if isinstance(part, exp.Cast | exp.Date):
        return _value(part.this, values, types, kind)
    negative = isinstance(part, exp.Neg)
    literal = part.this if negative else part
    if isinstance(literal, exp.Literal):
        return typed(("-" if negative else "") + literal.this, kind)
    raise ValueError(f"Unsupported expression {part.sql()!r}")
