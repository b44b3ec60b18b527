"""Writes the tables that dbt reads, straight with pyiceberg and pyarrow: the tests know every row that they put in."""

import io
import json
from datetime import datetime
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.contract import arrow, iceberg
from ingestion.iceberg_catalog import open_catalog

RAW_BUCKET = "trafficlake-local-raw"
SOURCES = (
    "reference.sensors",
    "reference.segments",
    "reference.zones",
    "curated.readings",
    "curated.rejected_readings",
    "curated.landed_keys",
    "curated.sensor_5min",
    "curated.pending_hours",
    "curated.processed_objects",
)


def at(text: str) -> datetime:
    """Read a UTC time such as `2024-01-10 18:05`."""
    return datetime.fromisoformat(text)


def create_sources() -> None:
    """Create the empty tables that the jobs and the registry write."""
    catalog = open_catalog()
    for name in SOURCES:
        catalog.create_table_if_not_exists(
            name, iceberg.table_schema(name), partition_spec=iceberg.partition_spec(name)
        )


def append(name: str, rows: list[dict[str, Any]]) -> None:
    """Append rows to a table of the contract; columns that are left out are NULL."""
    open_catalog().load_table(name).append(pa.Table.from_pylist(rows, schema=arrow.table_schema(name)))


def replace(name: str, rows: list[dict[str, Any]]) -> None:
    """Make `rows` all that a table holds."""
    open_catalog().load_table(name).overwrite(pa.Table.from_pylist(rows, schema=arrow.table_schema(name)))


def delete(name: str, row_filter: str) -> None:
    """Delete the rows that an expression of pyiceberg selects."""
    open_catalog().load_table(name).delete(row_filter)


def land(kind: str, hour: datetime, name: str, rows: int | list[dict[str, Any]]) -> str:
    """Put one landing object (readings, errors or sent) below its hour and return its address."""
    prefix = {"readings": "readings", "errors": "errors/format-conversion-failed", "sent": "sent"}[kind]
    key = f"{prefix}/dt={hour:%Y-%m-%d}/hour={hour:%H}/{name}"
    if kind == "errors":
        body = b"".join(json.dumps({"attemptsMade": 0, "rawData": "e30="}).encode() + b"\n" for _ in range(rows))
    else:
        table = (
            pa.Table.from_pylist(rows, schema=arrow.table_schema("raw.sent_batches"))
            if kind == "sent"
            else pa.Table.from_pylist([{"sensor_id": "a"}] * rows, schema=arrow.landing_schema())
        )
        sink = io.BytesIO()
        pq.write_table(table, sink)
        body = sink.getvalue()
    boto3.client("s3").put_object(Bucket=RAW_BUCKET, Key=key, Body=body)
    path = f"s3://{RAW_BUCKET}/{key}"
    append("curated.processed_objects", [{"object_path": path, "kind": kind, "arrival_hour": hour, "etag": name}])
    return path


def rows_of(name: str, *keys: str) -> dict[Any, dict[str, Any]]:
    """Read a whole table by its keys; one key gives it bare, several a tuple."""
    records = open_catalog().load_table(name).scan().to_arrow().to_pylist()
    found = {tuple(record[key] for key in keys): record for record in records}
    assert len(found) == len(records), f"{name} holds a key twice"
    return {key[0] if len(keys) == 1 else key: record for key, record in found.items()}
