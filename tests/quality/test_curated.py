from datetime import datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from ingestion.contract.expectations import curated_expectations
from ingestion.contract.spark import curated_schema
from quality.curated import validate
from quality.results import ExpectationsFailedError

ARRIVED = datetime(2026, 3, 2, 8, 5)


@pytest.fixture(scope="module")
def spark():
    active = SparkSession.getActiveSession()
    session = active or (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    if active is None:
        session.stop()


def a_reading(**changes):
    reading = dict.fromkeys(curated_schema().names) | {
        "sensor_id": "a",
        "ts": datetime(2026, 3, 2, 8),
        "vehicle_count": 7,
        "speed_kmh": 88.5,
        "quality_flags": [],
        "arrived_at": ARRIVED,
        "arrival_hour": datetime(2026, 3, 2, 8),
        "source_file": "s3://raw/o",
        "source_row": 0,
    }
    return reading | changes


def validated(spark, *readings):
    # The frame is nullable throughout, as a table read back is: a null must be found, not refused by the test.
    rows = [tuple(reading[name] for name in curated_schema().names) for reading in readings]
    schema = curated_schema()
    for field in schema:
        field.nullable = True
    return validate(spark.createDataFrame(rows, schema))


def what_fails(spark, *readings) -> list[str]:
    with pytest.raises(ExpectationsFailedError) as failure:
        validated(spark, *readings)
    return [outcome.what for outcome in failure.value.results[0].failures]


def test_a_sound_batch_passes_and_says_how_much_was_checked(spark):
    informative = a_reading(sensor_id="c", battery_pct=120.0, quality_flags=["reported_value_out_of_range"])
    result = validated(spark, a_reading(), a_reading(sensor_id="b", vehicle_count=None, battery_pct=50.0), informative)
    assert result.success
    assert result.rows == 3
    assert len(result.outcomes) == len(curated_expectations())


def test_an_empty_batch_passes(spark):
    assert validated(spark).rows == 0


def test_what_curation_should_have_refused_fails_the_audit(spark):
    wrong = [
        {"vehicle_count": -1},
        {"speed_kmh": 900.0},
        {"occupancy_pct": 100.5},
        {"battery_pct": 120.0},
        {"sensor_id": ""},
        {"ts": datetime(1999, 12, 31)},
        {"source_file": None},
    ]
    batch = [a_reading(**({"sensor_id": f"s{number}"} | changes)) for number, changes in enumerate(wrong)]
    failures = what_fails(spark, a_reading(), *batch)
    assert sorted(what.split()[0] for what in failures) == sorted(next(iter(changes)) for changes in wrong)


def test_a_key_twice_a_time_ahead_of_its_arrival_and_an_unknown_flag_fail_with_samples(spark):
    ahead = a_reading(sensor_id="b", ts=ARRIVED + timedelta(minutes=6))
    haunted = a_reading(sensor_id="c", quality_flags=["haunted"])
    with pytest.raises(ExpectationsFailedError) as failure:
        validated(spark, a_reading(), a_reading(source_row=1), ahead, haunted)
    summary, *rules, next_step = str(failure.value).splitlines()
    assert summary.startswith("curated.readings: 3 of ")
    assert [rule.split(":")[0] for rule in rules] == [
        "  - (sensor_id, ts) is unique",
        "  - every quality flag is one that the contract declares",
        "  - ts is at most 5 minutes ahead of the arrival",
    ]
    assert "'readings': 2" in rules[0]
    assert "haunted" in rules[1]
    assert "Nothing was published" in next_step
