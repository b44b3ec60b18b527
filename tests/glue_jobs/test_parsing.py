"""Each rule of the contract on one landed row: what it becomes, which flags it carries, why it is refused."""

from datetime import datetime

import pytest
from pyspark.sql.types import StructType

from glue_jobs.landing import PLACE, SOURCE_ROW
from glue_jobs.parsing import parse, rejections, sample_flags
from ingestion.contract.model import load
from ingestion.contract.spark import curated_schema, landing_schema

OBJECT = {
    "source_file": "s3://raw/readings/dt=2026-01-05/hour=08/x-1-2026-01-05-08-00-00-a.parquet",
    "arrival_hour": datetime(2026, 1, 5, 8),
    "object_time": datetime(2026, 1, 5, 8),
}
GOOD = {"sensor_id": "a", "timestamp": "2026-01-05T07:59:40Z", "vehicle_count": 4.0, "avg_speed": 50.0}

# what is tried: (what is sent beside or in place of GOOD, reasons, flags)
CASES = {
    "a good reading": ({}, [], []),
    "no sensor": ({"sensor_id": None}, ["sensor_id_missing"], []),
    "a blank sensor": ({"sensor_id": " "}, ["sensor_id_missing"], []),
    "another device's": ({"topic_sensor_id": "b"}, ["sensor_id_of_another"], []),
    "its own device's": ({"topic_sensor_id": "a"}, [], []),
    "an unreadable time": ({"timestamp": "yesterday"}, ["timestamp_unreadable"], []),
    "a time before 2000": ({"timestamp": "1999-12-31T23:59:59Z"}, ["timestamp_before_2000"], []),
    "the first instant of 2000": ({"timestamp": "2000-01-01T00:00:00Z"}, [], []),
    "five minutes ahead of arrival": ({"timestamp": "2026-01-05T08:10:00Z"}, [], []),
    "more than five minutes ahead": ({"timestamp": "2026-01-05T08:10:00.000001Z"}, ["timestamp_in_future"], []),
    "half a vehicle": ({"vehicle_count": 1.5}, ["vehicle_count_not_whole"], []),
    "a negative count": ({"vehicle_count": -1.0}, ["vehicle_count_out_of_range"], []),
    "a count beyond any road": ({"vehicle_count": 100001.0}, ["vehicle_count_out_of_range"], []),
    "a speed of 900": ({"avg_speed": 900.0}, ["speed_kmh_out_of_range"], ["speed_above_160_kmh"]),
    "a speed beyond the range in mph": (
        {"avg_speed": 190.0, "speed_unit": "MPH"},
        ["speed_kmh_out_of_range"],
        ["speed_above_160_kmh"],
    ),
    "an unknown unit": ({"speed_unit": "knots"}, ["speed_unit_unknown"], []),
    "a blank unit": ({"speed_unit": ""}, [], []),
    "an occupancy over 100": ({"occupancy": 100.5}, ["occupancy_pct_out_of_range"], ["occupancy_above_95_pct"]),
    "nothing measured": ({"vehicle_count": None, "avg_speed": None}, ["no_measurement"], []),
    "nothing at all": (
        dict.fromkeys(GOOD),
        ["sensor_id_missing", "no_measurement"],
        ["timestamp_from_arrival"],
    ),
    "two reasons": (
        {"vehicle_count": -1.0, "occupancy": -2.0},
        ["vehicle_count_out_of_range", "occupancy_pct_out_of_range"],
        [],
    ),
    "a time without zone": ({"timestamp": "2026-01-05T07:59:40"}, [], ["timestamp_without_zone"]),
    "an epoch": ({"timestamp": "1767599980"}, [], []),
    "no time": ({"timestamp": None}, [], ["timestamp_from_arrival"]),
    "a blocked detector": ({"occupancy": 96.0}, [], ["occupancy_above_95_pct"]),
    "a fast speed": ({"avg_speed": 161.0}, [], ["speed_above_160_kmh"]),
    "crawling": ({"avg_speed": 7.9}, [], ["speed_below_8_kmh"]),
    "standing while vehicles pass": ({"avg_speed": 0.0}, [], ["speed_below_8_kmh", "speed_zero_with_count"]),
    "a speed without vehicles": ({"vehicle_count": 0.0}, [], ["speed_without_count"]),
    "occupied without vehicles": (
        {"vehicle_count": 0.0, "avg_speed": None, "occupancy": 3.0},
        [],
        ["occupancy_without_count"],
    ),
    "a device that is not well": ({"status": "ERROR"}, [], ["device_status_not_ok"]),
    "a device that is well, in capitals": ({"status": " Active "}, [], []),
    "an impossible temperature": ({"temperature": 200.0}, [], ["reported_value_out_of_range"]),
}


@pytest.fixture(scope="module")
def parsed(spark):
    rows = [OBJECT | {"source_row": row} | GOOD | sent for row, (sent, _, _) in enumerate(CASES.values())]
    schema = StructType([*landing_schema(), *PLACE, SOURCE_ROW])
    frame = parse(spark.createDataFrame([[row.get(name) for name in schema.names] for row in rows], schema), 300)
    return dict(zip(CASES, sorted(frame.collect(), key=lambda row: row.source_row), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_reasons_and_flags(parsed, case):
    _, reasons, flags = CASES[case]
    assert (parsed[case].reasons, parsed[case].quality_flags) == (reasons, flags)


def test_the_contract_names_every_reason_and_flag(spark):
    contract = load("readings")
    assert [*rejections(contract), "conversion_error"] == list(contract.reason_names)
    assert list(sample_flags(contract)) == [flag.name for flag in contract.flags if flag.scope == "sample"]


def test_columns_are_those_of_the_contract(spark):
    schema = StructType([*landing_schema(), *PLACE, SOURCE_ROW])
    columns = parse(spark.createDataFrame([], schema), 300).schema
    assert [(f.name, f.dataType) for f in columns][: len(curated_schema())] == [
        (f.name, f.dataType) for f in curated_schema()
    ]


def test_miles_become_kilometres(parsed):
    assert parsed["a speed beyond the range in mph"].speed_kmh == pytest.approx(305.77536)


def test_arrival_is_the_last_moment_that_the_buffer_allows(parsed):
    assert parsed["a good reading"].arrived_at == datetime(2026, 1, 5, 8, 5)


def test_a_reading_without_time_gets_that_of_its_row(parsed):
    row = parsed["no time"]
    assert row.ts == datetime(2026, 1, 5, 8, 0, 0, row.source_row)


@pytest.mark.parametrize(
    ("received_at", "arrived_at"),
    [
        ("2026-01-05T08:03:00Z", datetime(2026, 1, 5, 8, 3)),
        ("2026-01-05T09:00:00Z", datetime(2026, 1, 5, 9, 0)),
        ("2026-01-05T09:00:01Z", datetime(2026, 1, 5, 8, 5)),
        ("2031-01-05T08:03:00Z", datetime(2026, 1, 5, 8, 5)),
        ("soon", datetime(2026, 1, 5, 8, 5)),
    ],
)
def test_received_at_counts_where_it_is_plausible(spark, received_at, arrived_at):
    schema = StructType([*landing_schema(), *PLACE, SOURCE_ROW])
    sent = OBJECT | {"source_row": 0} | GOOD | {"timestamp": None, "received_at": received_at}
    row = parse(spark.createDataFrame([[sent.get(name) for name in schema.names]], schema), 300).collect()[0]
    assert row.arrived_at == arrived_at
    assert row.ts == (arrived_at if arrived_at.minute != 5 else datetime(2026, 1, 5, 8))
