"""Which days the page holds, and what it says where there is nothing to read."""

from datetime import date, datetime

import pandas as pd
import pytest

from dashboards import spec
from infra import dashboard_data
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


def test_where_there_are_no_marts_the_reader_is_told_what_makes_them(endpoint):
    with pytest.raises(dashboard_data.NoMartsError, match=r"no marts\.\w+ yet: run `make demo`, or `trafficlake run`"):
        dashboard_data.read(spec.load(), open_catalog(), lambda count: None)
