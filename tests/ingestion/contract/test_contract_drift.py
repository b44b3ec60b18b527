"""Every artefact that is made from the contracts says the same, and the landing layout is what senders rely on."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from ingestion.contract import __main__ as command
from ingestion.contract import arrow, dbt_sources, expectations, glue, iceberg, model, spark

ROOT = Path(__file__).resolve().parents[3]
TABLES = sorted(model.tables())
ICEBERG_TABLES = [name for name in TABLES if not name.startswith("raw.")]
# What Firehose converts with and devices rely on; changing it is changing the interface.
LANDING = [
    ("sensor_id", "string"),
    ("timestamp", "string"),
    ("vehicle_count", "double"),
    ("avg_speed", "double"),
    ("average_speed", "double"),
    ("speed_unit", "string"),
    ("occupancy", "double"),
    ("status", "string"),
    ("zone_id", "string"),
    ("location_id", "string"),
    ("max_capacity", "double"),
    ("congestion_index", "double"),
    ("temperature", "double"),
    ("weather_condition", "string"),
    ("battery", "double"),
    ("received_at", "string"),
    ("topic_sensor_id", "string"),
]
CURATED = [
    ("sensor_id", "string"),
    ("ts", "timestamp"),
    ("vehicle_count", "int"),
    ("speed_kmh", "double"),
    ("occupancy_pct", "double"),
    ("device_status", "string"),
    ("reported_zone_id", "string"),
    ("reported_location_id", "string"),
    ("reported_max_capacity_veh", "double"),
    ("reported_congestion_index", "double"),
    ("temperature_c", "double"),
    ("weather_condition", "string"),
    ("battery_pct", "double"),
    ("received_at", "timestamp"),
    ("quality_flags", "array<string>"),
    ("arrived_at", "timestamp"),
    ("arrival_hour", "timestamp"),
    ("source_file", "string"),
    ("source_row", "bigint"),
]
REGISTRY_FILE = [
    "sensor_id",
    "segment_id",
    "corridor_id",
    "zone_id",
    "lane",
    "lanes",
    "latitude",
    "longitude",
    "position_km",
    "length_km",
    "capacity_veh_h",
    "speed_limit_kmh",
    "interval_s",
    "assumed_flow_veh_h",
    "valid_from",
]


def data_columns(name):
    return [c for c in model.table(name).columns if c not in model.LANDING_PARTITIONS]


def source_columns():
    document = yaml.safe_load((ROOT / dbt_sources.PATH).read_text())
    return {
        f"{source['name']}.{table['name']}": {column["name"]: column["data_type"] for column in table["columns"]}
        for source in document["sources"]
        for table in source["tables"]
    }


def test_the_landing_columns_are_those_that_senders_rely_on():
    assert glue.landing_columns() == LANDING


def test_the_curated_columns_are_those_that_readers_rely_on():
    assert [(c.name, c.physical_type) for c in model.table("curated.readings").columns] == CURATED


def test_the_registry_table_is_the_file_with_its_end_of_validity():
    assert [c.name for c in model.table("reference.sensors").columns] == [*REGISTRY_FILE, "valid_to"]


def test_every_landing_table_in_glue_has_its_columns_and_projects_its_partitions():
    inputs = {f"raw.{entry['Name']}": entry for entry in glue.raw_table_inputs("bucket", "2020-05-01")}
    assert inputs.keys() == {name for name in TABLES if name.startswith("raw.")}
    for name, entry in inputs.items():
        columns = [(c["Name"], c["Type"]) for c in entry["StorageDescriptor"]["Columns"]]
        assert columns == [(c.name, c.physical_type) for c in data_columns(name)]
        assert [(c["Name"], c["Type"]) for c in entry["PartitionKeys"]] == [("dt", "string"), ("hour", "int")]
        location = entry["StorageDescriptor"]["Location"]
        assert entry["Parameters"]["storage.location.template"] == f"{location}dt=${{dt}}/hour=${{hour}}/"
        assert entry["Parameters"]["projection.dt.range"] == "2020-05-01,NOW+1DAYS"
    locations = {name: entry["StorageDescriptor"]["Location"] for name, entry in inputs.items()}
    assert locations == {
        "raw.sensor_readings": "s3://bucket/readings/",
        "raw.delivery_errors": "s3://bucket/errors/format-conversion-failed/",
        "raw.sent_batches": "s3://bucket/sent/",
    }


def test_landing_schemas_agree_in_glue_arrow_and_spark():
    assert arrow.landing_schema() == arrow.table_schema("raw.sensor_readings")
    assert spark.landing_schema() == without_comments(spark.table_schema("raw.sensor_readings"))
    assert arrow.landing_schema().names == [name for name, _ in LANDING]


@pytest.mark.parametrize("name", TABLES)
def test_arrow_and_spark_agree_on_every_table(name):
    assert without_comments(spark.table_schema(name)) == from_arrow_schema(
        arrow.table_schema(name), prefer_timestamp_ntz=True
    )


@pytest.mark.parametrize("name", ICEBERG_TABLES)
def test_iceberg_and_arrow_agree_on_every_table(name):
    stored = schema_to_pyarrow(iceberg.table_schema(name), include_field_ids=False)
    expected = arrow.table_schema(name)
    assert stored.names == expected.names
    assert [normal(stored.field(n).type) for n in stored.names] == [
        normal(expected.field(n).type) for n in stored.names
    ]


@pytest.mark.parametrize("name", ICEBERG_TABLES)
def test_iceberg_and_spark_partition_every_table_alike(name):
    fields = iceberg.partition_spec(name).fields
    schema = iceberg.table_schema(name)
    by_iceberg = [f"{field.transform}s({schema.find_column_name(field.source_id)})" for field in fields]
    assert re.findall(r"\w+\(\w+\)", spark.partition_clause(name)) == by_iceberg


def test_dbt_declares_every_table_with_all_its_columns():
    athena = {"string": "varchar", "int": "integer", "array<string>": "array(varchar)"}
    assert source_columns() == {
        name: {c.name: athena.get(c.physical_type, c.physical_type) for c in model.table(name).columns}
        for name in TABLES
    }


def test_the_committed_artefacts_are_what_the_contract_gives():
    assert command.stale(ROOT) == []


def test_the_suite_covers_every_promise_of_the_contract():
    suite = expectations.curated_expectations()
    covered = {(e["type"], e["kwargs"].get("column")) for e in suite}
    for column in model.load("readings").tables[0].columns:
        assert ("expect_column_values_to_not_be_null", column.name) in covered or not column.required
        ranged = column.minimum is not None or column.maximum is not None
        assert (("expect_column_values_to_be_between", column.name) in covered) == ranged
    assert "(sensor_id, ts) is unique" in [expectation.get("description") for expectation in suite]
    ordered = next(e for e in suite if e["type"] == "expect_table_columns_to_match_ordered_list")
    assert ordered["kwargs"]["column_list"] == [name for name, _ in CURATED]
    rules = " ".join(e["kwargs"]["unexpected_rows_query"] for e in suite if "unexpected_rows_query" in e["kwargs"])
    assert all(f"'{flag}'" in rules for flag in model.load("readings").flag_names)


def without_comments(schema):
    return StructType([type(f)(f.name, f.dataType, f.nullable) for f in schema.fields])


def normal(kind):
    """Return an Arrow type without what only differs in memory: large strings and the names of list elements."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(normal(kind.value_type))
    return pa.string() if pa.types.is_large_string(kind) else kind
