"""The SQL of topic rules: what AWS documents of it as far as rules here need it, evaluated on one message at a time.

A statement is parsed once (`compile_rule`) into plain functions of a message. What is not supported is refused with the
statement in the error: a rule is never half applied.
"""

import base64
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import orjson
import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

# Not a value ("Data types", AWS IoT SQL reference): what an absent name or a function out of its range yields.
UNDEFINED = object()


class _RuleSql(DuckDB):
    """A dialect that takes a string after FROM and objects as values, as rules do, without functions of its own."""

    class Parser(DuckDB.Parser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {}


class UnsupportedSqlError(ValueError):
    """A statement or template uses what this engine does not know."""


class ProjectionError(ValueError):
    """A message has no attributes that a SELECT clause with `*` and more could add to."""


@dataclass(frozen=True)
class Message:
    """What a device published, or the broker did."""

    topic: str
    payload: bytes
    client_id: str = "n/a"
    principal: str = ""
    received_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    @cached_property
    def document(self) -> Any:  # noqa: ANN401 — any JSON value
        """Return the payload as JSON, or UNDEFINED where it is none."""
        try:
            return orjson.loads(self.payload)
        except orjson.JSONDecodeError:
            return UNDEFINED


Expression = Callable[[Message], Any]


@dataclass(frozen=True)
class Rule:
    """A topic rule, ready to be evaluated: `project` returns what the actions get, bytes as they were sent or JSON."""

    name: str
    topic_filter: str
    applies: Callable[[Message], bool]
    project: Expression
    actions: tuple[dict[str, Any], ...]
    error_action: dict[str, Any] | None


def compile_rule(name: str, payload: dict[str, Any]) -> Rule:
    """Return a rule of the control plane (GetTopicRule). Raises UnsupportedSqlError."""
    sql = payload["sql"]
    statement = _parse(sql)
    known = {"kind", "expressions", "from_", "where"}
    source = statement.args.get("from_")
    if not isinstance(statement, exp.Select) or any(statement.args[key] for key in statement.args.keys() - known):
        raise UnsupportedSqlError(f"more than SELECT, FROM and WHERE is not supported: {sql}")
    if source is None or not isinstance(source.this, exp.Table):
        raise UnsupportedSqlError(f"a rule needs one topic filter after FROM: {sql}")
    where = statement.args.get("where")
    condition = _compile(where.this) if where else None
    return Rule(
        name,
        source.this.name,
        (lambda message: condition(message) is True) if condition else (lambda _message: True),
        _projection(statement.expressions),
        tuple(payload.get("actions", ())),
        payload.get("errorAction"),
    )


def compile_template(text: str) -> Callable[[Message], str]:
    """Return a function that puts values into a substitution template such as `${topic(3)}`; undefined is empty.

    Raises UnsupportedSqlError.
    """
    parts = re.split(r"\$\{([^{}]*)\}", text)
    expressions = [_compile(_parse(part)) for part in parts[1::2]]
    texts = parts[::2]

    def substitute(message: Message) -> str:
        values = [_as_text(expression(message)) for expression in expressions]
        return texts[0] + "".join(value + after for value, after in zip(values, texts[1:], strict=True))

    return substitute


def _parse(text: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(text, dialect=_RuleSql)
    except sqlglot.errors.SqlglotError as error:
        raise UnsupportedSqlError(f"{text}: {error}") from error


def _as_text(value: Any) -> str:  # noqa: ANN401 — any JSON value
    if value is UNDEFINED or value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _projection(items: list[exp.Expr]) -> Expression:
    if len(items) == 1 and isinstance(items[0], exp.Star):
        return lambda message: message.payload if message.document is UNDEFINED else message.document
    whole = any(isinstance(item, exp.Star) for item in items)
    named = [(item.alias_or_name, _compile(item.unalias())) for item in items if not isinstance(item, exp.Star)]

    def project(message: Message) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if whole:
            if not isinstance(message.document, dict):
                raise ProjectionError("the payload is no JSON object that attributes could be added to")
            result = dict(message.document)
        for name, expression in named:
            # Removed first: what the rule adds comes after what was sent, also under a name that was sent.
            result.pop(name, None)
            if (value := expression(message)) is not UNDEFINED:
                result[name] = value
        return result

    return project


def _compile(node: exp.Expr) -> Expression:
    if compile_node := _NODES.get(type(node)):
        return compile_node(node)
    raise UnsupportedSqlError(f"not supported in the SQL of a rule: {node.sql(dialect='duckdb')}")


def _literal(node: exp.Expr) -> Expression:
    value = node.to_py()
    return lambda _message: value


def _attribute(node: exp.Expr) -> Expression:
    path = [part.name for part in node.parts]

    def read(message: Message) -> Any:  # noqa: ANN401 — any JSON value
        value = message.document
        for name in path:
            value = value.get(name, UNDEFINED) if isinstance(value, dict) else UNDEFINED
        return value

    return read


def _object(node: exp.Expr) -> Expression:
    members = [(member.name, _compile(member.expression)) for member in node.expressions]

    def build(message: Message) -> dict[str, Any]:
        values = [(name, member(message)) for name, member in members]
        return {name: value for name, value in values if value is not UNDEFINED}

    return build


def _negation(node: exp.Expr) -> Expression:
    operand = _compile(node.this)

    def negate(message: Message) -> Any:  # noqa: ANN401 — a boolean or UNDEFINED
        value = operand(message)
        return not value if isinstance(value, bool) else UNDEFINED

    return negate


def _connective(node: exp.Expr) -> Expression:
    operands, decisive = [_compile(part) for part in node.flatten()], isinstance(node, exp.Or)

    def connect(message: Message) -> Any:  # noqa: ANN401 — a boolean or UNDEFINED
        values = [operand(message) for operand in operands]
        if any(value is decisive for value in values):
            return decisive
        return not decisive if all(value is not decisive and value is not UNDEFINED for value in values) else UNDEFINED

    return connect


def _function(node: exp.Expr) -> Expression:
    name, arguments = node.name.lower(), node.expressions
    make = _FUNCTIONS.get((name, len(arguments)))
    if make is None:
        raise UnsupportedSqlError(f"the function {name} with {len(arguments)} arguments is not supported")
    return make(*arguments)


_NODES: dict[type[exp.Expr], Callable[[exp.Expr], Expression]] = {
    exp.Literal: _literal,
    exp.Column: _attribute,
    exp.Struct: _object,
    exp.Paren: lambda node: _compile(node.this),
    exp.Not: _negation,
    exp.And: _connective,
    exp.Or: _connective,
    exp.Anonymous: _function,
}


def _topic_level(number: exp.Expr) -> Expression:
    place = int(number.name)

    def level(message: Message) -> Any:  # noqa: ANN401 — text or UNDEFINED
        levels = message.topic.split("/")
        return levels[place - 1] if 1 <= place <= len(levels) else UNDEFINED

    return level


def _is_undefined(operand: exp.Expr) -> Expression:
    value = _compile(operand)
    return lambda message: value(message) is UNDEFINED


def _encode(source: exp.Expr, encoding: exp.Expr) -> Expression:
    if not isinstance(source, exp.Star) or encoding.name != "base64":
        raise UnsupportedSqlError("of encode, only encode(*, 'base64') is supported")
    return lambda message: base64.b64encode(message.payload).decode()


_FUNCTIONS: dict[tuple[str, int], Callable[..., Expression]] = {
    ("topic", 0): lambda: lambda message: message.topic,
    ("topic", 1): _topic_level,
    ("timestamp", 0): lambda: lambda message: message.received_ms,
    ("clientid", 0): lambda: lambda message: message.client_id,
    ("principal", 0): lambda: lambda message: message.principal,
    ("newuuid", 0): lambda: lambda _message: str(uuid.uuid4()),
    ("isundefined", 1): _is_undefined,
    ("encode", 2): _encode,
}
