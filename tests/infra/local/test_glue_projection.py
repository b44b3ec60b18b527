"""What the engine behind Athena is told of tables with partition projection: the partitions that exist."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local import glue_projection

BUCKET = "trafficlake-local-raw"
KEYS = [{"Name": "dt", "Type": "string"}, {"Name": "hour", "Type": "int"}]
BY_HOUR = {
    "projection.enabled": "true",
    "projection.dt.type": "date",
    "projection.dt.format": "yyyy-MM-dd",
    "projection.dt.range": "2026-01-01,NOW+1DAYS",
    "projection.hour.type": "integer",
    "projection.hour.range": "0,23",
    "projection.hour.digits": "2",
}


@pytest.fixture
def engine(endpoint: str) -> Any:
    return boto3.client("glue", aws_access_key_id="trafficlake-trino", aws_secret_access_key="x")  # noqa: S106


def _table(keys: list[dict[str, str]], template: str | None, parameters: dict[str, str], objects: list[str]) -> str:
    """Create a projected table over objects at `objects` (below the table); returns its name."""
    name = f"t_{uuid4().hex[:8]}"
    location = f"s3://{BUCKET}/{name}/"
    for key in objects:
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/{key}", Body=b"x")
    parameters = parameters | ({"storage.location.template": location + template} if template else {})
    boto3.client("glue").create_table(
        DatabaseName="raw",
        TableInput={
            "Name": name,
            "Parameters": parameters | {"classification": "parquet"},
            "PartitionKeys": keys,
            "StorageDescriptor": {"Columns": [{"Name": "n", "Type": "int"}], "Location": location},
        },
    )
    return name


def _values(engine: Any, table: str, **request: Any) -> list[list[str]]:
    found = engine.get_partitions(DatabaseName="raw", TableName=table, **request)["Partitions"]
    return [entry["Values"] for entry in found]


def test_only_the_engine_sees_a_projected_table_as_a_plain_one(engine: Any) -> None:
    name = _table(KEYS, "dt=${dt}/hour=${hour}/", BY_HOUR, ["dt=2026-02-01/hour=07/a"])
    assert engine.get_table(DatabaseName="raw", Name=name)["Table"]["Parameters"] == {"classification": "parquet"}
    listed = {table["Name"]: table for table in engine.get_tables(DatabaseName="raw")["TableList"]}
    assert listed[name]["Parameters"] == {"classification": "parquet"}
    own = boto3.client("glue")
    assert own.get_table(DatabaseName="raw", Name=name)["Table"]["Parameters"]["projection.enabled"] == "true"
    assert own.get_partitions(DatabaseName="raw", TableName=name)["Partitions"] == []


def test_partitions_are_those_that_hold_objects_within_the_declared_ranges(engine: Any) -> None:
    tomorrow, later = (datetime.now(UTC) + timedelta(days=days) for days in (0.9, 3))
    name = _table(
        KEYS,
        "dt=${dt}/hour=${hour}/",
        BY_HOUR,
        [
            "dt=2026-02-01/hour=07/a", "dt=2026-02-01/hour=07/b", "dt=2026-02-01/hour=23/a",
            f"dt={tomorrow:%Y-%m-%d}/hour=00/a",
            "dt=2025-12-31/hour=07/a", f"dt={later:%Y-%m-%d}/hour=00/a", "dt=2026-02-01/hour=24/a",
            "dt=2026-02-01/hour=7/a", "dt=2026-02-30/hour=07/a", "dt=x/hour=07/a", "dt=2026-02-01/a", "a",
        ],
    )  # fmt: skip
    found = engine.get_partitions(DatabaseName="raw", TableName=name)["Partitions"]
    assert [entry["Values"] for entry in found] == [
        ["2026-02-01", "07"],
        ["2026-02-01", "23"],
        [f"{tomorrow:%Y-%m-%d}", "00"],
    ]
    assert found[0]["StorageDescriptor"]["Location"] == f"s3://{BUCKET}/{name}/dt=2026-02-01/hour=07/"
    assert found[0]["StorageDescriptor"]["Columns"][0]["Name"] == "n"


def test_a_filter_and_segments_hold_for_projected_partitions(engine: Any) -> None:
    objects = [f"dt=2026-02-{day:02}/hour={hour:02}/a" for day in (1, 2, 3) for hour in range(4)]
    name = _table(KEYS, "dt=${dt}/hour=${hour}/", BY_HOUR, objects)
    assert _values(engine, name, Expression="(dt >= '2026-02-02') AND (hour = 3)") == [
        ["2026-02-02", "03"],
        ["2026-02-03", "03"],
    ]
    assert _values(engine, name, Expression="dt = '2026-03-01'") == []
    parts = [_values(engine, name, Segment={"SegmentNumber": part, "TotalSegments": 3}) for part in range(3)]
    assert sorted(entry for part in parts for entry in part) == _values(engine, name)


def test_partitions_are_found_by_their_values(engine: Any) -> None:
    name = _table(KEYS, "dt=${dt}/hour=${hour}/", BY_HOUR, ["dt=2026-02-01/hour=07/a"])
    of_table = {"DatabaseName": "raw", "TableName": name}
    for values in (["2026-02-01", "07"], ["2026-02-01", "7"]):
        found = engine.get_partition(**of_table, PartitionValues=values)["Partition"]
        assert found["StorageDescriptor"]["Location"].endswith("/dt=2026-02-01/hour=07/")
    with pytest.raises(ClientError) as refused:
        engine.get_partition(**of_table, PartitionValues=["2025-02-01", "07"])
    assert refused.value.response["Error"]["Code"] == "EntityNotFoundException"
    wanted = [{"Values": ["2026-02-01", "07"]}, {"Values": ["2026-02-01", "24"]}, {"Values": ["2025-02-01", "07"]}]
    answer = engine.batch_get_partition(**of_table, PartitionsToGet=wanted)
    assert [entry["Values"] for entry in answer["Partitions"]] == [["2026-02-01", "07"]]


def test_a_date_may_span_several_levels_of_folders(engine: Any) -> None:
    parameters = {
        "projection.enabled": "true",
        "projection.day.type": "date",
        "projection.day.format": "yyyy/MM/dd/HH",
        "projection.day.range": "2026/01/01/00,NOW",
    }
    objects = ["data/2026/02/01/07/a", "data/2026/02/01/08/a", "data/2026/02/x/08/a", "data/2025/12/31/23/a"]
    name = _table([{"Name": "day", "Type": "string"}], "data/${day}/", parameters, objects)
    assert _values(engine, name) == [["2026/02/01/07"], ["2026/02/01/08"]]
    assert _values(engine, name, Expression="day > '2026/02/01/07'") == [["2026/02/01/08"]]


def test_without_a_template_partitions_lie_in_hives_layout(engine: Any) -> None:
    parameters = {
        "projection.enabled": "true",
        "projection.city.type": "enum",
        "projection.city.values": "oakland,portland",
        "projection.device.type": "injected",
    }
    keys = [{"Name": "city", "Type": "string"}, {"Name": "device", "Type": "string"}]
    objects = ["city=oakland/device=a/1", "city=portland/device=b/1", "city=unknown/device=c/1"]
    name = _table(keys, None, parameters, objects)
    assert _values(engine, name) == [["oakland", "a"], ["portland", "b"]]


def test_the_engine_cannot_lose_the_projection_when_it_alters_a_table(engine: Any) -> None:
    name = _table(KEYS, "dt=${dt}/hour=${hour}/", BY_HOUR, ["dt=2026-02-01/hour=07/a"])
    table = engine.get_table(DatabaseName="raw", Name=name)["Table"]
    kept = {key: table[key] for key in ("Name", "StorageDescriptor", "PartitionKeys", "Parameters")}
    engine.update_table(DatabaseName="raw", TableInput=kept | {"Parameters": {"comment": "x"}})
    parameters = boto3.client("glue").get_table(DatabaseName="raw", Name=name)["Table"]["Parameters"]
    assert parameters["comment"] == "x"
    assert parameters["projection.dt.range"] == BY_HOUR["projection.dt.range"]
    assert parameters["storage.location.template"].endswith("dt=${dt}/hour=${hour}/")


def test_a_year_of_hours_is_listed_at_once(engine: Any) -> None:
    table = {
        "PartitionKeys": KEYS,
        "StorageDescriptor": {"Location": "s3://b/t/"},
        "Parameters": BY_HOUR | {"projection.dt.range": "2025-01-01,2025-12-31"},
    }
    first = datetime(2025, 1, 1)
    hours = [first + timedelta(hours=number) for number in range(365 * 24)]
    keys = [f"dt={hour:%Y-%m-%d}/hour={hour:%H}/{number}" for hour in hours for number in range(3)]
    begin = time.process_time()
    found = glue_projection.existing(table, lambda _address: keys)
    assert found == [[f"{hour:%Y-%m-%d}", f"{hour:%H}"] for hour in hours]
    assert time.process_time() - begin < 2
