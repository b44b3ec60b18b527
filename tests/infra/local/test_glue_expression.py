"""The filter language of GetPartitions."""

import pytest

from infra.local.glue_expression import predicate

TYPES = {"dt": "date", "hour": "int", "city": "string", "d": "decimal(4,1)"}
VALUES = {"dt": "2026-03-01", "hour": "09", "city": "O'Fallon", "d": "1.5"}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("dt = '2026-03-01'", True),
        ("dt = DATE '2026-03-01'", True),
        ("dt > '2026-02-28' AND dt < '2026-03-02'", True),
        ("hour = 9", True),
        ("hour < 10", True),
        ("hour < '10'", True),
        ("10 > hour", True),
        ("hour != 9", False),
        ("hour <> 9", False),
        ("HOUR IN (8, 9)", True),
        ("hour NOT IN (8, 9)", False),
        ("hour BETWEEN 9 AND 10", True),
        ("NOT (hour = 9 OR hour = 10)", False),
        ("city = 'O''Fallon'", True),
        ("city LIKE 'O%n'", True),
        ("city LIKE 'o%'", False),
        ("city LIKE '_''Fallon'", True),
        ("d = 1.50", True),
        ("hour = 8 OR city = 'x' OR (dt >= '2026-01-01' AND 1 = 1)", True),
        ("city IS NOT NULL", True),
        ("hour > -1", True),
    ],
)
def test_a_filter_compares_in_the_keys_own_type(expression: str, holds: bool) -> None:
    assert predicate(expression, TYPES)(VALUES) is holds


@pytest.mark.parametrize("expression", ["n = 1", "hour =", "upper(city) = 'X'", "hour", "hour = 'nine'", "; DROP"])
def test_what_is_not_understood_is_refused_at_once(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        predicate(expression, TYPES)
