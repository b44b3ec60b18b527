"""Formulas of measures: one small language that SQL, the page and QuickSight are translated from.

A formula is a Python expression of numbers, `+ - * /`, brackets, `coalesce(result, other)`, which is the other result
where the first is unknown, and aggregates over the rows of a cell:
`sum(row)`, `min(row)`, `max(row)`, `count()` and `distinct(column)`, each with an optional `when=condition`.
A row expression is made of columns, numbers, `+ - * /` and `seconds_between(earlier, later)`. A condition compares two
row expressions or texts (`== != < <= > >=`), is a flag column, `known(column)`, or joins those by `and`, `or`, `not`.
What is unknown (NULL) makes a row expression unknown; aggregates leave out unknown rows, and are unknown without rows;
a division by zero is unknown.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

AGGREGATES = ("sum", "min", "max", "count", "distinct")
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARISONS = {ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


class FormulaError(ValueError):
    """A formula that is not of the language; the message names the part."""


@dataclass(frozen=True)
class Aggregate:
    """One aggregate of a formula: `row` is None for count(), `condition` where there is no `when`."""

    function: str
    row: ast.expr | None
    condition: ast.expr | None


def parse(formula: str) -> ast.expr:
    """Return the syntax tree of a measure's formula.

    Raises FormulaError where it is not of the language, or holds no aggregate.
    """
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except SyntaxError as error:
        raise FormulaError(f"{formula!r} is no expression: {error.msg}") from error
    _check_result(tree)
    if not list(aggregates(tree)):
        raise FormulaError(f"{formula!r} aggregates nothing")
    return tree


def aggregates(tree: ast.expr) -> Iterator[Aggregate]:
    """Yield the aggregates of a formula, in order of appearance."""
    if isinstance(tree, ast.BinOp):
        yield from aggregates(tree.left)
        yield from aggregates(tree.right)
    elif is_coalesce(tree):
        for result in results(tree):
            yield from aggregates(result)
    elif isinstance(tree, ast.Call):
        yield aggregate(tree)


def is_coalesce(tree: ast.expr) -> bool:
    """Tell whether a part of a formula is one result, or another where that is unknown."""
    return isinstance(tree, ast.Call) and tree.func.id == "coalesce"  # type: ignore[attr-defined]


def results(tree: ast.expr) -> list[ast.expr]:
    """Return both results of a coalesce."""
    return tree.args  # type: ignore[attr-defined]


def aggregate(call: ast.Call) -> Aggregate:
    """Return the parts of a call of an aggregate."""
    condition = call.keywords[0].value if call.keywords else None
    return Aggregate(call.func.id, call.args[0] if call.args else None, condition)  # type: ignore[attr-defined]


def columns(tree: ast.expr) -> set[str]:
    """Return the columns that a formula reads."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions}


def distinct_columns(tree: ast.expr) -> set[str]:
    """Return the columns whose distinct values a formula counts."""
    return {part.row.id for part in aggregates(tree) if part.function == "distinct"}  # type: ignore[union-attr]


def summed_column(tree: ast.expr) -> str | None:
    """Return the column of which a formula is the plain sum, or None where it is anything else."""
    match tree:
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=column)], keywords=[]):
            return column
    return None


def to_sql(tree: ast.expr) -> str:
    """Return a whole formula as SQL of Athena (and DuckDB)."""
    if isinstance(tree, ast.BinOp):
        return _operation(tree, to_sql(tree.left), to_sql(tree.right))
    if is_coalesce(tree):
        return f"coalesce({', '.join(map(to_sql, results(tree)))})"
    if isinstance(tree, ast.Call):
        return aggregate_sql(aggregate(tree))
    return _literal(tree)


