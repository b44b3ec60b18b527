"""The SQL of topic rules, against the examples and the words of the AWS IoT SQL reference."""

from typing import Any

import pytest

from infra.local.mqtt.rules import Message, ProjectionError, UnsupportedSqlError, compile_rule, compile_template

MESSAGE = Message("a/b/c", b'{"color":"red","nested":{"x":1},"nothing":null}', "client-1", "cert-1", 1_700_000_000_000)


def _projected(select: str, message: Message = MESSAGE) -> Any:
    return compile_rule("r", {"sql": f"SELECT {select} FROM 'a/#'"}).project(message)


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("color", {"color": "red"}),
        ("color AS my_color", {"my_color": "red"}),
        ("nested.x AS x, nested.y AS y, absent", {"x": 1}),
        ("nothing", {"nothing": None}),
        ("topic() AS whole, topic(1) AS first, topic(3) AS last", {"whole": "a/b/c", "first": "a", "last": "c"}),
        ("topic(4) AS beyond, topic(0) AS before", {}),
        ("timestamp() AS at", {"at": 1_700_000_000_000}),
        ("clientid() AS client, principal() AS certificate", {"client": "client-1", "certificate": "cert-1"}),
        ("{'inner': {'c': color, 'no': absent}} AS state", {"state": {"inner": {"c": "red"}}}),
        ("15 AS speed, 'slow' AS word", {"speed": 15, "word": "slow"}),
        ("isUndefined(absent) AS no, isUndefined(nothing) AS yes", {"no": True, "yes": False}),
    ],
)
def test_items_are_selected(select: str, expected: dict[str, Any]) -> None:
    assert _projected(select) == expected


def test_the_star_takes_everything_and_what_is_added_comes_after_it() -> None:
    assert list(_projected("*, topic(2) AS color, 1 AS one").items()) == [
        ("nested", {"x": 1}),
        ("nothing", None),
        ("color", "b"),
        ("one", 1),
    ]


@pytest.mark.parametrize("payload", [b"\xff\x00", b"no json"])
def test_bytes_pass_a_lone_star_and_are_encoded_but_have_nothing_to_add_to(payload: bytes) -> None:
    message = Message("a/b", payload)
    assert _projected("*", message) == payload
    assert set(_projected("encode(*, 'base64') AS data", message)) == {"data"}
    with pytest.raises(ProjectionError):
        _projected("*, timestamp() AS at", message)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("isUndefined(absent)", True),
        ("NOT isUndefined(absent)", False),
        ("isUndefined(color) OR isUndefined(absent)", True),
        ("isUndefined(color) AND isUndefined(absent)", False),
        ("NOT (isUndefined(color) AND isUndefined(absent))", True),
        # Not a boolean is undefined, its negation too, and a rule acts on true alone.
        ("color", False),
        ("NOT color", False),
        ("NOT absent", False),
        ("absent OR isUndefined(absent)", True),
        ("NOT (absent AND isUndefined(absent))", False),
    ],
)
def test_a_rule_acts_where_its_condition_is_true(condition: str, holds: bool) -> None:
    assert compile_rule("r", {"sql": f"SELECT * FROM 'a/#' WHERE {condition}"}).applies(MESSAGE) is holds


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM 'a' WHERE color = 'red'",
        "SELECT md5(color) FROM 'a'",
        "SELECT topic(1, 2) FROM 'a'",
        "SELECT encode(color, 'base64') FROM 'a'",
        "SELECT encode(*, 'hex') FROM 'a'",
        "SELECT a + 1 FROM 'a'",
        "SELECT (SELECT a FROM b) AS c FROM 'a'",
        "SELECT DISTINCT color FROM 'a'",
        "SELECT * FROM 'a' LIMIT 1",
        "SELECT *",
        "DELETE FROM 'a'",
        "SELECT FROM WHERE",
    ],
)
def test_sql_that_is_not_known_is_refused_rather_than_half_applied(sql: str) -> None:
    with pytest.raises(UnsupportedSqlError):
        compile_rule("r", {"sql": sql})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${topic(3)}", "c"),
        ("x/${topic(1)}-${color}.json", "x/a-red.json"),
        ("${timestamp()}", "1700000000000"),
        ("plain", "plain"),
        ("${absent}", ""),
        ("$$aws/${nested.x}", "$$aws/1"),
    ],
)
def test_templates_take_values_of_the_message(template: str, expected: str) -> None:
    assert compile_template(template)(MESSAGE) == expected
