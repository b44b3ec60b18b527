"""Glue's catalog calls that the base emulator lacks or answers otherwise than Glue: one function per call.

Each takes `call(action, request)`, which asks the base and raises `GlueError` for its refusals, and Glue's own request;
it returns Glue's answer.
"""

import base64
import re
import zlib
from collections.abc import Callable
from typing import Any

from infra.local import glue_expression

Call = Callable[[str, dict[str, Any]], dict[str, Any]]
# Glue's largest pages.
PAGE = 100
PARTITION_PAGE = 1000
BATCH_LIMITS = {"BatchDeletePartition": 25, "BatchDeleteTableVersion": 100, "BatchGetPartition": 1000}
TABLE_PARTS: dict[str, Any] = {
    "Description": "",
    "Owner": "",
    "StorageDescriptor": {},
    "PartitionKeys": [],
    "Parameters": {},
    "ViewOriginalText": None,
    "ViewExpandedText": None,
}


class GlueError(Exception):
    """A refusal in Glue's terms: `code` is the exception's name in the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def fold_names(request: dict[str, Any]) -> dict[str, Any]:
    """Fold the names of databases and tables to lower case, as Glue does when it stores and when it looks up."""
    folded = {
        key: value.lower() if key in ("DatabaseName", "TableName", "Name") and isinstance(value, str) else value
        for key, value in request.items()
    }
    for key in ("DatabaseInput", "TableInput"):
        if isinstance(folded.get(key), dict):
            folded[key] = folded[key] | {"Name": str(folded[key].get("Name", "")).lower()}
    return folded


def without_empty(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is absent: `Owner: ""` is refused when copied into a request, `Description: ""` hides a view."""

    def clean(entry: dict[str, Any]) -> dict[str, Any]:
        kept = {
            key: value
            for key, value in entry.items()
            if value is not None and not (key in ("Owner", "Description") and value == "")
        }
        return kept | ({"Table": clean(kept["Table"])} if isinstance(kept.get("Table"), dict) else {})

    cleaned = dict(answer)
    for key in ("Database", "Table", "Partition", "TableVersion"):
        if isinstance(cleaned.get(key), dict):
            cleaned[key] = clean(cleaned[key])
    for key in ("DatabaseList", "TableList", "Partitions", "TableVersions"):
        if key in cleaned:
            cleaned[key] = [clean(entry) for entry in cleaned[key]]
    return cleaned


def replace_whole(request: dict[str, Any]) -> dict[str, Any]:
    """Fill an UpdateTable request so that what it leaves out is removed: Glue replaces a table's definition whole."""
    return request | {"TableInput": TABLE_PARTS | request.get("TableInput", {})}


def page(entries: list[Any], request: dict[str, Any], key: str, largest: int) -> dict[str, Any]:
    """Return the page of `entries` that a request's MaxResults and NextToken ask for, under `key`."""
    try:
        begin = int(base64.b64decode(request["NextToken"])) if request.get("NextToken") else 0
    except ValueError as error:
        raise GlueError("InvalidInputException", "NextToken is not one of this call") from error
    end = begin + min(request.get("MaxResults") or largest, largest)
    answer: dict[str, Any] = {key: entries[begin:end]}
    if end < len(entries):
        answer["NextToken"] = base64.b64encode(str(end).encode()).decode()
    return answer


