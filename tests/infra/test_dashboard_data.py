"""Which days the page holds, and what it says where there is nothing to read."""

from datetime import date, datetime

import pandas as pd
import pyarrow as pa
import pytest

from dashboards import spec
from dashboards.page.cells import CubeRows, encoded
from dashboards.page.cubes import cubes
from infra import dashboard_data
from infra.current_alerts import CurrentAlert
from ingestion.iceberg_catalog import open_catalog


@pytest.mark.parametrize(
    ("newest", "days", "first"),
    [
        (date(2026, 3, 27), 1, date(2026, 3, 27)),
        (date(2026, 3, 27), 35, date(2026, 2, 21)),
        # 17:00 of the 27th in Los Angeles; the clocks went forward on the 8th, so the 1st began at 08:00 UTC.
        (datetime(2026, 3, 28, 0, 0), 1, datetime(2026, 3, 27, 7, 0)),
        (datetime(2026, 3, 28, 0, 0), 27, datetime(2026, 3, 1, 8, 0)),
        (datetime(2026, 3, 28, 6, 59), 2, datetime(2026, 3, 26, 7, 0)),
    ],
)
def test_the_latest_days_are_whole_local_days(newest, days, first):
    assert dashboard_data.first_of_latest(newest, days, "America/Los_Angeles") == first


def test_days_are_left_out_from_the_oldest_until_the_cells_fit(monkeypatch):
    monkeypatch.setattr(dashboard_data, "MAX_CELLS", 250)
    cells = pd.DataFrame({"day": pd.to_datetime(["2026-03-02", "2026-03-01", "2026-03-03"]), "cells": [100, 100, 120]})
    assert dashboard_data.first_kept(cells, date(2026, 3, 1)) == date(2026, 3, 2)


def test_the_newest_day_is_kept_however_many_cells_it_has(monkeypatch):
    monkeypatch.setattr(dashboard_data, "MAX_CELLS", 10)
    cells = pd.DataFrame({"day": pd.to_datetime(["2026-03-02", "2026-03-01"]), "cells": [100, 100]})
    assert dashboard_data.first_kept(cells, date(2026, 3, 1)) == date(2026, 3, 2)


def test_two_days_of_5000_segments_are_held_even_when_one_has_25_hours():
    days = pd.to_datetime(["2026-10-31", "2026-11-01", "2026-11-02"])
    cells = pd.DataFrame({"day": days, "cells": [5000 * 24, 5000 * 25, 5000 * 24]})
    assert dashboard_data.first_kept(cells, date(2026, 10, 1)) == date(2026, 11, 1)
    assert dashboard_data.first_kept(cells[:2], date(2026, 10, 1)) == date(2026, 10, 1)


@pytest.mark.parametrize("since", [date(2026, 2, 1), datetime(2026, 2, 1, 8)])
def test_days_without_rows_are_not_taken_for_days_that_were_left_out(since):
    cells = pd.DataFrame({"day": pd.to_datetime(["2026-03-02", "2026-03-01"]), "cells": [100, 100]})
    assert dashboard_data.first_kept(cells, since) == since


def test_where_there_are_no_marts_the_reader_is_told_what_makes_them(endpoint):
    with pytest.raises(dashboard_data.NoMartsError, match=r"no marts\.\w+ yet: run `make demo`, or `trafficlake run`"):
        dashboard_data.read(spec.load(), open_catalog(), lambda count: None)


def test_the_days_of_a_view_are_told_by_the_files_of_its_table(endpoint):
    catalog = open_catalog()
    days = pa.table({"local_date": [date(2026, 3, 1), date(2026, 3, 27)]})
    catalog.create_namespace_if_not_exists("marts")
    catalog.create_table("marts.congestion_daily", schema=days.schema).append(days)
    try:
        since, rows = dashboard_data.days_held(cubes(spec.load())[0]["segment_days.coarse"], catalog)
    finally:
        catalog.drop_table("marts.congestion_daily")
    assert (since, rows) == (date(2025, 12, 26), 2)


def test_open_alerts_are_cells_with_local_times_and_a_name_for_no_zone():
    cube = cubes(spec.load())[0]["active_alerts.fine"]
    since = "2026-03-02T08:00:00.000000Z"
    alerts = [
        CurrentAlert(segment_id="s", zone_id=None, level="CRITICAL", since=since, congestion_index=91.25),
        CurrentAlert(segment_id="t", zone_id="Z", level="WARNING", since=since, congestion_index=85),
    ]
    rows = dashboard_data.alert_cells(cube, alerts)
    held = encoded(CubeRows(cube, rows), "America/Los_Angeles")
    assert held["cells"] == 2
    assert held["dimensions"]["since"]["values"] == ["Mon 2026-03-02 00:00 PST"]
    assert held["dimensions"]["zone_id"]["values"] == ["Z", "unassigned"]
    assert rows[f"t{cube.measures['congestion_index']['term']}"].tolist() == [91.25, 85]
