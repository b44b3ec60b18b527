"""A city of these tests' own on the endpoint: its table and bucket, and the functions' variables that name them."""

from collections.abc import Iterator

import boto3
import pytest

from infra.alert_definitions import EXPIRY, function_variables
from infra.home.alerts import _create_table
from infra.settings import CitySettings
from ingestion.alerts import store
from tests.ingestion.alerts.faults import start_anew


@pytest.fixture(scope="session")
def city(endpoint: str) -> CitySettings:
    """A city whose table is as the home makes it; no function of the endpoint reads or writes there."""
    assert endpoint
    found = CitySettings(stage="alerttests")
    boto3.client("s3").create_bucket(Bucket=found.lake_bucket)
    _create_table(found)
    # Times of these tests are fixed, and what they write would have expired.
    boto3.client("dynamodb").update_time_to_live(
        TableName=found.state_table, TimeToLiveSpecification={"Enabled": False, "AttributeName": EXPIRY}
    )
    return found


@pytest.fixture
def state_table(city: CitySettings) -> store.Table:
    """The city's table, empty."""
    dynamodb = boto3.client("dynamodb")
    for page in dynamodb.get_paginator("scan").paginate(TableName=city.state_table):
        for item in page["Items"]:
            key = {name: item[name] for name in ("segment_id", "ts")}
            dynamodb.delete_item(TableName=city.state_table, Key=key)
    return store.Table(dynamodb, city.state_table)


@pytest.fixture
def as_function(city: CitySettings, state_table: store.Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process be a function of the city that has just started."""
    for name, value in function_variables(city).items():
        monkeypatch.setenv(name, value)
    start_anew()
    yield
    start_anew()
