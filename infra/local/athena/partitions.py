"""Partitions of Hive tables in Glue: ADD, DROP, MSCK REPAIR."""

from typing import Any
from urllib.parse import unquote, urlsplit

from infra.local.athena.context import Answer, Context, is_iceberg
from infra.local.athena.reader import Reader
from infra.local.athena.rewrites import Name
from infra.local.athena.text import StatementError

_MOST_AT_ONCE = 100


def _spec(reader: Reader, table: dict[str, Any]) -> list[str]:
    """Step over `PARTITION (key = value, …)` and return the values in the order of the table's keys."""
    reader.expect("PARTITION")
    given = {}
    for first, end in reader.group():
        if reader.statement.word(first + 1) != "=" or end - first < 3:
            raise StatementError("FAILED: ParseException: a partition is given as key = value")
        given[reader.statement.tokens[first].text.lower()] = "".join(
            token.text for token in reader.statement.tokens[first + 2 : end]
        )
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    if set(given) != set(keys):
        raise StatementError(f"FAILED: SemanticException: the partition keys are ({', '.join(keys)})")
    return [given[key] for key in keys]


def _check(table: dict[str, Any]) -> None:
    if is_iceberg(table) or not table.get("PartitionKeys"):
        raise StatementError(f"FAILED: SemanticException: table {table['Name']} has no partitions in the catalog")


def _entry(table: dict[str, Any], values: list[str], location: str) -> dict[str, Any]:
    return {"Values": values, "StorageDescriptor": table["StorageDescriptor"] | {"Location": location}}


def _default_location(table: dict[str, Any], values: list[str]) -> str:
    keys = [key["Name"] for key in table["PartitionKeys"]]
    folder = "/".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
    return f"{table['StorageDescriptor']['Location'].rstrip('/')}/{folder}/"


def _create(context: Context, name: Name, entries: list[dict[str, Any]], *, quiet: bool) -> None:
    for start in range(0, len(entries), _MOST_AT_ONCE):
        reply = context.glue.batch_create_partition(
            DatabaseName=name.database,
            TableName=name.table,
            PartitionInputList=entries[start : start + _MOST_AT_ONCE],
        )
        errors = [error for error in reply.get("Errors", ()) if not quiet or "AlreadyExists" not in str(error)]
        if errors:
            raise StatementError(f"FAILED: SemanticException: Partition already exists: {errors[0]['PartitionValues']}")


def add_partitions(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    """The rest of ALTER TABLE … ADD [IF NOT EXISTS] PARTITION (…) [LOCATION '…'] …"""
    _check(table)
    quiet = reader.if_not_exists()
    entries = []
    while reader.statement.word(reader.index) == "PARTITION":
        values = _spec(reader, table)
        location = reader.string() if reader.accept("LOCATION") else _default_location(table, values)
        entries.append(_entry(table, values, location))
    if not entries:
        reader.fail("COLUMNS or PARTITION")
    _create(context, name, entries, quiet=quiet)


def drop_partitions(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    """The rest of ALTER TABLE … DROP [IF EXISTS] PARTITION (…), PARTITION (…)"""
    _check(table)
    quiet = reader.if_exists()
    while True:
        values = _spec(reader, table)
        try:
            context.glue.delete_partition(DatabaseName=name.database, TableName=name.table, PartitionValues=values)
        except context.glue.exceptions.EntityNotFoundException:
            if not quiet:
                raise StatementError(f"FAILED: SemanticException: Partition not found {values}") from None
        if not reader.accept(","):
            return


def _pages(context: Context, name: Name) -> list[dict[str, Any]]:
    pages = context.glue.get_paginator("get_partitions").paginate(DatabaseName=name.database, TableName=name.table)
    return [partition for page in pages for partition in page["Partitions"]]


def names_of(context: Context, name: Name, table: dict[str, Any]) -> list[str]:
    """Return the partitions as `key=value/key=value`, sorted."""
    _check(table)
    keys = [key["Name"] for key in table["PartitionKeys"]]
    return sorted(
        "/".join(f"{key}={value}" for key, value in zip(keys, partition["Values"], strict=True))
        for partition in _pages(context, name)
    )


def repair(context: Context, name: Name, table: dict[str, Any]) -> Answer:
    """MSCK REPAIR TABLE: add the partitions whose folders (`key=value/…`) are there and Glue does not know."""
    _check(table)
    keys = [key["Name"] for key in table["PartitionKeys"]]
    location = table["StorageDescriptor"]["Location"].rstrip("/") + "/"
    place = urlsplit(location)
    known = {tuple(partition["Values"]) for partition in _pages(context, name)}
    found = set()
    pages = context.s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=place.path.lstrip("/"))
    for page in pages:
        for item in page.get("Contents", ()):
            folders = item["Key"].removeprefix(place.path.lstrip("/")).split("/")[: len(keys)]
            pairs = [folder.partition("=") for folder in folders]
            if len(pairs) == len(keys) and all(p[0].lower() == k and p[1] for p, k in zip(pairs, keys, strict=True)):
                found.add(tuple(unquote(value) for _, _, value in pairs))
    new = sorted(found - known)
    entries = [_entry(table, list(values), _default_location(table, list(values))) for values in new]
    _create(context, name, entries, quiet=True)
    listed = [":".join((name.table, "/".join(f"{k}={v}" for k, v in zip(keys, values, strict=True)))) for values in new]
    lines = [f"Partitions not in metastore: {' '.join(listed)}"] if new else []
    return Answer(lines=lines + [f"Repair: Added partition to metastore {partition}" for partition in listed])
