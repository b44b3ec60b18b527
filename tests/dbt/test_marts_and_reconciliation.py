"""One city's hour worked by hand, and what happens to it when readings, sensors and free-flow speeds change.

Segment s: 3 lanes, two with sensors a and b (15 samples in 5 minutes), 2 km, limit 90. Segment p: a probe that sends
speeds only, 1.5 km, 1200 veh/h assumed. Segment q: a probe without an assumed flow, outside every zone.
2024-01-10 18:00 UTC is Wednesday 10:00 in Los Angeles.
"""

import awswrangler as wr
import pandas as pd
import pytest
from dbt_lake import append, at, create_sources, delete, land, replace, rows_of

from dashboards import formula, spec
from dashboards.page.cubes import visual_sql
from dashboards.tables import tables
from infra import dashboard_data
from infra.athena import ask
from ingestion.iceberg_catalog import open_catalog

# Building all models takes more than a minute.
pytestmark = pytest.mark.slow

MARTS = {
    "congestion_hourly": ("segment_id", "hour_start"),
    "congestion_daily": ("segment_id", "local_date"),
    "zone_congestion_hourly": ("zone_id", "hour_start"),
    "zone_congestion_daily": ("zone_id", "local_date"),
    "reconciliation_hourly": ("arrival_hour",),
    "int_segment__5min": ("segment_id", "interval_start"),
}
EVER = at("2000-01-01")
IN_Z = {"corridor_id": "c", "zone_id": "z"}
ON_S = {**IN_Z, "lanes": 3, "length_km": 2.0, "capacity_veh_h": 6000.0, "speed_limit_kmh": 90.0}
ON_P = {**IN_Z, "length_km": 1.5, "assumed_flow_veh_h": 1200.0}
HOUR = at("2024-01-10 18:00")
ARRIVAL = at("2024-01-10 19:00")


def sensor(sensor_id, segment_id, **attributes):
    return {"length_km": 1.0, "valid_from": EVER, **attributes, "sensor_id": sensor_id, "segment_id": segment_id}


def segment(segment_id, **attributes):
    return {"length_km": 1.0, "valid_from": EVER, **attributes, "segment_id": segment_id}


def five_minutes(sensor_id, time, volume, speed, *, observed=15, expected=15):
    return {
        "sensor_id": sensor_id,
        "interval_start": at(time),
        "samples_expected": expected,
        "samples_observed": observed,
        "volume_veh": volume,
        "speed_kmh": speed,
        "quality_flags": [],
        "interval_s": 300 // expected,
    }


def probe(sensor_id, time, speed):
    return five_minutes(sensor_id, time, None, speed, observed=1, expected=1)


def pending(kind, *hours):
    replace("curated.pending_hours", [{"kind": kind, "hour_start": hour} for hour in hours])


def key_row(file, row, sensor_id, minute, hour=ARRIVAL):
    return {
        "arrival_hour": hour,
        "source_file": file,
        "source_row": row,
        "sensor_id": sensor_id,
        "ts": at(f"2024-01-10 18:{minute:02}"),
    }


def write_registry(segment_of_b="s", segment_of_q="q"):
    replace(
        "reference.sensors",
        [
            sensor("a", "s", lane=1, interval_s=20, **ON_S),
            sensor("b", segment_of_b, lane=2, interval_s=20, **(ON_S if segment_of_b == "s" else {})),
            sensor("p", "p", interval_s=300, **ON_P),
            sensor("q", segment_of_q, interval_s=300),
        ],
    )
    others = {segment_of_b, segment_of_q} - {"s"}
    replace("reference.segments", [segment("s", **ON_S), segment("p", **ON_P), *map(segment, sorted(others))])


