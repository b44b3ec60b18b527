"""Formulas mean in SQL what their language says, and what is not of the language is refused by name."""

import duckdb
import pytest

from dashboards import formula

# x, y, flag, word, start, end: unknown values, zeros, and integers that an integer division would cut.
ROWS = """
(values
    (1, 2, true, 'a', timestamp '2026-01-01 00:00:00', timestamp '2026-01-01 00:01:30'),
    (2, 0, false, 'b', timestamp '2026-01-01 00:00:00', null),
    (null, 4, true, 'a', timestamp '2026-01-01 00:00:00', timestamp '2026-01-01 01:00:00'),
    (4, null, null, null, timestamp '2026-01-01 00:00:00', timestamp '2026-01-01 00:00:10')
) as cells (x, y, flag, word, start, finish)
"""


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("sum(x)", 7),
        ("sum(x) / sum(y)", 7 / 6),
        ("sum(x * y)", 2),
        ("sum(x / y)", 0.5),
        ("sum(y, when=known(x))", 2),
        ("100 * count(when=flag) / count()", 50),
        ("count(when=not flag)", 1),
        ("count(when=word == 'a' and y >= 3)", 1),
        ("count(when=word != 'a' or not known(x))", 2),
        ("distinct(word)", 2),
        ("distinct(word, when=y > 0)", 1),
        ("distinct(word, when=y > 9)", 0),
        ("coalesce(sum(x), sum(y))", 7),
        ("100 * coalesce(sum(x) / (count() - 4), sum(y) / count()) + 1", 151),
        ("coalesce(sum(x, when=y > 9), sum(y, when=y > 9))", None),
        ("max(seconds_between(start, finish)) / 60", 60),
        ("min(x) / max(y)", 0.25),
        ("sum(x) / (count() - 4)", None),
        ("sum(x, when=word == 'none such')", None),
        ("sum(x) - sum(y) - 1", 0),
    ],
)
def test_a_formula_as_sql_gives_what_its_language_says(written, wanted):
    sql = formula.to_sql(formula.parse(written))
    found = duckdb.execute(f"select {sql} as found from {ROWS}").fetchall()[0][0]
    assert found == (wanted if wanted is None else pytest.approx(wanted, rel=1e-15))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("avg(x)", "avg(x)"),
        ("x / y", "'x'"),
        ("sum(sum(x))", "sum(x)"),
        ("1 + 1", "aggregates nothing"),
        ("sum(x, where=flag)", "when="),
        ("sum(x, y)", "take one"),
        ("coalesce(sum(x))", "no coalesce of two"),
        ("coalesce(sum(x), y)", "'y'"),
        ("sum(coalesce(x, y))", "no row expression"),
        ("count(x)", "count takes no"),
        ("distinct(x + y)", "takes a column"),
        ("sum(x) ** 2", "** 2"),
        ("sum(open('x'))", "open('x')"),
        ("sum(x", "no expression"),
        ("count(when=1 < x < 3)", "1 < x < 3"),
        ("sum(x.y)", "x.y"),
    ],
)
def test_what_is_not_of_the_language_is_refused_by_name(written, named):
    with pytest.raises(formula.FormulaError, match=r".*") as refused:
        formula.parse(written)
    assert named in str(refused.value)


def test_a_quote_in_a_text_stays_in_the_text():
    sql = formula.to_sql(formula.parse("""count(when=word == "it's")"""))
    assert duckdb.execute(f"select {sql} from (values ('it''s'), ('its')) as cells (word)").fetchall()[0][0] == 1


def test_the_columns_of_a_formula_are_those_that_it_reads():
    tree = formula.parse("sum(vht, when=known(tti) and day != 'x') / sum(seconds_between(a, b)) + distinct(day)")
    assert formula.columns(tree) == {"vht", "tti", "day", "a", "b"}
    assert formula.columns(formula.parse("coalesce(sum(x), max(y))")) == {"x", "y"}
    assert formula.distinct_columns(tree) == {"day"}
