from datetime import UTC, date, datetime

import pandas as pd
import pytest

from quality import data_docs, marts
from quality.results import ExpectationsFailedError, verdict


def a_congestion_row(**changes):
    row = {
        "segment_id": "s1",
        "corridor_id": "c1",
        "zone_id": "z1",
        "hour_start": datetime(2026, 3, 2, 16),
        "local_date": date(2026, 3, 2),
        "local_hour": 8,
        "day_type": "weekday",
        "volume_veh": 1800.0,
        "vkt": 900.0,
        "vht": 18.0,
        "speed_kmh": 50.0,
        "free_flow_kmh": 100.0,
        "delay_veh_h": 9.0,
        "travel_time_index": 2.0,
        "congestion_index_avg": 62.5,
        "congestion_index_min": 62.5,
        "congestion_index_max": 62.5,
        "congested_minutes": 60,
        "observed_share": 1.0,
        "is_reliable": True,
    }
    return row | changes


def a_reconciliation_row(**changes):
    row = {
        "arrival_hour": datetime(2026, 3, 2, 16),
        "sent": 10,
        "landed": 9,
        "conversion_errors": 1,
        "curated": 7,
        "duplicates": 1,
        "rejected": 1,
        "is_balanced": True,
    }
    return row | changes


def what_fails(mart: str, *rows: dict) -> list[str]:
    return [outcome.what for outcome in marts.check(mart, pd.DataFrame(list(rows))).failures]


def test_a_sound_hour_passes_every_expectation():
    result = marts.check("congestion_hourly", pd.DataFrame([a_congestion_row(), a_congestion_row(segment_id="s2")]))
    assert result.success
    assert result.rows == 2


def test_an_hour_without_any_measurement_passes_with_nulls():
    measures = ("volume_veh", "vkt", "vht", "speed_kmh", "delay_veh_h", "travel_time_index", "congestion_index_avg")
    silent = a_congestion_row(**dict.fromkeys((*measures, "congestion_index_min", "congestion_index_max")))
    assert what_fails("congestion_hourly", silent | {"observed_share": 0.0, "congested_minutes": 0}) == []


def test_no_touched_rows_are_a_valid_batch():
    assert marts.check("congestion_hourly", pd.DataFrame([a_congestion_row()]).iloc[:0]).success
    assert marts.check("congestion_hourly", pd.DataFrame(columns=list(a_congestion_row()))).success


def test_an_average_that_leaves_its_bounds_by_rounding_only_passes():
    assert what_fails("congestion_hourly", a_congestion_row(congestion_index_avg=62.5 + 1e-12)) == []


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"congestion_index_max": 100.5}, "congestion_index_max"),
        ({"congestion_index_min": 70.0}, "congestion_index_avg"),
        ({"delay_veh_h": -0.1}, "delay_veh_h"),
        ({"delay_veh_h": 18.5}, "vht"),
        ({"observed_share": 1.2}, "observed_share"),
        ({"speed_kmh": 0.0}, "speed_kmh"),
        ({"travel_time_index": 0.0}, "travel_time_index"),
        ({"congested_minutes": 65}, "congested_minutes"),
        ({"hour_start": None}, "hour_start"),
    ],
)
def test_a_figure_outside_what_it_can_be_fails(changes, failing):
    failures = what_fails("congestion_hourly", a_congestion_row(**changes), a_congestion_row(segment_id="s2"))
    assert [what.split()[0] for what in failures] == [failing]


def test_a_zone_adds_up_the_congested_minutes_of_its_segments():
    zone_row = {name: value for name, value in a_congestion_row().items() if name not in ("segment_id", "corridor_id")}
    assert what_fails("zone_congestion_hourly", zone_row | {"congested_minutes": 180}) == []


def test_two_rows_of_one_segment_and_hour_fail():
    failures = what_fails("congestion_hourly", a_congestion_row(), a_congestion_row())
    assert failures == ["(segment_id, hour_start) to be unique"]


def test_an_unbalanced_hour_fails_and_says_which_value():
    rows = [a_reconciliation_row(), a_reconciliation_row(arrival_hour=datetime(2026, 3, 2, 17), is_balanced=False)]
    result = marts.check("reconciliation_hourly", pd.DataFrame(rows))
    error = ExpectationsFailedError([result], "Do this next.")
    assert str(error).splitlines() == [
        f"marts.reconciliation_hourly: 1 of {len(result.outcomes)} expectations failed:",
        "  - is_balanced values to be in set True: 1 of 2 rows, such as False",
        "Do this next.",
    ]


def test_an_unknown_sent_count_is_not_a_failure():
    assert what_fails("reconciliation_hourly", a_reconciliation_row(sent=None)) == []


def test_a_missing_column_says_that_it_could_not_be_evaluated():
    frame = pd.DataFrame([a_reconciliation_row()]).drop(columns="rejected")
    failures = marts.check("reconciliation_hourly", frame).failures
    assert failures
    assert all("rejected" in (failure.error or "") for failure in failures)


def test_the_verdict_counts_over_suites():
    good = marts.check("reconciliation_hourly", pd.DataFrame([a_reconciliation_row()]))
    bad = marts.check("reconciliation_hourly", pd.DataFrame([a_reconciliation_row(is_balanced=False)]))
    both = verdict([good, bad])
    assert (both.suites, both.failed, both.passed, both.rows) == (2, 1, 2 * len(good.outcomes) - 1, 2)
    assert not both.success


def test_data_docs_show_each_suite_of_the_run(tmp_path):
    result = marts.check("reconciliation_hourly", pd.DataFrame([a_reconciliation_row(is_balanced=False)]))
    index = data_docs.build([result], tmp_path, datetime(2026, 3, 2, 18, tzinfo=UTC))
    assert "reconciliation_hourly" in index.read_text()
    pages = list(tmp_path.glob("validations/**/*.html"))
    assert len(pages) == 1
    assert "is_balanced" in pages[0].read_text()


def test_only_touched_hours_and_days_are_read():
    sql = marts.queries([datetime(2026, 3, 2, 16)], [datetime(2026, 3, 2, 17)], "marts")
    assert set(sql) == set(marts.SUITES)
    assert "timestamp '2026-03-02 14:00:00'" in sql["congestion_hourly"]
    assert "select distinct local_date from marts.zone_congestion_hourly" in sql["zone_congestion_daily"]
    assert "arrival_hour < timestamp '2026-03-02 18:00:00'" in sql["reconciliation_hourly"]