def write_readings():
    """Write four hours of arrivals; see `test_each_term_is_counted_from_its_own_table`."""
    archive = land("readings", ARRIVAL, "archive-1-2024-01-10-19-00-00-aa.parquet", 5)
    stream = land("readings", ARRIVAL, "trafficlake-local-raw-1-2024-01-10-19-20-00-bb.parquet", 2)
    errors = land("errors", ARRIVAL, "trafficlake-local-raw-1-2024-01-10-19-20-00-cc", 1)
    late = land("readings", at("2024-01-10 20:00"), "trafficlake-local-raw-1-2024-01-10-20-30-00-dd.parquet", 1)
    lost = land("readings", at("2024-01-10 22:00"), "trafficlake-local-raw-1-2024-01-10-22-30-00-ee.parquet", 1)
    shared = land("readings", at("2024-01-10 23:00"), "trafficlake-local-raw-1-2024-01-10-23-30-00-ff.parquet", 2)
    # Landed, but not curated yet: no term may count it.
    land("readings", ARRIVAL, "trafficlake-local-raw-1-2024-01-10-19-50-00-gg.parquet", 9)
    delete("curated.processed_objects", "etag == 'trafficlake-local-raw-1-2024-01-10-19-50-00-gg.parquet'")
    for hour, documents, first, last in (
        ("19:00", 8, "19:20", "19:21"),
        ("20:00", 5, "20:30", "20:58"),
        ("22:00", 3, "22:30", "22:31"),
        ("23:00", 1, "23:30", "23:31"),
    ):
        batch = {
            "batch_id": hour,
            "documents": documents,
            "first_sent_at": at(f"2024-01-10 {first}"),
            "last_sent_at": at(f"2024-01-10 {last}"),
            "via": "kinesis",
        }
        land("sent", at(f"2024-01-10 {hour}"), f"{hour[:2]}.parquet", [batch])
    keys = [
        *(key_row(archive, row, "a", row) for row in range(4)),
        key_row(stream, 0, "a", 0),
        key_row(stream, 1, "a", 1),
        key_row(late, 0, "a", 2, at("2024-01-10 20:00")),
        key_row(lost, 0, "a", 10, at("2024-01-10 22:00")),
        key_row(shared, 0, "a", 11, at("2024-01-10 23:00")),
        key_row(shared, 1, "a", 12, at("2024-01-10 23:00")),
    ]
    append("curated.landed_keys", keys)
    winners = [keys[3], *keys[4:]]
    append("curated.readings", [{**row, "arrived_at": row["arrival_hour"], "quality_flags": []} for row in winners])
    refused = {"arrival_hour": ARRIVAL, "arrived_at": ARRIVAL, "reasons": ["no_measurement"], "original": "{}"}
    append(
        "curated.rejected_readings",
        [
            {**refused, "source_file": archive, "source_row": 4, "source_kind": "landing"},
            {**refused, "source_file": errors, "source_row": 0, "source_kind": "delivery_error"},
        ],
    )


@pytest.fixture(scope="module")
def marts(dbt):
    """The marts as first built, by name; dbt's own tests have passed."""
    create_sources()
    write_registry()
    write_readings()
    replace(
        "curated.sensor_5min",
        [
            five_minutes("a", "2024-01-10 18:00", 20.0, 100.0),
            five_minutes("b", "2024-01-10 18:00", 10.0, 50.0, observed=12),
            five_minutes("a", "2024-01-10 18:05", 20.0, 80.0),
            five_minutes("a", "2024-01-10 18:10", 0.0, None),
            five_minutes("b", "2024-01-10 18:10", 0.0, None),
            five_minutes("a", "2024-01-10 18:15", 9.0, None),
            five_minutes("b", "2024-01-10 18:15", 9.0, None),
            five_minutes("a", "2024-01-10 18:20", None, None, observed=0),
            probe("p", "2024-01-10 18:00", 60.0),
            probe("p", "2024-01-10 18:05", 30.0),
            probe("q", "2024-01-10 18:00", 60.0),
            five_minutes("a", "2024-01-09 12:00", 20.0, 100.0),
            {**five_minutes("nobody knows me", "2024-01-10 18:00", 7.0, 50.0), "samples_expected": None},
        ],
    )
    pending("event", HOUR, at("2024-01-09 12:00"))
    dbt("build")
    return read_marts()


