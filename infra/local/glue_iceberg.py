"""Marks of Iceberg columns in Glue: Athena writes `iceberg.field.*` on each column, and awswrangler reads them."""

import gzip
import json
from collections.abc import Callable
from typing import Any

MARKS = ("iceberg.field.current", "iceberg.field.id", "iceberg.field.optional")


def mark_columns(request: dict[str, Any], read_object: Callable[[str], bytes]) -> dict[str, Any]:
    """Return a CreateTable or UpdateTable request with every column of an Iceberg table marked.

    Spark and pyiceberg mark the columns themselves, Trino does not: then the marks come from the metadata file that
    the request points to, which `read_object` returns by its s3:// address.
    """
    table = request.get("TableInput", {})
    parameters = table.get("Parameters") or {}
    columns = (table.get("StorageDescriptor") or {}).get("Columns") or []
    location = parameters.get("metadata_location")
    if parameters.get("table_type", "").upper() != "ICEBERG" or not location:
        return request
    if columns and all("iceberg.field.id" in (column.get("Parameters") or {}) for column in columns):
        return request
    fields = current_fields(read_object(location))
    marked = [column | {"Parameters": marks(column, fields)} for column in columns]
    storage = table["StorageDescriptor"] | {"Columns": marked}
    return request | {"TableInput": table | {"StorageDescriptor": storage}}


def current_fields(metadata: bytes) -> dict[str, dict[str, Any]]:
    """Return the fields of the current schema of an Iceberg metadata file, by name in lower case."""
    if metadata[:2] == b"\x1f\x8b":
        metadata = gzip.decompress(metadata)
    table = json.loads(metadata)
    schemas = table.get("schemas") or [table["schema"]]
    current = table.get("current-schema-id", schemas[-1].get("schema-id"))
    schema = next(schema for schema in schemas if schema.get("schema-id", current) == current)
    return {field["name"].lower(): field for field in schema["fields"]}


def marks(column: dict[str, Any], fields: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return a Glue column's parameters with its marks; a column that the schema has no more is not current."""
    own = column.get("Parameters") or {}
    field = fields.get(column["Name"].lower())
    if field is None:
        return own | {"iceberg.field.current": "false"}
    optional = str(not field["required"]).lower()
    return own | dict(zip(MARKS, ("true", str(field["id"]), optional), strict=True))
