"""The map's slider starts at an hour of which there is something to see, and says at which."""

from datetime import datetime, timedelta

import duckdb
import pytest
from quicksight_api import bodies

from dashboards.quicksight import controls

MACROS = """
create macro ifelse(c, x, y) as case when c then x else y end;
create macro dateDiff(x, y, unit) as date_diff('hour', x, y);
"""
RUNNING = datetime(2026, 3, 28, 9)


def hours_before(definitions, rows):
    """Compute the field that the slider asks for in DuckDB, of (hours before the running one, observed, expected)."""
    (expression,) = [
        field["Expression"]
        for field in definitions["today"]["CalculatedFields"]
        if field["Name"] == controls.HOURS_BEFORE
    ]
    expression = expression.replace("maxOver(", "max(").replace(", [], PRE_FILTER)", ") over ()")
    database = duckdb.connect()
    database.execute(MACROS)
    database.execute("create table hours (hour_start timestamp, samples_observed double, samples_expected double)")
    database.executemany(
        "insert into hours values (?, ?, ?)", [(RUNNING - timedelta(hours=ago), *samples) for ago, *samples in rows]
    )
    sql = f"select {expression.replace('{', '').replace('}', '')}, hour_start from hours"
    return {start: before for before, start in database.execute(sql).fetchall()}


@pytest.mark.parametrize(
    ("rows", "starts_at"),
    [
        ([(0, 2, 12), (1, 9.6, 12), (2, 12, 12)], 1),
        # One segment is late, another is not.
        ([(0, 2, 12), (1, 5, 12), (1, 12, 12), (2, 12, 12)], 1),
        ([(0, 2, 12), (1, 9.5, 12), (2, 12, 12)], 2),
        # Nothing is observed well enough.
        ([(0, 2, 12), (1, 9, 12)], 0),
    ],
)
def test_the_slider_starts_at_the_newest_hour_that_is_observed_well_enough(definitions, rows, starts_at):
    before = hours_before(definitions, rows)
    assert before == {RUNNING - timedelta(hours=ago): ago - starts_at for ago, *_ in rows}


def test_the_map_says_where_its_slider_starts(definitions):
    (chart,) = bodies(definitions["today"], "GeospatialMapVisual")
    says = "Here the slider counts hours back from the newest in which any place of the city was 80 % observed."
    assert says in chart["Subtitle"]["FormatText"]["PlainText"]
