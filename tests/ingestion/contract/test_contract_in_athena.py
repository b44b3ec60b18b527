"""What the contract says of the tables is what Athena reads: in the catalog, and in real objects."""

import io
import json
from datetime import datetime

import awswrangler as wr
import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from infra.settings import settings
from ingestion import iceberg_catalog
from ingestion.contract import arrow, dbt_sources, iceberg, model


@pytest.fixture(scope="module")
def query(athena_endpoint):
    assert athena_endpoint

    def run(sql):
        return wr.athena.read_sql_query(sql, database="raw", workgroup=settings().workgroup, ctas_approach=False)

    return run


def put(key, body):
    boto3.client("s3").put_object(Bucket=settings().raw_bucket, Key=key, Body=body)


def parquet(table, rows):
    body = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow.table_schema(table)), body)
    return body.getvalue()


def test_athena_sees_every_table_with_the_columns_and_types_that_dbt_declares(query):
    catalog = iceberg_catalog.open_catalog()
    for name in model.tables():
        if not name.startswith("raw."):
            catalog.create_table_if_not_exists(
                name, iceberg.table_schema(name), partition_spec=iceberg.partition_spec(name)
            )
    seen = query(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema IN ('raw', 'reference', 'curated', 'marts') "
        "ORDER BY table_schema, table_name, ordinal_position"
    )
    found = {}
    for row in seen.itertuples():
        # Athena writes the precision: 3 for Hive tables, 6 for Iceberg
        kind = row.data_type.removesuffix("(3)").removesuffix("(6)")
        found.setdefault(f"{row.table_schema}.{row.table_name}", {})[row.column_name] = kind
    declared = {
        f"{source['name']}.{table['name']}": {column["name"]: column["data_type"] for column in table["columns"]}
        for source in yaml.safe_load(dbt_sources.sources_yaml())["sources"]
        for table in source["tables"]
    }
    assert {name: found.get(name) for name in declared} == declared


def test_athena_reads_landed_objects_through_the_projected_partitions(query):
    put(
        "readings/dt=2019-03-05/hour=07/contract-1-2019-03-05-07-00-00-a.parquet",
        parquet("raw.sensor_readings", [{"sensor_id": "a", "timestamp": "1551769200", "vehicle_count": 3.0}]),
    )
    found = query(
        """SELECT sensor_id, "timestamp", vehicle_count, avg_speed, dt, hour FROM raw.sensor_readings
           WHERE dt = '2019-03-05' AND hour = 7"""
    )
    row = found.iloc[0]
    assert (len(found), row.sensor_id, row.timestamp, row.vehicle_count) == (1, "a", "1551769200", 3.0)
    assert (row["dt"], row["hour"]) == ("2019-03-05", 7)
    assert found.avg_speed.isna().all()


def test_athena_reads_the_error_output_by_the_keys_that_firehose_writes(query):
    error = {
        "attemptsMade": 1,
        "arrivalTimestamp": 1551769200123,
        "lastErrorCode": "DataFormatConversion.MalformedData",
        "lastErrorMessage": "not JSON",
        "attemptEndingTimestamp": 1551769201000,
        "rawData": "e30=",
        "sequenceNumber": "49",
        "subSequenceNumber": 0,
        "dataCatalogTable": {"databaseName": "raw", "tableName": "sensor_readings"},
    }
    lines = "\n".join([json.dumps(error), json.dumps(error | {"sequenceNumber": "50"})]) + "\n"
    put("errors/format-conversion-failed/dt=2019-03-05/hour=08/contract-1-2019-03-05-08-00-00-a", lines.encode())
    found = query("SELECT * FROM raw.delivery_errors WHERE dt = '2019-03-05' AND hour = 8 ORDER BY sequencenumber")
    assert list(found.sequencenumber) == ["49", "50"]
    assert found.arrivaltimestamp[0] == 1551769200123
    assert (found.rawdata[0], found.lasterrormessage[0]) == ("e30=", "not JSON")


def test_athena_reads_the_senders_counts(query):
    sent = {
        "batch_id": "b",
        "documents": 10,
        "first_sent_at": datetime(2019, 3, 5, 9, 0, 0, 250000),
        "last_sent_at": datetime(2019, 3, 5, 9, 1),
        "via": "kinesis",
    }
    put("sent/dt=2019-03-05/hour=09/contract.parquet", parquet("raw.sent_batches", [sent]))
    found = query("SELECT * FROM raw.sent_batches WHERE dt = '2019-03-05' AND hour = 9")
    assert found.documents[0] == 10
    assert found.first_sent_at[0].to_pydatetime() == sent["first_sent_at"]