@pytest.fixture(scope="module")
def changed_marts(dbt, marts):
    """The marts after an off-peak hour of p, a corrected reading, and a move of b and q; two hours are pending."""
    write_registry(segment_of_b="t", segment_of_q="r")
    delete("curated.sensor_5min", "sensor_id == 'a' and interval_start >= '2024-01-10T18:05:00'")
    delete("curated.sensor_5min", "interval_start == '2024-01-09T12:00:00'")
    append(
        "curated.sensor_5min",
        [
            five_minutes("a", "2024-01-10 18:05", 40.0, 80.0),
            five_minutes("a", "2024-01-09 12:00", 90.0, 30.0),
            probe("p", "2024-01-11 03:00", 90.0),
        ],
    )
    pending("event", HOUR, at("2024-01-11 03:00"))
    dbt("run")
    return read_marts()


@pytest.fixture(scope="module")
def caught_up(dbt, changed_marts):
    """The marts after the rest of the changed hours: first recomputed, then built from nothing."""
    delete("curated.readings", "ts == '2024-01-10T18:03:00'")
    append("curated.pending_hours", [{"kind": "event", "hour_start": at("2024-01-09 12:00")}])
    append("curated.pending_hours", [{"kind": "arrival", "hour_start": ARRIVAL}])
    dbt("run")
    recomputed = read_marts()
    dbt("run", "--full-refresh")
    return recomputed, read_marts()


def read_marts():
    return {name: rows_of(f"marts.{name}", *keys) for name, keys in MARTS.items()}


def subset(row, expected):
    return {name: row[name] for name in expected}


def test_an_hour_of_lanes_gaps_and_missing_speeds(marts):
    row = marts["congestion_hourly"]["s", HOUR]
    # 10:00 30 veh on 2 of 3 lanes at 30 ÷ (0.2 + 0.2) = 75 km/h; 10:05 20 veh on 1 lane at 80; 10:10 nobody;
    # 10:15 18 veh without a speed; 10:20 nothing usable.
    vkt = [45 * 2, 60 * 2, 0, 27 * 2]
    vht = [90 / 75, 120 / 80, 0]
    index = [100 * 15 / 72, 100 * 10 / 72, 0, 100 * 27 / 500]
    share = [27 / 45, 15 / 45, 30 / 45, 30 / 45]
    expected = {
        "corridor_id": "c",
        "zone_id": "z",
        "local_hour": 10,
        "day_type": "weekday",
        "volume_veh": 45 + 60 + 0 + 27,
        "vkt": sum(vkt),
        "vht": sum(vht),
        "speed_kmh": (90 + 120) / sum(vht),
        "free_flow_kmh": 90,
        "delay_veh_h": (1.2 - 1) + (1.5 - 120 / 90),
        "travel_time_index": sum(vht) / (210 / 90),
        "congestion_index_avg": sum(i * s for i, s in zip(index, share, strict=True)) / sum(share),
        "congestion_index_min": 0,
        "congestion_index_max": index[0],
        "congested_minutes": 10,
        "observed_share": (27 + 15 + 30 + 30) / (12 * 45),
        "is_reliable": False,
    }
    assert subset(row, expected) == pytest.approx(expected)
    assert row["local_date"].isoformat() == "2024-01-10"


def test_speeds_without_counts_are_weighted_by_the_assumed_flow(marts):
    row = marts["congestion_hourly"]["p", HOUR]
    free_flow = 30 + 0.85 * 30
    expected = {
        "volume_veh": 200,
        "vkt": 300,
        "vht": 150 / 60 + 150 / 30,
        "speed_kmh": 40,
        "free_flow_kmh": free_flow,
        "delay_veh_h": 150 / 30 - 150 / free_flow,
        "volume_basis": "assumed",
    }
    assert subset(row, expected) == pytest.approx(expected)


