"""Real readings through the whole path give the figures that the metrics definition gives, computed independently.

One hour of Portland's 20-second loop records, with genuine faults, takes the live path; a week of Los Angeles' 5-minute
speeds, with real congestion, is back-filled. `independent_*.py` compute the same straight from the files by pandas.
"""

import signal
import time
from dataclasses import dataclass
from types import ModuleType

import independent_congestion as congestion
import independent_flags
import independent_metr_la as metr_la
import independent_portland as portland
import numpy as np
import pandas as pd
import pytest
import urllib3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PORTLAND_RECORDS, PORTLAND_EMPTY = 12_420, 13
METR_LA_RECORDS, METR_LA_HOURS = 2_016 * 207, 168
DELIVERY_LIMIT_S = 180
MEASURES = [
    *("volume_veh", "vkt", "vht", "delay_veh_h", "speed_kmh", "travel_time_index"),
    *("congestion_index_avg", "congestion_index_min", "congestion_index_max", "observed_share"),
]
MARTS = ("congestion_hourly", "congestion_daily", "zone_congestion_hourly", "zone_congestion_daily")


@dataclass(frozen=True)
class Expected:
    """What the independent computation says of one set: of samples, sensors, 5 minutes, and by mart."""

    samples: pd.DataFrame
    flags: pd.DataFrame
    sensor_5min: pd.DataFrame
    segment_5min: pd.DataFrame
    marts: dict[str, pd.DataFrame]


def compute(folder, data_set: ModuleType, utc_minus_h: int) -> Expected:
    records = data_set.records(folder)
    samples = records[records[["count", "speed_kmh", "occupancy_pct"]].notna().any(axis=1)]
    flags = independent_flags.flags(samples, data_set.INTERVAL_S)
    sensor_5min = congestion.sensor_5min(samples, flags)
    segments = data_set.segments(folder)
    rows = congestion.segment_5min(sensor_5min, data_set.sensors(folder), segments, data_set.INTERVAL_S)
    rows["local"] = rows["interval_start"] - pd.Timedelta(hours=utc_minus_h)
    rows["hour_start"] = rows["interval_start"].dt.floor("h")
    rows["local_date"] = rows["local"].dt.floor("D")
    rows = congestion.measured(rows, congestion.free_flow(rows))
    per_5min = segments["lanes"] * 300 / data_set.INTERVAL_S
    of_segment = per_5min.groupby(segments["segment_id"]).sum()
    of_zone = per_5min.groupby(segments["zone_id"]).sum()
    marts = {
        "congestion_hourly": congestion.rolled_up(rows, ["segment_id", "hour_start"], of_segment * 12),
        "congestion_daily": congestion.rolled_up(rows, ["segment_id", "local_date"], of_segment * 288),
        "zone_congestion_hourly": congestion.rolled_up(rows, ["zone_id", "hour_start"], of_zone * 12),
        "zone_congestion_daily": congestion.rolled_up(rows, ["zone_id", "local_date"], of_zone * 288),
    }
    return Expected(samples, flags, sensor_5min, rows, marts)


@pytest.fixture(scope="module")
def city(home, shared_data):
    """A home that took both sets in, the hour over the live path, and ran the pipeline once."""
    hour, week = shared_data("portland_i205"), shared_data("metr_la_week")
    home.trafficlake("ingest", "--format", "portal", str(hour), "--via", "kinesis")
    home.trafficlake("ingest", "--format", "metr-la", str(week), "--via", "archive")
    waiting_until = time.monotonic() + DELIVERY_LIMIT_S
    delivered = "select count(*) as n from raw.sensor_readings where dt > '2013-01-01'"
    while (landed := home.query(delivered)["n"][0]) < PORTLAND_RECORDS:
        assert time.monotonic() < waiting_until, f"{landed} of {PORTLAND_RECORDS} records were delivered"
        time.sleep(2)
    home.trafficlake("run")
    return home


@pytest.fixture(scope="module")
def expected_portland(shared_data):
    return compute(shared_data("portland_i205"), portland, utc_minus_h=7)


@pytest.fixture(scope="module")
def expected_metr_la(shared_data):
    return compute(shared_data("metr_la_week"), metr_la, utc_minus_h=8)


