"""What a run tells CloudWatch is what the marts say, and CloudWatch gives it back under the stage's name."""

from datetime import datetime, timedelta

import boto3
import pyarrow as pa
import pytest

from infra.runners import metrics
from infra.settings import CitySettings
from ingestion.iceberg_catalog import open_catalog

NOW = datetime(2026, 3, 9, 12, 30)
HOUR = timedelta(hours=1)


@pytest.fixture
def marts(endpoint):
    """Make tables of hours in the database `marts`: `marts("congestion_hourly", "hour_start", {hour: balanced})`."""
    catalog, made = open_catalog(), []

    def make(name, column, hours):
        rows = {column: pa.array(hours, pa.timestamp("us")), "is_balanced": pa.array(hours.values(), pa.bool_())}
        made.append(f"marts.{name}")
        catalog.create_table(made[-1], pa.table(rows).schema).append(pa.table(rows))

    yield make
    for name in made:
        catalog.drop_table(name)


def published(stage, name):
    metric = {"Namespace": "trafficlake", "MetricName": name, "Dimensions": [{"Name": "stage", "Value": stage}]}
    query = {"Id": "found", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Maximum"}}
    now = datetime.now()
    answer = boto3.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=now - timedelta(days=1), EndTime=now + timedelta(days=1)
    )
    return answer["MetricDataResults"][0]["Values"]


def test_hours_that_do_not_balance_are_counted_however_old_they_are(marts):
    balanced = {NOW - HOUR: True, NOW - 2 * HOUR: False, NOW - timedelta(days=400): False}
    marts("reconciliation_hourly", "arrival_hour", balanced)
    metrics.publish(open_catalog(), CitySettings(stage="balance"), NOW)
    assert published("balance", "UnbalancedHours") == [2]


def test_a_lake_in_which_all_hours_balance_says_so(marts):
    marts("reconciliation_hourly", "arrival_hour", {NOW: True})
    metrics.publish(open_catalog(), CitySettings(stage="even"), NOW)
    assert published("even", "UnbalancedHours") == [0]


def test_the_marts_age_is_that_of_the_end_of_their_newest_hour(marts):
    marts("congestion_hourly", "hour_start", {datetime(2026, 3, 9, 9): True, datetime(2026, 3, 9, 8): True})
    metrics.publish(open_catalog(), CitySettings(stage="age"), NOW)
    assert published("age", "MartFreshnessHours") == [2.5]


def test_marts_are_not_younger_than_now_while_their_newest_hour_lasts(marts):
    marts("congestion_hourly", "hour_start", {datetime(2026, 3, 9, 12): True})
    assert metrics.mart_age_h(open_catalog(), NOW) == 0


def test_marts_that_are_not_there_say_nothing(endpoint):
    metrics.publish(open_catalog(), CitySettings(stage="empty"), NOW)
    assert published("empty", "UnbalancedHours") == published("empty", "MartFreshnessHours") == []
