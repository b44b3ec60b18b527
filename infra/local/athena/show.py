"""SHOW and DESCRIBE, answered from Glue."""

import re
from collections.abc import Callable
from typing import Any

from infra.local.athena import partitions, views
from infra.local.athena.context import Answer, Context, is_iceberg
from infra.local.athena.reader import Reader
from infra.local.athena.rewrites import Name
from infra.local.athena.tables import missing
from infra.local.athena.text import StatementError


def _pages(context: Context, operation: str, key: str, **arguments: str) -> list[dict[str, Any]]:
    return [item for page in context.glue.get_paginator(operation).paginate(**arguments) for item in page[key]]


def _pattern(reader: Reader) -> re.Pattern[str]:
    """Read an optional `[LIKE] 'a*|b'`: `*` stands for anything, `|` between choices."""
    reader.accept("LIKE")
    if reader.ended:
        return re.compile(".*")
    text = reader.string()
    return re.compile("|".join(re.escape(part).replace(r"\*", ".*") for part in text.lower().split("|")))


def _database(reader: Reader) -> str:
    if reader.accept("IN") or reader.accept("FROM"):
        return reader.identifier()
    if not reader.database:
        raise StatementError("Schema must be specified when session schema is not set")
    return reader.database


def _table(context: Context, name: Name) -> dict[str, Any]:
    table = context.table(name)
    if table is None:
        raise missing(name)
    return table


def _listing(column: str, names: list[str], pattern: re.Pattern[str]) -> Answer:
    return Answer([column], sorted(name for name in names if pattern.fullmatch(name)))


def _columns(table: dict[str, Any]) -> list[dict[str, str]]:
    return [*table["StorageDescriptor"].get("Columns", []), *table.get("PartitionKeys", [])]


def _described(columns: list[dict[str, str]]) -> list[str]:
    return [f"{c['Name']:<20}\t{c.get('Type', ''):<20}\t{c.get('Comment', ''):<20}" for c in columns]


def describe(context: Context, reader: Reader) -> Answer:
    """DESCRIBE [EXTENDED|FORMATTED] table."""
    reader.index = 1
    reader.accept("EXTENDED") or reader.accept("FORMATTED") or reader.accept("TABLE")
    table = _table(context, reader.name())
    lines = _described(_columns(table))
    if keys := table.get("PartitionKeys"):
        lines += [
            "\t\t",
            "# Partition Information\t\t",
            f"{'# col_name':<20}\t{'data_type':<20}\t{'comment':<20}",
            "\t\t",
        ]
        lines += _described(keys)
    return Answer(["col_name", "data_type", "comment"], lines)


def show(context: Context, reader: Reader) -> Answer:
    """SHOW in all forms that Athena knows. Raises StatementError."""
    reader.expect("SHOW")
    for words, function in _FORMS:
        if reader.accept(*words):
            return function(context, reader)
    reader.fail(", ".join(" ".join(words) for words, _ in _FORMS))
    return Answer()


def _databases(context: Context, reader: Reader) -> Answer:
    names = [database["Name"] for database in _pages(context, "get_databases", "DatabaseList")]
    return _listing("database_name", names, _pattern(reader))


def _tables(context: Context, reader: Reader) -> Answer:
    tables = _pages(context, "get_tables", "TableList", DatabaseName=_database(reader))
    return _listing("tab_name", [table["Name"] for table in tables], _pattern(reader))


def _views(context: Context, reader: Reader) -> Answer:
    tables = _pages(context, "get_tables", "TableList", DatabaseName=_database(reader))
    names = [table["Name"] for table in tables if table.get("TableType") == "VIRTUAL_VIEW"]
    return _listing("views", names, _pattern(reader))


def _column_names(context: Context, reader: Reader) -> Answer:
    if not (reader.accept("IN") or reader.accept("FROM")):
        reader.fail("'IN', 'FROM'")
    name = reader.name()
    if reader.accept("IN") or reader.accept("FROM"):
        name = Name(reader.identifier(), name.table)
    return Answer(["field"], [f"{column['Name']:<20}" for column in _columns(_table(context, name))])


def _partitions(context: Context, reader: Reader) -> Answer:
    name = reader.name()
    return Answer(["partition"], partitions.names_of(context, name, _table(context, name)))


def _create_view(context: Context, reader: Reader) -> Answer:
    name = reader.name()
    query = views.query_of(_table(context, name))
    return Answer(["Create View"], [f'CREATE VIEW "{name.database}"."{name.table}" AS', *query.splitlines()])


def _create_table(context: Context, reader: Reader) -> Answer:
    name = reader.name()
    return Answer(["createtab_stmt"], create_statement(name, _table(context, name)).splitlines())


def _table_properties(context: Context, reader: Reader) -> Answer:
    parameters = _table(context, reader.name()).get("Parameters", {})
    if not reader.ended:
        wanted = Reader(reader.statement, None, reader.index + 1).string()
        parameters = {wanted: parameters.get(wanted, f"Table does not have property: {wanted}")}
    return Answer(["prpt_name", "prpt_value"], [f"{key}\t{value}" for key, value in sorted(parameters.items())])


def create_statement(name: Name, table: dict[str, Any]) -> str:
    """Return the statement that would create a table."""
    if table.get("TableType") == "VIRTUAL_VIEW":
        raise StatementError(f"{name.table} is a view: use SHOW CREATE VIEW")
    iceberg = is_iceberg(table)

    def declared(columns: list[dict[str, str]]) -> str:
        return ", \n".join(
            f"  `{c['Name']}` {c['Type']}" + (f" COMMENT '{c['Comment']}'" if c.get("Comment") else "") for c in columns
        )

    storage = table["StorageDescriptor"]
    external = "" if iceberg else "EXTERNAL "
    lines = [f"CREATE {external}TABLE `{name.database}.{name.table}`(", declared(storage["Columns"]) + ")"]
    if keys := table.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", declared(keys) + ")"]
    serde = storage.get("SerdeInfo", {})
    if not iceberg:
        lines += ["ROW FORMAT SERDE ", f"  '{serde.get('SerializationLibrary', '')}' "]
        if parameters := serde.get("Parameters"):
            given = ", \n".join(f"  '{key}'='{value}'" for key, value in sorted(parameters.items()))
            lines += ["WITH SERDEPROPERTIES ( ", given + ") "]
        lines += ["STORED AS INPUTFORMAT ", f"  '{storage.get('InputFormat', '')}' "]
        lines += ["OUTPUTFORMAT ", f"  '{storage.get('OutputFormat', '')}'"]
    lines += ["LOCATION", f"  '{storage.get('Location', '')}'"]
    hidden = {"metadata_location", "previous_metadata_location", "EXTERNAL"}
    properties = {key: value for key, value in table.get("Parameters", {}).items() if key not in hidden}
    given = ", \n".join(f"  '{key}'='{value}'" for key, value in sorted(properties.items()))
    return "\n".join([*lines, "TBLPROPERTIES (", given + ")"])


_FORMS: tuple[tuple[tuple[str, ...], Callable[[Context, Reader], Answer]], ...] = (
    (("DATABASES",), _databases),
    (("SCHEMAS",), _databases),
    (("TABLES",), _tables),
    (("VIEWS",), _views),
    (("COLUMNS",), _column_names),
    (("PARTITIONS",), _partitions),
    (("TBLPROPERTIES",), _table_properties),
    (("CREATE", "VIEW"), _create_view),
    (("CREATE", "TABLE"), _create_table),
)
