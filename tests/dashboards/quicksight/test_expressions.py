"""Calculated fields of QuickSight give the figures that Athena's SQL gives, in DuckDB as third engine."""

import random
import re
from datetime import datetime, timedelta

import duckdb
import pytest

from dashboards import formula
from dashboards.quicksight import expressions
from dashboards.spec import load

# QuickSight's functions in the words of DuckDB.
MACROS = """
create macro sumIf(x, c) as sum(case when c then x end);
create macro minIf(x, c) as min(case when c then x end);
create macro maxIf(x, c) as max(case when c then x end);
create macro countIf(x, c) as count(case when c then x end);
create macro distinct_count(x) as count(distinct x);
create macro distinct_countIf(x, c) as count(distinct case when c then x end);
create macro ifelse(c, x, y) as case when c then x else y end;
create macro isNotNull(x) as x is not null;
create macro dateDiff(x, y, unit) as date_diff('second', x, y);
"""
TYPES = {
    "text": "varchar",
    "number": "double",
    "integer": "bigint",
    "flag": "integer",
    "date": "timestamp",
    "instant": "timestamp",
}
MEASURES = [(dataset.name, name) for dataset in load().datasets.values() for name in dataset.measures]


def value(column, dice):
    if dice.random() < 0.2:
        return None
    start = datetime(2024, 3, 8)
    return {
        "text": lambda: dice.choice(["none", "lane", "observed", "CRITICAL"]),
        "number": lambda: dice.choice([0.0, 0.25, 1.0, 40.0]),
        "integer": lambda: dice.randrange(4),
        "flag": lambda: dice.randrange(2),
        "date": lambda: start + timedelta(days=dice.randrange(3)),
        "instant": lambda: start + timedelta(minutes=dice.randrange(600)),
    }[column.type]()


@pytest.fixture(scope="module")
def database():
    """Every dataset as a table of random rows with gaps, and `cell`, which groups them; the grain has no gaps."""
    dice = random.Random(7)  # noqa: S311 — only to make rows
    connection = duckdb.connect()
    connection.execute(MACROS)
    for dataset in load().datasets.values():
        columns = dataset.all_columns
        declared = ", ".join(f"{name} {TYPES[column.type]}" for name, column in columns.items())
        connection.execute(f"create table {dataset.name} (cell integer, {declared})")
        for row in range(60):
            made = {name: value(column, dice) for name, column in columns.items()}
            made |= {name: made[name] or dataset_key(columns[name], row) for name in dataset.grain}
            marks = ", ".join("?" * (len(made) + 1))
            connection.execute(f"insert into {dataset.name} values ({marks})", [row % 7, *made.values()])
    return connection


def dataset_key(column, row):
    return f"k{row}" if column.type == "text" else datetime(2024, 3, 8) + timedelta(hours=row)


def in_duckdb(expression):
    quoted = re.sub(r"\{(\w+)\}", r'"\1"', expression)
    windows = r"(\w+)Over\((.*?), \[(.*?)\], PRE_AGG\)"
    named = {"distinctCount": "count(distinct "}
    return re.sub(windows, lambda at: f"{named.get(at[1], at[1] + '(')}{at[2]}) over (partition by {at[3]})", quoted)


def figures(database, dataset, expression):
    rows = database.execute(f"select cell, {expression} from {dataset} group by cell order by cell").fetchall()
    return {cell: None if figure is None or isinstance(figure, datetime) else float(figure) for cell, figure in rows}


@pytest.mark.parametrize(("dataset", "measure"), MEASURES)
def test_a_measure_is_the_same_in_quicksight_and_in_sql(database, dataset, measure):
    declared = load().datasets[dataset]
    tree = formula.parse(declared.measures[measure].formula)
    expected = figures(database, dataset, formula.to_sql(tree))
    ours = in_duckdb(expressions.aggregated(tree, counted=declared.grain[0]))
    assert figures(database, dataset, ours) == pytest.approx(expected, nan_ok=True)


def test_the_measure_of_a_rows_cell_is_that_of_the_cell(database):
    declared = load().datasets["segment_hours"]
    for name in ("congestion_index", "observed_share", "speed", "delay_per_day"):
        tree = formula.parse(declared.measures[name].formula)
        window = in_duckdb(expressions.over(tree, ["cell"], counted="segment_id")).replace('"cell"', "cell")
        by_cell = figures(database, "segment_hours", formula.to_sql(tree))
        for cell, figure in database.execute(f"select cell, {window} from segment_hours").fetchall():
            assert figure == pytest.approx(by_cell[cell])


def test_the_measure_of_a_single_row_is_that_of_its_cell(database):
    declared = load().datasets["segment_hours"]
    measures = ("congestion_index", "observed_share", "delay", "travel_time_index")
    written = [declared.measures[name].formula for name in measures]
    for text in (*written, "count(when=samples_observed > 0)", "distinct(hour_start, when=samples_observed > 0)"):
        tree = formula.parse(text)
        both = f"select {formula.to_sql(tree)}, any_value({in_duckdb(expressions.of_one_row(tree))})"
        rows = database.execute(f"{both} from segment_hours group by rowid").fetchall()
        assert [left for left, _ in rows] == pytest.approx([right for _, right in rows])


def test_an_extra_condition_holds_for_every_aggregate():
    tree = formula.parse("sum(a, when=b == 'x') / count()")
    made = expressions.aggregated(tree, counted="k", only_where="{day} > 1")
    assert made == "(1.0 * sumIf({a}, {b} = 'x' AND {day} > 1) / nullIf(countIf({k}, {day} > 1), 0))"
