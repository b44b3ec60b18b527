"""What QuickSight makes of a measure over the days is what the visual says of it."""

from datetime import datetime, timedelta

import duckdb
import pytest

from dashboards.quicksight import series
from dashboards.quicksight.fields import Source

DATE_TO = datetime(2026, 3, 29)


@pytest.fixture
def ranking(specs):
    """The ranking of corridors, and its dataset."""
    (visual,) = [visual for one in specs.dashboards for visual in one.visuals if visual.trend]
    return visual, Source(specs, specs.datasets[visual.dataset], "America/Los_Angeles")


def changed(ranking, delays):
    """Compute the change in DuckDB, of delays by days before the last chosen one."""
    database = duckdb.connect()
    database.execute("create macro ifelse(c, x, y) as case when c then x else y end")
    database.execute("create macro addDateTime(n, unit, t) as t + n * interval 1 day")
    database.execute("create table days (local_date timestamp, delay_veh_h double)")
    rows = [(DATE_TO - timedelta(days=ago), delay) for ago, delay in delays.items()]
    database.executemany("insert into days values (?, ?)", rows)
    expression = series.change(*ranking)["Expression"].replace("${DateTo}", f"timestamp '{DATE_TO}'")
    (figure,) = database.execute(f"select {expression.replace('{', '').replace('}', '')} from days").fetchone()
    return figure


def test_the_trend_compares_the_seven_days_before_the_last_with_the_seven_before_them(ranking):
    unfinished, long_ago = {0: 1.0}, dict.fromkeys(range(15, 29), 900.0)
    last, before = dict.fromkeys(range(1, 8), 30.0), dict.fromkeys(range(8, 15), 20.0)
    assert changed(ranking, {**unfinished, **last, **before, **long_ago}) == pytest.approx(50)
    assert changed(ranking, {**unfinished, **last}) is None


def test_the_trend_is_told_of_as_it_is_computed(ranking, definitions):
    visual, source = ranking
    (name,) = [
        field["Name"] for one in definitions.values() for field in one["CalculatedFields"] if "against" in field["Name"]
    ]
    assert name == series.change(visual, source)["Name"] == "Delay, 7 whole days against the 7 before (%)"
    (body,) = [
        body
        for one in definitions.values()
        for sheet in one["Sheets"]
        for each in sheet["Visuals"]
        for body in each.values()
        if body["VisualId"] == visual.id
    ]
    days = "of the 7 days before the last chosen day, against the 7 days before those"
    says = f"Here, on QuickSight, the trend is delay {days}."
    assert says in body["Subtitle"]["FormatText"]["PlainText"]
    assert says in body["VisualContentAltText"]
