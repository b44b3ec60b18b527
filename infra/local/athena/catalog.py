"""Athena's view of the Glue catalog: ListDatabases, ListTableMetadata and their kin."""

import re
from typing import Any

from infra.local.athena.context import Client

_CATALOG = {"CatalogName": "AwsDataCatalog", "Type": "GLUE"}


class NotFound(LookupError):
    """A database or table that is not there."""


def list_data_catalogs(_glue: Client, _request: dict[str, Any]) -> dict[str, Any]:
    """The one catalog."""
    return {"DataCatalogsSummary": [_CATALOG]}


def get_data_catalog(_glue: Client, request: dict[str, Any]) -> dict[str, Any]:
    """The one catalog. Raises NotFound for another name."""
    if request.get("Name", "").lower() != "awsdatacatalog":
        raise NotFound(f"Data catalog {request.get('Name')} was not found")
    return {"DataCatalog": {"Name": "AwsDataCatalog", "Type": "GLUE", "Parameters": {"catalog-id": "000000000000"}}}


def _database(database: dict[str, Any]) -> dict[str, Any]:
    kept = {"Name": database["Name"], "Parameters": database.get("Parameters", {})}
    return kept | ({"Description": database["Description"]} if database.get("Description") else {})


def list_databases(glue: Client, _request: dict[str, Any]) -> dict[str, Any]:
    """All databases."""
    pages = glue.get_paginator("get_databases").paginate()
    return {"DatabaseList": [_database(item) for page in pages for item in page["DatabaseList"]]}


def get_database(glue: Client, request: dict[str, Any]) -> dict[str, Any]:
    """One database. Raises NotFound."""
    try:
        return {"Database": _database(glue.get_database(Name=request["DatabaseName"])["Database"])}
    except glue.exceptions.EntityNotFoundException as error:
        raise NotFound(f"Database {request['DatabaseName']} not found") from error


def _metadata(table: dict[str, Any]) -> dict[str, Any]:
    def columns(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: item[key] for key in ("Name", "Type", "Comment") if item.get(key)} for item in items]

    storage = table.get("StorageDescriptor", {})
    serde = storage.get("SerdeInfo", {})
    described = {
        "inputformat": storage.get("InputFormat"),
        "outputformat": storage.get("OutputFormat"),
        "location": storage.get("Location"),
        "serde.serialization.lib": serde.get("SerializationLibrary"),
        **{f"serde.param.{key}": value for key, value in serde.get("Parameters", {}).items()},
    }
    created = table["CreateTime"].timestamp() if "CreateTime" in table else None
    metadata = {
        "Name": table["Name"],
        "CreateTime": created,
        "TableType": table.get("TableType"),
        "Columns": columns(storage.get("Columns", [])),
        "PartitionKeys": columns(table.get("PartitionKeys", [])),
        "Parameters": table.get("Parameters", {}) | {key: value for key, value in described.items() if value},
    }
    return {key: value for key, value in metadata.items() if value is not None}


def list_table_metadata(glue: Client, request: dict[str, Any]) -> dict[str, Any]:
    """All tables of a database whose names match the expression. Raises NotFound."""
    wanted = re.compile(request.get("Expression") or ".*")
    try:
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=request["DatabaseName"])
        tables = [item for page in pages for item in page["TableList"]]
    except glue.exceptions.EntityNotFoundException as error:
        raise NotFound(f"Database {request['DatabaseName']} not found") from error
    return {"TableMetadataList": [_metadata(table) for table in tables if wanted.fullmatch(table["Name"])]}


def get_table_metadata(glue: Client, request: dict[str, Any]) -> dict[str, Any]:
    """One table. Raises NotFound."""
    try:
        table = glue.get_table(DatabaseName=request["DatabaseName"], Name=request["TableName"])["Table"]
    except glue.exceptions.EntityNotFoundException as error:
        raise NotFound(f"Table {request['TableName']} not found") from error
    return {"TableMetadata": _metadata(table)}