def test_without_any_volume_the_amounts_are_unknown_and_the_speed_is_not(marts):
    row = marts["congestion_hourly"]["q", HOUR]
    unknown = ("volume_veh", "vkt", "vht", "delay_veh_h", "volume_basis")
    assert subset(row, unknown) == dict.fromkeys(unknown)
    assert (row["speed_kmh"], row["travel_time_index"], row["observed_share"]) == (60, 1, pytest.approx(1 / 12))


def test_a_sensor_that_the_registry_does_not_know_is_in_no_mart(marts):
    assert {segment_id for segment_id, _ in marts["congestion_hourly"]} == {"s", "p", "q"}


def test_zones_and_days_are_sums_of_the_same_five_minutes(marts):
    hours, days = marts["congestion_hourly"], marts["congestion_daily"]
    day = at("2024-01-10").date()
    assert days["s", day]["delay_veh_h"] == pytest.approx(hours["s", HOUR]["delay_veh_h"], rel=1e-9)
    zone = marts["zone_congestion_daily"]["z", day]
    both = [hours["s", HOUR], hours["p", HOUR]]
    for measure in ("volume_veh", "vkt", "vht", "delay_veh_h", "congested_minutes"):
        assert zone[measure] == pytest.approx(sum(row[measure] for row in both), rel=1e-9)
    assert zone["speed_kmh"] == pytest.approx((210 + 300) / (2.7 + 7.5))
    # 45 samples of s and 1 of p in each of the day's 288 intervals.
    assert zone["observed_share"] == pytest.approx((102 + 2) / (46 * 288))
    assert ("unassigned", day) in marts["zone_congestion_daily"]


def test_each_term_is_counted_from_its_own_table(marts):
    terms = ("sent", "landed", "conversion_errors", "curated", "duplicates", "rejected", "is_balanced")
    found = {hour.hour: tuple(row[term] for term in terms) for hour, row in marts["reconciliation_hourly"].items()}
    assert found == {
        # Seven rows: one refused; of the six valid ones the keys of minutes 0 and 1 came twice, and minute 2 was
        # superseded in the next hour.
        19: (8, 7, 1, 3, 3, 1, True),
        # Sent on the edge of the hour: what was sent in it cannot be told.
        20: (None, 1, 0, 1, 0, 0, True),
        # Three sent, one landed: a loss.
        22: (3, 1, 0, 1, 0, 0, False),
        # More landed than the ledger says: others send too.
        23: (None, 2, 0, 2, 0, 0, True),
    }


def test_segments_that_sent_nothing_are_expected_in_every_hour_and_day(marts):
    # In the hour that begins 2024-01-09 12:00 UTC (04:00 local) only s sent, 15 of 12 × 45 samples. p and q are
    # expected once in 5 minutes; "nobody knows me" never.
    day = "local_date = date '2024-01-09'"
    samples = "segment_id, zone_id, day_type, delay_veh_h is null, samples_observed, samples_expected, observed_share"
    hours = ask(f"select {samples} from marts.segment_hours where {day} and local_hour = 4 order by 1").rows
    days = ask(f"select {samples} from marts.segment_days where {day} order by 1").rows
    assert [tuple(row) for row in hours.astype(object).where(hours.notna(), None).to_numpy()] == [
        ("p", "z", "weekday", True, 0, 12, 0),
        ("q", None, "weekday", True, 0, 12, 0),
        ("s", "z", "weekday", False, 15, 540, pytest.approx(15 / 540)),
    ]
    assert days[["samples_observed", "samples_expected"]].to_numpy().tolist() == [[0, 288], [0, 288], [15, 12960]]
    # Nobody sent in the hours from then to 2024-01-10 18:00 UTC, the newest; before and after, nothing is expected.
    silent = "segment_id, count(*), min(hour_start), max(hour_start), sum(samples_expected)"
    until, other_hours = at("2024-01-10 17:00"), 29
    by_segment = ask(
        f"select {silent} from marts.segment_hours where samples_observed = 0 and hour_start <> timestamp "
        "'2024-01-09 12:00:00' group by 1 order by 1"
    ).rows
    assert by_segment.to_numpy().tolist() == [
        [name, other_hours, at("2024-01-09 13:00"), until, other_hours * expected]
        for name, expected in (("p", 12), ("q", 12), ("s", 540))
    ]


