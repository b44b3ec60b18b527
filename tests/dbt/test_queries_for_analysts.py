"""The queries that analysts begin with run in their workgroup and answer what their titles say, worked by hand.

Segment s is 2 km with a limit of 90, u is 1 km with 60; each has one sensor that reports every 5 minutes. s was seen
through a whole hour twice, at 45 km/h and eight days before at 30; u once, at 60. 18:00 UTC is 10:00 in Los Angeles.
"""

import math
from datetime import UTC, datetime
from pathlib import Path

import awswrangler as wr
import boto3
import pytest
from dbt_lake import SOURCES, append, at, create_sources, delete, land, replace

from infra.aws.lake.queries import queries
from infra.settings import settings
from ingestion.contract import iceberg
from ingestion.iceberg_catalog import open_catalog

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

SQL = {query.name: query.sql for query in queries()}
EPISODES = "marts.congestion_episodes"
ARRIVAL = at("2024-01-10 19:00")
EVER = at("2000-01-01")


def on(segment_id):
    length_km, limit = (2.0, 90.0) if segment_id == "s" else (1.0, 60.0)
    return {
        "segment_id": segment_id,
        "corridor_id": f"corridor of {segment_id}",
        "zone_id": "z",
        "lanes": 1,
        "length_km": length_km,
        "speed_limit_kmh": limit,
        "valid_from": EVER,
    }


def five_minutes(sensor_id, day, minute, volume, speed):
    return {
        "sensor_id": sensor_id,
        "interval_start": at(f"{day} 18:{minute:02}"),
        "samples_expected": 1,
        "samples_observed": 1,
        "volume_veh": volume,
        "speed_kmh": speed,
        "quality_flags": [],
        "interval_s": 300,
    }


def episode(started, cleared, delay):
    return {
        "segment_id": "s",
        "zone_id": "z",
        "level": "WARNING",
        "started_at": at(f"2024-01-10 {started}"),
        "cleared_at": cleared and at(f"2024-01-10 {cleared}"),
        "worst_congestion_index": 85.0,
        "delay_veh_h": delay,
    }


@pytest.fixture(scope="module")
def lake(dbt):
    """A lake with every table that a query names."""
    create_sources()
    for name in SOURCES:
        replace(name, [])
    replace("reference.segments", [on("s"), on("u")])
    replace("reference.sensors", [{**on(name), "sensor_id": name, "lane": 1, "interval_s": 300} for name in "su"])
    replace("reference.zones", [{"zone_id": "z", "name": "Old town"}])
    hours = [("2024-01-02", 30.0), ("2024-01-10", 45.0)]
    intervals = [five_minutes("s", day, minute, 10.0, speed) for day, speed in hours for minute in range(0, 60, 5)]
    replace("curated.sensor_5min", [*intervals, five_minutes("u", "2024-01-10", 0, 12.0, 60.0)])
    landed = {"arrival_hour": ARRIVAL, "source_file": land("readings", ARRIVAL, "x-2024-01-10-19-00-00-a", 2)}
    key = {**landed, "source_row": 0, "sensor_id": "s", "ts": at("2024-01-10 18:00")}
    append("curated.landed_keys", [key])
    append("curated.readings", [{**key, "arrived_at": ARRIVAL, "quality_flags": []}])
    refused = {"arrived_at": ARRIVAL, "source_kind": "landing", "sensor_id": "s", "original": "{}"}
    reasons = ["no_measurement", "speed_out_of_range"]
    append("curated.rejected_readings", [{**landed, **refused, "source_row": 1, "reasons": reasons}])
    dbt("build", "--full-refresh", "--resource-type", "seed", "--resource-type", "model")
    schema, partitions = iceberg.table_schema(EPISODES), iceberg.partition_spec(EPISODES)
    open_catalog().create_table_if_not_exists(EPISODES, schema, partition_spec=partitions)
    replace(EPISODES, [episode("18:00", "18:30", 2.0), episode("19:00", None, 1.0)])


def ask(sql):
    """Return the rows of a query that an analyst starts."""
    group = settings().analysts_workgroup
    return wr.athena.read_sql_query(sql, "marts", workgroup=group, ctas_approach=False).to_dict("records")


def part(rows, *columns):
    return [tuple(row[column] for column in columns) for row in rows]


