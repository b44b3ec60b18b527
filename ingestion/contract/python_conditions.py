"""The contract's SQL conditions as Python: straight-line code that sets a bit where a condition is true.

SQL has three values and Python two, so each condition is translated twice, as "it is true" and as "it is false";
null is neither. A comparison is true only where no column in it is null: those columns are its guard, and conditions
with the same guard share one `if`. Numbers are finite here, since JSON has no other; instants are integers of
microseconds since 1970. sqlglot is needed to make this code, not to run it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlglot import exp, parse_one

from ingestion.contract.model import ContractError

Guard = frozenset[str]

_COMPARISONS = {exp.EQ: "==", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_US_PER = {"SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000}
_FREE: Guard = frozenset()


def statements(target: str, conditions: Mapping[str, str], nullable: Mapping[str, bool]) -> dict[Guard, list[str]]:
    """Return, by guard, the lines that set bit i of `target` where condition i is true.

    `nullable` says of each name that a condition may use whether it can be None; lines of a guard count on its
    columns not to be. Raises ContractError for other names, and for SQL that this module does not translate.
    """
    never = frozenset(name for name, can_be_none in nullable.items() if not can_be_none)
    lines: dict[Guard, list[str]] = {}
    for bit, (name, sql) in enumerate(conditions.items()):
        condition = parse_one(sql, read="spark")
        unknown = _columns(condition) - nullable.keys()
        if unknown:
            raise ContractError(f"the condition of {name} uses {sorted(unknown)}, which no reading has")
        by_guard: dict[Guard, list[str]] = {}
        for alternative in _alternatives(condition):
            guard = _needed(alternative, True)
            by_guard.setdefault(guard - never, []).append(_holds(alternative, True, guard | never))
        for guard, tests in by_guard.items():
            lines.setdefault(guard, []).append(f"if {' or '.join(tests)}:\n    {target} |= {1 << bit}  # {name}")
    return lines


def _alternatives(node: exp.Expression) -> list[exp.Expression]:
    """Take an OR apart: it is true where one of its parts is, whatever the others are."""
    node = node.unnest()
    return [*_alternatives(node.left), *_alternatives(node.right)] if isinstance(node, exp.Or) else [node]


def _columns(node: exp.Expression) -> Guard:
    return frozenset(column.name for column in node.find_all(exp.Column))


def _needed(node: exp.Expression, outcome: bool) -> Guard:
    """Return the columns that are certainly not null where a condition has this outcome."""
    node = node.unnest()
    if isinstance(node, exp.Not):
        return _needed(node.this, not outcome)
    if isinstance(node, exp.And | exp.Or):
        left, right = _needed(node.left, outcome), _needed(node.right, outcome)
        return left | right if isinstance(node, exp.And) == outcome else left & right
    if isinstance(node, exp.Is):
        return _FREE if outcome else _columns(node)
    return _columns(node)


def _holds(node: exp.Expression, outcome: bool, guard: Guard) -> str:
    """Return Python that is true exactly where the condition has this outcome, given that `guard` is not None."""
    node = node.unnest()
    if isinstance(node, exp.Not):
        return _holds(node.this, not outcome, guard)
    if isinstance(node, exp.And | exp.Or):
        word = "and" if isinstance(node, exp.And) == outcome else "or"
        return f" {word} ".join(_part(each, outcome, guard) for each in (node.left, node.right))
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null) and isinstance(node.this, exp.Column):
        return f"{node.this.name} is {'' if outcome else 'not '}None"
    test = _test(node, outcome)
    checks = [f"{column} is not None" for column in sorted(_columns(node) - guard)]
    return " and ".join([*checks, test])


def _part(node: exp.Expression, outcome: bool, guard: Guard) -> str:
    code = _holds(node, outcome, guard)
    return f"({code})" if " and " in code or " or " in code else code


def _test(node: exp.Expression, outcome: bool) -> str:
    if type(node) in _COMPARISONS:
        sign = _COMPARISONS[type(node)]
        sign = sign if outcome else _NEGATED[sign]
        left, right = node.left.unnest(), node.right.unnest()
        if isinstance(left, exp.Mod):
            # Python's remainder has the sign of the divisor, SQL's that of the dividend: only to be none is the same.
            if sign not in ("==", "!=") or _value(right) != "0":
                raise _untranslated(node)
            return f"{_value(left.left)} % {_value(left.right)} {sign} 0"
        return f"{_value(left)} {sign} {_value(right)}"
    if isinstance(node, exp.In) and node.expressions:
        return _membership(node, "in" if outcome else "not in")
    if isinstance(node, exp.Column):
        return node.name if outcome else f"not {node.name}"
    raise _untranslated(node)


def _membership(node: exp.In, word: str) -> str:
    texts = [each.this for each in node.expressions if each.is_string]
    if len(texts) != len(node.expressions):
        raise _untranslated(node)
    listed = f"{{{', '.join(map(json.dumps, texts))}}}"
    test = f"{_value(node.this)} {word} {listed}"
    column = node.find(exp.Column)
    if isinstance(node.this, exp.Column) or column is None or any(text != text.strip(" ").lower() for text in texts):
        return test
    # What is listed stays itself when it is trimmed and lowered, so most values need neither.
    return f"({column.name} {word} {listed} {'or' if word == 'in' else 'and'} {test})"


def _value(node: exp.Expression) -> str:  # noqa: PLR0911
    """Return the Python of a value that is null only where one of its columns is."""
    node = node.unnest()
    match node:
        case exp.Column():
            return node.name
        case exp.Literal():
            return json.dumps(node.this) if node.is_string else node.this
        case exp.Neg():
            return f"-{_value(node.this)}"
        case exp.Add():
            return f"{_value(node.left)} + {_value(node.right)}"
        case exp.Lower():
            return f"{_value(node.this)}.lower()"
        case exp.Trim() if len(node.args) == 1 or not node.expression:
            return f'{_value(node.this)}.strip(" ")'  # SQL trims spaces alone
        case exp.Length():
            return f"len({_value(node.this)})"
        case exp.Interval() if node.unit.name.rstrip("S") in _US_PER:
            return str(int(node.this.this) * _US_PER[node.unit.name.rstrip("S")])
        case exp.Cast() if node.to.this == exp.DataType.Type.TIMESTAMPNTZ:
            moment = datetime.fromisoformat(node.this.this).replace(tzinfo=UTC)
            return str(round(moment.timestamp()) * _US_PER["SECOND"])
    raise _untranslated(node)


def _untranslated(node: exp.Expression) -> ContractError:
    return ContractError(f"no Python is made of {node.sql(dialect='spark')!r} ({type(node).__name__})")