def test_the_dashboards_expect_of_a_zone_what_its_mart_expects(marts):
    held = dashboard_data.read(spec.load(), open_catalog(), lambda count: None).cubes["segment_days.coarse"]
    terms = [formula.aggregate_sql(part) for part in held.cube.terms]
    expected = f"t{terms.index('cast(sum(samples_expected) as double)')}"
    rows = held.rows[held.rows["zone_id"] == "z"]
    by_day = rows.groupby(pd.to_datetime(rows["local_date"]).dt.date)[expected].sum()
    zones = {day: row["samples_expected"] for (zone, day), row in marts["zone_congestion_daily"].items() if zone == "z"}
    assert by_day.to_dict() == pytest.approx(zones, rel=1e-9)


@pytest.mark.parametrize("visual", ["now_figures", "cost_figures"])
def test_the_sql_that_the_page_shows_of_its_figures_can_be_asked(marts, visual):
    (shown,) = (each for dashboard in spec.load().dashboards for each in dashboard.visuals if each.id == visual)
    row = ask(visual_sql(spec.load().datasets[shown.dataset], shown)).rows.iloc[0]
    assert row["delay"] == pytest.approx(sum(each["delay_veh_h"] or 0 for each in marts["congestion_hourly"].values()))
    # q has a speed alone, and no part in a speed over vehicles: 90 + 120 vkt of s and 150 + 150 of p in that hour, and
    # 60 vehicles of s over 2 km at 100 km/h the day before.
    hours = 90 / 75 + 120 / 80 + 150 / 60 + 150 / 30
    assert row["speed"] == pytest.approx((90 + 120 + 300 + 120) / (hours + 120 / 100))


# Names of Iceberg for what Athena's queries call otherwise.
ATHENA_TYPES = {"string": "varchar", "int": "integer", "long": "bigint"}


def test_the_tables_have_the_columns_and_types_that_dbt_declares(marts):
    for table in tables().values():
        if not table.dbt_reference.startswith("ref("):
            continue
        if table.behind:
            stored = wr.catalog.get_table_types(*table.name.split("."))
        else:
            fields = open_catalog().load_table(table.name).schema().fields
            stored = {field.name: str(field.field_type) for field in fields}
        assert {name: ATHENA_TYPES.get(kind, kind) for name, kind in stored.items()} == table.types, table.name


def test_only_the_pending_hours_are_recomputed(marts, changed_marts):
    untouched = ("s", at("2024-01-09 12:00"))
    assert changed_marts["congestion_hourly"][untouched] == marts["congestion_hourly"][untouched]
    # 60 + 0.85 × 2 − 1 of the way from 60 to 90; its older hours follow, though they were not pending alone.
    assert changed_marts["congestion_hourly"]["p", HOUR]["free_flow_kmh"] == pytest.approx(60 + 0.7 * 30)


def test_rows_of_a_segment_that_lost_its_sensor_vanish(changed_marts):
    hours = changed_marts["congestion_hourly"]
    assert {segment_id for segment_id, hour in hours if hour == HOUR} == {"s", "t", "p", "r"}
    # Lane 2 is gone from s: 20 and 40 vehicles on 1 of 3 lanes.
    assert hours["s", HOUR]["volume_veh"] == pytest.approx(60 + 120)


def test_a_reading_removed_from_curated_unbalances_its_hour(caught_up):
    recomputed, _ = caught_up
    row = recomputed["reconciliation_hourly"][ARRIVAL]
    assert (row["landed"], row["curated"], row["duplicates"], row["is_balanced"]) == (7, 2, 3, False)


def test_recomputed_hours_equal_a_build_from_nothing_row_for_row(caught_up):
    recomputed, rebuilt = caught_up
    assert recomputed == rebuilt
