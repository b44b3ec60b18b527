"""What QuickSight makes of a measure over the days is what the visual says of it."""

from datetime import datetime, timedelta

import duckdb
import pytest

from dashboards.quicksight import series
from dashboards.quicksight.fields import Source

MACROS = """
create macro ifelse(c, x, y) as case when c then x else y end;
create macro isNotNull(x) as x is not null;
create macro distinct_count(x) as count(distinct x);
create macro truncDate(unit, t) as date_trunc('day', t);
create macro addDateTime(n, unit, t) as t + n * if(unit = 'MI', interval 1 minute, interval 1 day);
"""
LAST = datetime(2026, 3, 28)


@pytest.fixture
def ranking(specs):
    """The ranking of corridors, and its dataset."""
    (visual,) = [visual for one in specs.dashboards for visual in one.visuals if visual.trend]
    return visual, Source(specs, specs.datasets[visual.dataset], "America/Los_Angeles")


def days_ago(*ago):
    return [LAST - timedelta(days=days) for days in ago]


def changed(ranking, delays, *, first=LAST - timedelta(days=55), last=LAST, now=LAST + timedelta(days=9)):
    """Compute the change in DuckDB, of delays by day, of the days that are chosen, at a moment in UTC."""
    visual, source = ranking
    database = duckdb.connect()
    database.execute(MACROS)
    database.execute("create table days (local_date timestamp, delay_veh_h double)")
    chosen = [(day, delay) for day, delay in delays.items() if first <= day <= last]
    database.executemany("insert into days values (?, ?)", chosen)
    expression = series.change(visual.trend, source)["Expression"]
    for name, value in {"${DateFrom}": first, "${DateTo}": last, "now()": now}.items():
        expression = expression.replace(name, f"timestamp '{value}'")
    (figure,) = database.execute(f"select {expression.replace('{', '').replace('}', '')} from days").fetchone()
    return figure


def test_the_trend_is_of_the_seven_days_up_to_the_chosen_end_against_a_week_before(ranking):
    now = dict.fromkeys(days_ago(*range(7)), 30.0)
    before = dict.fromkeys(days_ago(*range(7, 14)), 20.0)
    long_ago = dict.fromkeys(days_ago(*range(14, 50)), 900.0)
    assert changed(ranking, {**now, **before, **long_ago}) == pytest.approx(50)
    assert changed(ranking, now) is None


def test_a_day_that_is_not_over_is_no_day_of_the_trend(ranking):
    """In Los Angeles the 28th lasts until 08:00 UTC of the 29th."""
    delays = {**dict.fromkeys(days_ago(*range(20)), 100.0), LAST: 1.0}
    late, over = datetime(2026, 3, 29, 7, 59), datetime(2026, 3, 29, 8)
    assert changed(ranking, delays, now=late) == pytest.approx(0)
    assert changed(ranking, delays, last=LAST + timedelta(days=3), now=late) == pytest.approx(0)
    assert changed(ranking, delays, now=over) == pytest.approx(100 * (601 / 700 - 1))


@pytest.mark.parametrize(("chosen_days", "change"), [(14, 0), (13, None), (10, None), (1, None)])
def test_there_is_no_trend_where_the_chosen_days_cut_the_week_before(ranking, chosen_days, change):
    every_day = dict.fromkeys(days_ago(*range(50)), 100.0)
    made = changed(ranking, every_day, first=LAST - timedelta(days=chosen_days - 1))
    assert made == (None if change is None else pytest.approx(change))


@pytest.mark.parametrize("ago", [3, 10])
def test_a_day_that_is_left_out_or_has_no_figure_changes_no_mean(ranking, ago):
    every_day = dict.fromkeys(days_ago(*range(50)), 100.0)
    (day,) = days_ago(ago)
    left_out = {at: delay for at, delay in every_day.items() if at != day}
    assert changed(ranking, left_out) == pytest.approx(0)
    assert changed(ranking, {**every_day, day: None}) == pytest.approx(0)


def test_the_trend_is_told_of_as_it_is_computed(ranking, definitions):
    visual, _ = ranking
    (name,) = [
        field["Name"] for one in definitions.values() for field in one["CalculatedFields"] if "against" in field["Name"]
    ]
    assert name == "Delay per day, 7 whole days against a week before (%)"
    (body,) = [
        body
        for one in definitions.values()
        for sheet in one["Sheets"]
        for each in sheet["Visuals"]
        for body in each.values()
        if body["VisualId"] == visual.id
    ]
    says = (
        "Trend: mean delay per day of the last 7 whole days up to the chosen end, against the same weekdays a week"
        " before. Here each side has all of its days with a figure"
    )
    assert says in body["Subtitle"]["FormatText"]["PlainText"]
    assert says in body["VisualContentAltText"]