@pytest.fixture(scope="module")
def marts(city):
    """Return all rows of each congestion mart, keys as in the independent tables."""
    found = {}
    for name in MARTS:
        rows = city.query(f"select * from marts.{name}")
        for key in {"hour_start", "local_date"} & set(rows.columns):
            rows[key] = pd.to_datetime(rows[key])
        for key in {"segment_id", "zone_id"} & set(rows.columns):
            rows[key] = rows[key].astype(str)
        found[name] = rows
    return found


def assert_equal_measures(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Compare a set's cells of a mart with the independent ones: the same cells, equal to 1e-9 of the value."""
    keys = list(wanted.index.names)
    mine = found[found[keys[0]].isin(wanted.index.unique(keys[0]))].set_index(keys).sort_index()
    assert mine.index.equals(wanted.sort_index().index)
    wanted = wanted.loc[mine.index]
    for measure in MEASURES:
        np.testing.assert_allclose(
            mine[measure].astype(float), wanted[measure].astype(float), rtol=1e-9, atol=1e-9, err_msg=measure
        )
    assert (mine["is_reliable"] == wanted["is_reliable"]).all()
    # A speed at 0.9 x free flow but for rounding may count or not.
    beyond = mine["congested_minutes"] - wanted["congested_minutes"]
    assert ((beyond >= 0) & (beyond <= wanted["edge_minutes"])).all()


def flag_counts(city, table: str, column: str, condition: str) -> dict[str, int]:
    rows = city.query(
        f"select flag, count(*) as n from {table} cross join unnest({column}) as flags (flag)"
        f" where {condition} group by flag"
    )
    return dict(zip(rows["flag"], rows["n"], strict=True))


def raised(flags: pd.DataFrame) -> dict[str, int]:
    """Count by flag, flags that nothing raised left out."""
    return {name: int(count) for name, count in flags.sum().items() if count}


def test_the_hour_with_faults_ends_as_readings_and_refusals_with_reasons(city, expected_portland):
    curated = city.query(
        "select count(*) as n, count(distinct sensor_id) as sensors, sum(vehicle_count) as vehicles,"
        " sum(speed_kmh) as speeds, sum(occupancy_pct) as occupancies"
        " from curated.readings where ts < timestamp '2012-01-01 00:00:00'"
    ).iloc[0]
    samples = expected_portland.samples
    assert curated["n"] == len(samples) == PORTLAND_RECORDS - PORTLAND_EMPTY
    assert curated["sensors"] == samples["sensor_id"].nunique() == 69
    assert curated["vehicles"] == samples["count"].sum()
    assert curated["speeds"] == pytest.approx(samples["speed_kmh"].sum(), rel=1e-9)
    assert curated["occupancies"] == pytest.approx(samples["occupancy_pct"].sum(), rel=1e-9)
    refused = city.query(
        "select reason, source_kind, count(*) as n from curated.rejected_readings"
        " cross join unnest(reasons) as all_reasons (reason) group by reason, source_kind"
    )
    assert refused.to_dict("records") == [{"reason": "no_measurement", "source_kind": "landing", "n": PORTLAND_EMPTY}]


def test_the_flags_of_the_faulty_hour_are_those_that_its_publishers_and_the_rules_raise(city, expected_portland):
    of_sample = expected_portland.flags.drop(columns=list(independent_flags.OF_SERIES))
    found = flag_counts(city, "curated.readings", "quality_flags", "ts < timestamp '2012-01-01 00:00:00'")
    assert found == raised(of_sample)
    bits = expected_portland.samples["dqflags"]
    assert found["speed_zero_with_count"] == ((bits & 16) > 0).sum() == 1_189
    assert found["occupancy_without_count"] == ((bits & 64) > 0).sum() == 63


def test_a_week_of_speeds_is_curated_whole_and_its_stuck_sensors_are_found(city, expected_metr_la):
    week = "timestamp '2012-01-01 00:00:00'"
    curated = city.query(f"select count(*) as n, sum(speed_kmh) as speeds from curated.readings where ts > {week}")
    assert curated["n"][0] == len(expected_metr_la.samples) == METR_LA_RECORDS
    assert curated["speeds"][0] == pytest.approx(expected_metr_la.samples["speed_kmh"].sum(), rel=1e-9)
    assert flag_counts(city, "curated.sensor_5min", "quality_flags", f"interval_start > {week}") == raised(
        expected_metr_la.sensor_5min[expected_metr_la.flags.columns]
    )


def test_five_minutes_of_each_detector_are_right_also_of_those_that_the_registry_does_not_know(
    city, expected_portland, shared_data
):
    found = city.query("select * from curated.sensor_5min where interval_start < timestamp '2012-01-01 00:00:00'")
    found["sensor_id"], found["interval_start"] = (
        found["sensor_id"].astype(str),
        pd.to_datetime(found["interval_start"]),
    )
    keys = ["sensor_id", "interval_start"]
    found, wanted = found.set_index(keys).sort_index(), expected_portland.sensor_5min.set_index(keys).sort_index()
    assert found.index.equals(wanted.index)
    assert (found["samples_observed"] == wanted["observed"]).all()
    for measure in ("volume_veh", "speed_kmh"):
        np.testing.assert_allclose(found[measure], wanted[measure].astype(float), rtol=1e-9, err_msg=measure)
    known = found.index.get_level_values("sensor_id").isin(portland.sensors(shared_data("portland_i205"))["sensor_id"])
    assert (found.loc[known, "samples_expected"] == 300 / portland.INTERVAL_S).all()
    unknown = found[~known]
    assert unknown.index.get_level_values("sensor_id").nunique() == 17
    assert unknown["samples_expected"].isna().all()


@pytest.mark.parametrize("mart", MARTS)
def test_the_marts_of_the_faulty_hour_equal_the_independent_ones(marts, expected_portland, mart):
    assert_equal_measures(marts[mart], expected_portland.marts[mart])


@pytest.mark.parametrize("mart", MARTS)
def test_the_marts_of_the_congested_week_equal_the_independent_ones(marts, expected_metr_la, mart):
    assert_equal_measures(marts[mart], expected_metr_la.marts[mart])


def test_free_flow_is_estimated_from_off_peak_hours_where_there_is_no_speed_limit(
    marts, expected_portland, expected_metr_la
):
    found = marts["congestion_hourly"].groupby("segment_id")["free_flow_kmh"]
    assert (found.min() == found.max()).all()
    for expected in (expected_portland, expected_metr_la):
        wanted = expected.segment_5min.groupby("segment_id")["free_flow_kmh"].first()
        np.testing.assert_allclose(found.min().loc[wanted.index], wanted, rtol=1e-9)


def test_hours_and_days_are_the_citys(marts):
    hourly = marts["congestion_hourly"]
    is_week = hourly["hour_start"] > pd.Timestamp("2012-01-01")
    local = hourly["hour_start"] - pd.to_timedelta(np.where(is_week, 8, 7), unit="h")
    assert (hourly["local_date"] == local.dt.floor("D")).all()
    assert (hourly["local_hour"] == local.dt.hour).all()
    assert (hourly["day_type"] == np.where(local.dt.day_of_week >= 5, "weekend", "weekday")).all()
    assert hourly[is_week]["local_date"].nunique() == 7


def test_delay_is_conserved_between_five_minutes_hours_days_and_zones(city, marts, expected_metr_la):
    interval = city.query(
        "select sum(delay_veh_h) as delay from marts.int_segment__5min_congestion where zone_id = 'los-angeles'"
    )["delay"][0]
    assert interval == pytest.approx(expected_metr_la.segment_5min["delay_veh_h"].sum(), rel=1e-9)
    for name in MARTS:
        rows = marts[name]
        assert rows.loc[rows["zone_id"] == "los-angeles", "delay_veh_h"].sum() == pytest.approx(interval, rel=1e-9)
    days = marts["zone_congestion_daily"].query("zone_id == 'los-angeles'").set_index("local_date")["delay_veh_h"]
    segments = marts["congestion_daily"].query("zone_id == 'los-angeles'").groupby("local_date")["delay_veh_h"].sum()
    np.testing.assert_allclose(days.sort_index(), segments.sort_index(), rtol=1e-9)


def test_the_rush_hours_of_los_angeles_show(marts):
    hours = marts["zone_congestion_hourly"].query("zone_id == 'los-angeles'")
    delay = hours.pivot_table(index="local_hour", columns="day_type", values="delay_veh_h", aggfunc="mean")
    weekday = delay["weekday"]
    assert weekday.loc[6:10].idxmax() in (7, 8)
    assert weekday.loc[14:20].idxmax() in (16, 17, 18)
    for peak in (weekday.loc[7:8].min(), weekday.loc[17:18].min()):
        assert peak > 4 * weekday.loc[[0, 1, 21, 22, 23]].max()
        assert peak > 2 * delay["weekend"].max()
    assert hours.groupby("local_hour")["travel_time_index"].mean().idxmax() in (7, 8, 17, 18)


@pytest.fixture(scope="module")
def page(city, tmp_path_factory):
    """The dashboards' page of these marts, by the command."""
    folder = tmp_path_factory.mktemp("page")
    said = city.trafficlake("dashboard", "--out", str(folder)).stdout
    assert str(folder / "index.html") in said
    return folder / "index.html"


def test_the_dashboard_shows_the_rush_hours_of_los_angeles(page, window):
    with window() as opened:
        opened.go(page, "#sheet=cost&zone=los-angeles")
        rows = opened.rows("delay_by_hour")
        weekday = {int(row["local_hour"]): row["delay_per_day"] for row in rows if row["day_type"] == "weekday"}
        morning, evening = ({hour: weekday[hour] for hour in hours} for hours in (range(5, 11), range(14, 21)))
        assert max(morning, key=morning.get) in (7, 8)
        assert max(evening, key=evening.get) in (16, 17, 18)
        assert min(max(morning.values()), max(evening.values())) > 4 * weekday[12] > 0
        assert opened.problems == []


def test_the_dashboards_figures_are_those_of_a_query_with_the_same_filter(city, page, window):
    wanted = city.query(
        "select sum(delay_veh_h) as delay, sum(vkt) as vkt, sum(vht) as vht, sum(vkt) / sum(vht) as speed,"
        " cast(count(distinct local_date) as double) as days,"
        " 100 * sum(samples_observed) / sum(samples_expected) as observed_share"
        " from marts.congestion_daily where zone_id = 'los-angeles' and day_type = 'weekday'"
        " and local_date between date '2012-03-05' and date '2012-03-06'"
    ).iloc[0]
    with window() as opened:
        opened.go(page, "#sheet=cost&zone=los-angeles&day_type=weekday&from=2012-03-05&to=2012-03-06")
        found = {measure: opened.figure("cost_figures", measure) for measure in wanted.index}
        assert found == pytest.approx(wanted.to_dict(), rel=1e-9)


def test_the_dashboard_is_served_to_this_machine_alone_until_it_is_interrupted(city, tmp_path):
    serving = city.start("dashboard", "--serve", "--out", str(tmp_path / "page"))
    try:
        address = next(line.split()[-1] for line in serving.stdout if line.startswith("dashboard: "))
        assert urllib3.request("GET", address).status == 200
        assert b'"refresh_s":300' in urllib3.request("GET", f"{address}data.js").data
        for method in ("GET", "HEAD"):
            assert urllib3.request(method, address, headers={"Host": "rebound.example"}).status == 403
        assert urllib3.request("GET", f"{address}../demo.json").status == 404
    finally:
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=60)
    assert serving.returncode == 0


def test_every_arrival_hour_balances_and_the_terms_add_up_to_what_the_files_hold(city):
    hours = city.query("select * from marts.reconciliation_hourly order by arrival_hour")
    assert hours["is_balanced"].all()
    assert (hours["landed"] == hours["curated"] + hours["duplicates"] + hours["rejected"]).all()
    assert (hours[["duplicates", "conversion_errors"]] == 0).all(axis=None)
    is_week = pd.to_datetime(hours["arrival_hour"]) < pd.Timestamp("2013-01-01")
    week, hour = hours[is_week], hours[~is_week]
    assert len(week) == METR_LA_HOURS
    assert (week["sent"] == METR_LA_RECORDS / METR_LA_HOURS).all()
    assert (week["curated"] == week["sent"]).all()
    # The live hour may lie in two arrival hours; then it is not known how much was sent in which.
    assert hour["landed"].sum() == PORTLAND_RECORDS
    assert hour["rejected"].sum() == PORTLAND_EMPTY
    assert (hour["sent"].dropna() == hour["landed"][hour["sent"].notna()]).all()