def test_the_worst_corridor_comes_first_and_older_days_do_not_count(lake):
    (worst, other) = ask(SQL["worst_corridors"])
    # 12 intervals of 10 vehicles on 2 km: 240 ÷ 45 hours instead of 240 ÷ 90.
    assert (worst["corridor_id"], worst["segments"]) == ("corridor of s", 1)
    assert worst["delay_veh_h"] == pytest.approx(240 / 45 - 240 / 90)
    assert (worst["speed_kmh"], worst["travel_time_index"]) == pytest.approx((45, 2))
    assert worst["observed_share"] == pytest.approx(12 / 288)
    assert (other["delay_veh_h"], other["travel_time_index"]) == pytest.approx((0, 1))


def test_delay_of_a_zone_is_that_of_its_mean_day(lake):
    (row,) = ask(SQL["delay_by_zone"])
    assert (row["zone_name"], row["day_type"], row["days"]) == ("Old town", "weekday", 2)
    delays = (240 / 30 - 240 / 90, 240 / 45 - 240 / 90)
    assert row["delay_veh_h_per_day"] == pytest.approx(sum(delays) / 2)
    assert row["delay_share_of_vht"] == pytest.approx(sum(delays) / (240 / 30 + 240 / 45 + 12 / 60))


def test_a_typical_weekday_is_of_the_segment_with_most_delay(lake):
    (hour,) = ask(SQL["weekday_profile"])
    assert (hour["segment_id"], hour["local_hour"], hour["days"]) == ("s", 10, 2)
    assert (hour["speed_kmh_p10"], hour["speed_kmh_p90"], hour["volume_veh"]) == pytest.approx((30, 45, 120))


def test_free_flow_is_compared_with_the_limit(lake):
    rows = ask(SQL["free_flow_and_limit"])
    columns = ("segment_id", "speed_limit_kmh", "free_flow_observed_kmh", "above_limit_kmh", "intervals")
    assert part(rows, *columns) == [("s", 90, 45, -45, 24), ("u", 60, 60, 0, 1)]


def test_what_was_not_observed_is_counted_in_samples(lake):
    rows = ask(SQL["share_observed"])
    assert part(rows, "segment_id", "unreliable_days", "samples_missing") == [("u", 1, 287), ("s", 1, 276)]


def test_a_row_counts_for_each_reason_that_it_was_rejected_for(lake):
    rows = ask(SQL["rejected_readings"])
    assert sorted(part(rows, "reason", "readings", "example_sensor_id")) == [
        ("no_measurement", 1, "s"),
        ("speed_out_of_range", 1, "s"),
    ]


def test_reconciliation_adds_up(lake):
    (day,) = ask(SQL["reconciliation"])
    counted = ("hours", "hours_with_sent", "landed", "curated", "duplicates", "rejected", "unbalanced_hours")
    assert part([day], *counted) == [(1, 0, 2, 1, 0, 1, 0)]


def test_an_episode_is_open_until_it_is_cleared(lake):
    assert part(ask(SQL["open_episodes"]), "corridor_id", "started_at") == [("corridor of s", at("2024-01-10 19:00"))]
    (row,) = ask(SQL["episodes_by_zone"])
    assert (row["episodes"], row["minutes_median"], row["delay_veh_h"]) == (2, 30, 3)


def test_what_changed_is_what_time_travel_still_sees(lake):
    built = datetime.now(UTC)
    delete("marts.congestion_daily", "local_date == '2024-01-02'")
    sql, yesterday = SQL["changed_since_yesterday"], "(current_timestamp - interval '1' day)"
    assert yesterday in sql
    (row,) = ask(sql.replace(yesterday, f"timestamp '{built:%Y-%m-%d %H:%M:%S.%f} UTC'"))
    assert row["delay_veh_h_before"] == pytest.approx(240 / 30 - 240 / 90)
    assert row["samples_observed_before"] == 12
    assert math.isnan(row["samples_observed_now"])


def test_no_query_is_left_out():
    tests = Path(__file__).read_text()
    tested = {name for name in SQL if f'SQL["{name}"]' in tests}
    assert tested == set(SQL)


def test_results_lie_where_the_workgroup_says_whatever_the_client_wants(lake):
    city, athena = settings(), boto3.client("athena")
    elsewhere = {"OutputLocation": f"s3://{city.results_bucket}/elsewhere/"}
    asked = {"QueryString": "select 1", "ResultConfiguration": elsewhere, "WorkGroup": city.analysts_workgroup}
    started = athena.start_query_execution(**asked)["QueryExecutionId"]
    found = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["ResultConfiguration"]
    assert found["OutputLocation"].startswith(f"s3://{city.results_bucket}/analysts/")