def aggregate_sql(part: Aggregate) -> str:
    """Return one aggregate as SQL; sums and counts are doubles, so that no division is one of integers."""
    inner = "1" if part.row is None else row_sql(part.row)
    if part.condition is not None:
        inner = f"case when {condition_sql(part.condition)} then {inner} end"
    if part.function == "distinct":
        return f"cast(count(distinct {inner}) as double)"
    if part.function in ("min", "max"):
        return f"{part.function}({inner})"
    function = "count" if part.function == "count" else "sum"
    return f"cast({function}({inner}) as double)"


def row_sql(tree: ast.expr) -> str:
    """Return a row expression as SQL."""
    if isinstance(tree, ast.BinOp):
        return _operation(tree, row_sql(tree.left), row_sql(tree.right))
    if isinstance(tree, ast.Call):
        earlier, later = (row_sql(argument) for argument in tree.args)
        return f"date_diff('second', {earlier}, {later})"
    return tree.id if isinstance(tree, ast.Name) else _literal(tree)


def condition_sql(tree: ast.expr) -> str:
    """Return a condition as SQL."""
    if isinstance(tree, ast.BoolOp):
        word = " and " if isinstance(tree.op, ast.And) else " or "
        return "(" + word.join(condition_sql(value) for value in tree.values) + ")"
    if isinstance(tree, ast.UnaryOp):
        return f"not {condition_sql(tree.operand)}"
    if isinstance(tree, ast.Compare):
        sign = COMPARISONS[type(tree.ops[0])]
        return f"{row_sql(tree.left)} {sign} {row_sql(tree.comparators[0])}"
    if isinstance(tree, ast.Call):
        return f"{row_sql(tree.args[0])} is not null"
    return row_sql(tree)


def _operation(tree: ast.BinOp, left: str, right: str) -> str:
    sign = OPERATORS[type(tree.op)]
    if sign == "/":
        return f"(cast({left} as double) / nullif({right}, 0))"
    return f"({left} {sign} {right})"


def _literal(tree: ast.expr) -> str:
    value = tree.value  # type: ignore[attr-defined]
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _check_result(tree: ast.expr) -> None:
    match tree:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            _check_result(left)
            _check_result(right)
        case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
            pass
        case ast.Call(func=ast.Name(id="coalesce"), args=[first, second], keywords=[]):
            _check_result(first)
            _check_result(second)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in AGGREGATES:
            _check_aggregate(tree, name, args, keywords)
        case _:
            known = f"no number, no coalesce of two results and no aggregate ({', '.join(AGGREGATES)})"
            raise FormulaError(f"{ast.unparse(tree)!r} is {known}")


def _check_aggregate(tree: ast.Call, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> None:
    text = ast.unparse(tree)
    if len(args) != (0 if name == "count" else 1):
        raise FormulaError(f"{text!r}: count takes no row expression, the others take one")
    if [keyword.arg for keyword in keywords] not in ([], ["when"]):
        raise FormulaError(f"{text!r}: the only option of an aggregate is when=")
    if name == "distinct" and not isinstance(args[0], ast.Name):
        raise FormulaError(f"{text!r}: distinct takes a column")
    for argument in args:
        _check_row(argument)
    for keyword in keywords:
        _check_condition(keyword.value)


def _check_row(tree: ast.expr, *, text: bool = False) -> None:
    match tree:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            _check_row(left)
            _check_row(right)
        case ast.Name():
            pass
        case ast.Constant(value=str()) if text:
            pass
        case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
            pass
        case ast.Call(func=ast.Name(id="seconds_between"), args=[ast.Name(), ast.Name()], keywords=[]):
            pass
        case _:
            raise FormulaError(f"{ast.unparse(tree)!r} is no row expression")


def _check_condition(tree: ast.expr) -> None:
    match tree:
        case ast.BoolOp(values=values):
            for value in values:
                _check_condition(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check_condition(operand)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            _check_row(left, text=True)
            _check_row(right, text=True)
        case ast.Name():
            pass
        case ast.Call(func=ast.Name(id="known"), args=[ast.Name()], keywords=[]):
            pass
        case _:
            raise FormulaError(f"{ast.unparse(tree)!r} is no condition")
