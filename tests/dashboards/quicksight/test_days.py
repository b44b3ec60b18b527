"""QuickSight knows instants in UTC alone: local days are made of them by standard time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb
import pytest
from quicksight_api import bodies

from dashboards.quicksight import days

MACROS = """
create macro truncDate(unit, t) as date_trunc('day', t);
create macro addDateTime(n, unit, t) as t + n * interval 1 minute;
"""


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("America/Los_Angeles", -8),
        ("Europe/Rome", 1),
        ("Europe/Dublin", 0),
        ("Asia/Kolkata", 5.5),
        ("Australia/Sydney", 10),
        ("UTC", 0),
    ],
)
def test_standard_time_is_that_of_winter_on_both_halves_of_the_globe(zone, hours):
    assert days.standard_offset_minutes(zone) == 60 * hours


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Europe/Rome", "Asia/Kolkata"])
def test_the_day_that_runs_is_the_local_one_but_for_the_first_hour_in_summer(zone):
    database = duckdb.connect()
    database.execute(MACROS)
    for month in (1, 7):
        for hour in range(24):
            now = datetime(2026, month, 10, hour, 30, tzinfo=UTC)
            expression = days.today(zone).replace("now()", f"timestamp '{now:%Y-%m-%d %H:%M}'")
            (found,) = database.execute(f"select {expression}").fetchone()
            there = now.astimezone(ZoneInfo(zone))
            if there.dst() and there.hour == 0:
                assert (there.date() - found.date()).days == 1
            else:
                assert found.date() == there.date()


def test_chosen_days_filter_instants_as_local_days(specs, definitions):
    """What arrived in the evening of today, where UTC is already tomorrow, is of today."""
    fields = {
        (field["DataSetIdentifier"], field["Name"]): field["Expression"]
        for one in definitions.values()
        for field in one["CalculatedFields"]
    }
    filtered = {
        column["Column"]["DataSetIdentifier"]: column["Column"]["ColumnName"]
        for column in bodies(definitions, "TimeRangeFilter")
    }
    assert filtered
    for name, column in filtered.items():
        dataset = specs.datasets[name]
        if dataset.all_columns[dataset.date].type == "instant":
            assert fields[name, column] == f"addDateTime(-480, 'MI', {{{dataset.date}}})"
        else:
            assert column == dataset.date