def get_databases(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetDatabases, by name, in pages."""
    databases = sorted(call("GetDatabases", {})["DatabaseList"], key=lambda database: database["Name"])
    return page(databases, request, "DatabaseList", PAGE)


def get_tables(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetTables, by name, in pages; `Expression` is a pattern over the whole name in which `*` stands for anything."""
    call("GetDatabase", {"Name": request["DatabaseName"]})
    tables = call("GetTables", {"DatabaseName": request["DatabaseName"]})["TableList"]
    if request.get("Expression"):
        try:
            pattern = re.compile(re.sub(r"(?<!\.)\*", ".*", request["Expression"]), re.IGNORECASE)
        except re.error as error:
            raise GlueError("InvalidInputException", f"Expression is not a pattern: {error}") from error
        tables = [table for table in tables if pattern.fullmatch(table["Name"])]
    return page(sorted(tables, key=lambda table: table["Name"]), request, "TableList", PAGE)


def search_tables(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """SearchTables by `SearchText`, over names and descriptions of all databases; filters are not known here."""
    if request.get("Filters"):
        raise GlueError("InvalidInputException", "the local Glue searches by SearchText only, not by Filters")
    text = str(request.get("SearchText", "")).strip('"').lower()
    tables = [
        table
        for database in call("GetDatabases", {})["DatabaseList"]
        for table in call("GetTables", {"DatabaseName": database["Name"]})["TableList"]
        if text in table["Name"] or text in (table.get("Description") or "").lower()
    ]
    return page(sorted(tables, key=lambda table: (table["DatabaseName"], table["Name"])), request, "TableList", PAGE)


def get_table_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetTableVersions: the current version; earlier ones are not kept here."""
    table = _table(call, request)
    return page([{"Table": table, "VersionId": table["VersionId"]}], request, "TableVersions", PAGE)


def get_table_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetTableVersion: the current version, which is also meant when none is named."""
    table = _table(call, request)
    if request.get("VersionId") not in (None, table["VersionId"]):
        raise GlueError("EntityNotFoundException", f"version {request['VersionId']} is not kept")
    return {"TableVersion": {"Table": table, "VersionId": table["VersionId"]}}


def delete_table_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteTableVersion: the current version cannot be deleted, and earlier ones are not kept."""
    if request.get("VersionId") == _table(call, request)["VersionId"]:
        raise GlueError("InvalidInputException", "the current version of a table cannot be deleted")
    raise GlueError("EntityNotFoundException", f"version {request.get('VersionId')} is not kept")


def batch_delete_table_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """BatchDeleteTableVersion: reports each version that could not be deleted."""
    _check_batch("BatchDeleteTableVersion", request.get("VersionIds", []))
    errors = []
    for version in request.get("VersionIds", []):
        try:
            delete_table_version(call, request | {"VersionId": version})
        except GlueError as error:
            errors.append({"TableName": request["TableName"], "VersionId": version, "ErrorDetail": _detail(error)})
    return {"Errors": errors}


def get_partitions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetPartitions, filtered by `Expression`, in pages, and of one `Segment` where one is asked for."""
    table = _table(call, request)
    partitions = call("GetPartitions", _of_table(request))["Partitions"]
    return select_partitions(table, partitions, request)


def select_partitions(
    table: dict[str, Any], partitions: list[dict[str, Any]], request: dict[str, Any]
) -> dict[str, Any]:
    """Return of `partitions` what a GetPartitions request asks for."""
    if request.get("Expression"):
        try:
            holds = glue_expression.predicate(request["Expression"], column_types(table))
        except ValueError as error:
            raise GlueError("InvalidInputException", str(error)) from error
        partitions = [entry for entry in partitions if holds(partition_values(table, entry))]
    if segment := request.get("Segment"):
        number, total = segment["SegmentNumber"], segment["TotalSegments"]
        partitions = [
            entry for entry in partitions if zlib.crc32("\0".join(entry["Values"]).encode()) % total == number
        ]
    if request.get("ExcludeColumnSchema"):
        partitions = [
            entry
            | {
                "StorageDescriptor": {
                    key: value for key, value in entry.get("StorageDescriptor", {}).items() if key != "Columns"
                }
            }
            for entry in partitions
        ]
    return page(sorted(partitions, key=lambda entry: entry["Values"]), request, "Partitions", PARTITION_PAGE)


def column_types(table: dict[str, Any]) -> dict[str, str]:
    """Return the partition keys of a table with their Hive types."""
    return {key["Name"]: key.get("Type", "string") for key in table.get("PartitionKeys") or []}


def partition_values(table: dict[str, Any], partition: dict[str, Any]) -> dict[str, str]:
    """Return a partition's values by key."""
    return dict(zip(column_types(table), partition["Values"], strict=True))


def create_partition(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreatePartition: the table must exist, and the values must be as many as its keys."""
    _check_values(_table(call, request), request.get("PartitionInput", {}).get("Values", []))
    return call("CreatePartition", request)


def batch_create_partition(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """BatchCreatePartition: as CreatePartition, for each."""
    table = _table(call, request)
    for entry in request.get("PartitionInputList", []):
        _check_values(table, entry.get("Values", []))
    return call("BatchCreatePartition", request)


def update_partition(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdatePartition: replaces the partition's definition, and its values when the input names others."""
    values = request["PartitionValueList"]
    table = _table(call, request)
    replacement = {"Values": values} | request["PartitionInput"]
    _check_values(table, replacement["Values"])
    call("GetPartition", _of_table(request) | {"PartitionValues": values})
    call(
        "BatchUpdatePartition",
        _of_table(request) | {"Entries": [{"PartitionValueList": values, "PartitionInput": replacement}]},
    )
    return {}


def delete_partition(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeletePartition: one that is not there is refused."""
    call("GetPartition", request)
    return call("DeletePartition", request)


def batch_delete_partition(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """BatchDeletePartition: reports each partition that was not there."""
    _check_batch("BatchDeletePartition", request.get("PartitionsToDelete", []))
    _table(call, request)
    errors = []
    for entry in request.get("PartitionsToDelete", []):
        try:
            delete_partition(call, _of_table(request) | {"PartitionValues": entry["Values"]})
        except GlueError as error:
            errors.append({"PartitionValues": entry["Values"], "ErrorDetail": _detail(error)})
    return {"Errors": errors}


def batch_get_partition(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """BatchGetPartition: leaves out what is not there; unprocessed keys would have a client ask again for ever."""
    _check_batch("BatchGetPartition", request.get("PartitionsToGet", []))
    _table(call, request)
    return call("BatchGetPartition", request) | {"UnprocessedKeys": []}


def _of_table(request: dict[str, Any]) -> dict[str, Any]:
    return {"DatabaseName": request["DatabaseName"], "TableName": request["TableName"]}


def _table(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return call("GetTable", {"DatabaseName": request["DatabaseName"], "Name": request["TableName"]})["Table"]


def _check_values(table: dict[str, Any], values: list[str]) -> None:
    if len(values) != len(table.get("PartitionKeys") or []):
        raise GlueError("InvalidInputException", "The number of partition keys do not match the number of values")


def _check_batch(action: str, entries: list[Any]) -> None:
    if len(entries) > BATCH_LIMITS[action]:
        raise GlueError("InvalidInputException", f"{action} takes at most {BATCH_LIMITS[action]} entries")


def _detail(error: GlueError) -> dict[str, str]:
    return {"ErrorCode": error.code, "ErrorMessage": str(error)}


ANSWERS: dict[str, Callable[[Call, dict[str, Any]], dict[str, Any]]] = {
    "GetDatabases": get_databases,
    "GetTables": get_tables,
    "SearchTables": search_tables,
    "GetTableVersions": get_table_versions,
    "GetTableVersion": get_table_version,
    "DeleteTableVersion": delete_table_version,
    "BatchDeleteTableVersion": batch_delete_table_version,
    "GetPartitions": get_partitions,
    "CreatePartition": create_partition,
    "BatchCreatePartition": batch_create_partition,
    "UpdatePartition": update_partition,
    "DeletePartition": delete_partition,
    "BatchDeletePartition": batch_delete_partition,
    "BatchGetPartition": batch_get_partition,
}
