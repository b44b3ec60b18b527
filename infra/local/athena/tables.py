"""CREATE, ALTER and DROP of tables: Hive tables are entries in Glue, Iceberg tables are changed by Trino."""

from collections.abc import Callable
from typing import Any

from infra.local.athena.context import Answer, Context, is_iceberg, table_input
from infra.local.athena.formats import LAZY_SIMPLE, STORED_AS
from infra.local.athena.partitions import add_partitions, drop_partitions
from infra.local.athena.reader import Reader, hive_type
from infra.local.athena.rewrites import Name, iceberg_table_properties
from infra.local.athena.text import StatementError, literal, quoted
from infra.local.athena.types import hive_to_trino
from infra.local.trino import ICEBERG_CATALOG

_DELIMITERS = {
    ("FIELDS", "TERMINATED", "BY"): "field.delim",
    ("ESCAPED", "BY"): "escape.delim",
    ("COLLECTION", "ITEMS", "TERMINATED", "BY"): "collection.delim",
    ("MAP", "KEYS", "TERMINATED", "BY"): "mapkey.delim",
    ("LINES", "TERMINATED", "BY"): "line.delim",
    ("NULL", "DEFINED", "AS"): "serialization.null.format",
}


def missing(name: Name) -> StatementError:
    """Return the error of a table that is not there."""
    return StatementError(f"FAILED: SemanticException [Error 10001]: Table not found {name.database}.{name.table}")


def _missing_view(name: Name) -> StatementError:
    return StatementError(f"line 1:1: View 'awsdatacatalog.{name.database}.{name.table}' does not exist")


def _already_there(name: Name) -> StatementError:
    return StatementError(
        "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
        f"AlreadyExistsException(message:Table {name.table} already exists.)"
    )


def create_table(context: Context, reader: Reader) -> Answer:
    """CREATE [EXTERNAL] TABLE with columns. Raises StatementError."""
    reader.expect("CREATE")
    external = reader.accept("EXTERNAL")
    reader.expect("TABLE")
    only_if_missing = reader.if_not_exists()
    name = reader.name()
    existing = context.table(name)
    columns = reader.columns()
    parts = _clauses(reader)
    iceberg = parts["properties"].get("table_type", "").lower() == "iceberg"
    if external and iceberg:
        raise StatementError("External keyword is not supported for table type ICEBERG")
    if not external and not iceberg:
        raise StatementError("FAILED: SemanticException: only EXTERNAL tables and table_type ICEBERG can be created")
    if not parts["location"]:
        raise StatementError("FAILED: SemanticException: No location was specified for table")
    if existing:
        if only_if_missing:
            return Answer()
        raise _already_there(name)
    if parts["partitions"]:
        reader.index = parts["partitions"]
        if iceberg:
            parts["transforms"] = [reader.statement.slice(*item) for item in reader.group()]
        else:
            parts["keys"] = reader.columns()
    if iceberg:
        context.run(_iceberg_table(name, columns, parts))
    else:
        context.glue.create_table(DatabaseName=name.database, TableInput=_hive_table(name, columns, parts))
    return Answer()


def _clauses(reader: Reader) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "comment": None,
        "partitions": None,
        "serde": {},
        "formats": None,
        "serializer": None,
        "location": None,
        "properties": {},
        "keys": [],
        "transforms": [],
    }
    while not reader.ended:
        if reader.accept("COMMENT"):
            parts["comment"] = reader.string()
        elif reader.accept("PARTITIONED", "BY"):
            parts["partitions"] = reader.index
            reader.group()
        elif reader.accept("ROW", "FORMAT"):
            parts["serializer"] = _row_format(reader, parts["serde"])
        elif reader.accept("WITH", "SERDEPROPERTIES"):
            parts["serde"] |= reader.properties()
        elif reader.accept("STORED", "AS"):
            parts["formats"] = _stored_as(reader)
        elif reader.accept("LOCATION"):
            parts["location"] = reader.string()
        elif reader.accept("TBLPROPERTIES"):
            parts["properties"] = reader.properties()
        else:
            reader.fail("COMMENT, PARTITIONED BY, ROW FORMAT, STORED AS, LOCATION or TBLPROPERTIES")
    return parts


def _row_format(reader: Reader, serde: dict[str, str]) -> str:
    if reader.accept("SERDE"):
        return reader.string()
    reader.expect("DELIMITED")
    while key := next((key for words, key in _DELIMITERS.items() if reader.accept(*words)), None):
        serde[key] = _unescaped(reader.string())
    return LAZY_SIMPLE


def _stored_as(reader: Reader) -> tuple[str | None, str, str]:
    if reader.accept("INPUTFORMAT"):
        input_format = reader.string()
        reader.expect("OUTPUTFORMAT")
        return None, input_format, reader.string()
    short = reader.identifier().upper()
    if short not in STORED_AS:
        raise StatementError(f"FAILED: SemanticException: Unrecognized file format in STORED AS clause: {short}")
    return STORED_AS[short]


def _unescaped(text: str) -> str:
    return text.encode().decode("unicode_escape") if "\\" in text else text


def _hive_table(name: Name, columns: list[dict[str, str]], parts: dict[str, Any]) -> dict[str, Any]:
    serializer, input_format, output_format = parts["formats"] or STORED_AS["TEXTFILE"]
    return {
        "Name": name.table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **parts["properties"]}
        | ({"comment": parts["comment"]} if parts["comment"] else {}),
        "PartitionKeys": parts["keys"],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": parts["location"],
            "InputFormat": input_format,
            "OutputFormat": output_format,
            "SerdeInfo": {
                "SerializationLibrary": parts["serializer"] or serializer or LAZY_SIMPLE,
                "Parameters": {"serialization.format": parts["serde"].get("field.delim", "1"), **parts["serde"]},
            },
            "Compressed": False,
            "NumberOfBuckets": -1,
            "StoredAsSubDirectories": False,
        },
    }


def iceberg_column(column: dict[str, str]) -> str:
    """Return a column of an Iceberg table as Trino declares it."""
    comment = f" COMMENT {literal(column['Comment'])}" if column.get("Comment") else ""
    return f"{quoted(column['Name'])} {hive_to_trino(column['Type'], timestamp_digits=6)}{comment}"


def _iceberg_table(name: Name, columns: list[dict[str, str]], parts: dict[str, Any]) -> str:
    given = {key.lower(): literal(value) for key, value in parts["properties"].items()}
    given["location"] = literal(parts["location"])
    if parts["transforms"]:
        given["partitioning"] = f"ARRAY[{', '.join(map(literal, parts['transforms']))}]"
    properties = iceberg_table_properties(given)
    comment = f" COMMENT {literal(parts['comment'])}" if parts["comment"] else ""
    settings = ", ".join(f"{key} = {value}" for key, value in properties.items())
    body = ", ".join(map(iceberg_column, columns))
    return f"CREATE TABLE {name.in_catalog(ICEBERG_CATALOG)} ({body}){comment} WITH ({settings})"


def drop_table(context: Context, reader: Reader) -> Answer:
    """DROP TABLE [IF EXISTS]: the data of an Iceberg table goes with it, that of an external table stays."""
    name, table = _to_drop(context, reader, "TABLE")
    if table and is_iceberg(table):
        context.run(f"DROP TABLE {name.in_catalog(ICEBERG_CATALOG)}")
    elif table:
        context.glue.delete_table(DatabaseName=name.database, Name=name.table)
    return Answer()


def drop_view(context: Context, reader: Reader) -> Answer:
    """DROP VIEW [IF EXISTS]."""
    name, table = _to_drop(context, reader, "VIEW")
    if table:
        context.glue.delete_table(DatabaseName=name.database, Name=name.table)
    return Answer()


def _to_drop(context: Context, reader: Reader, kind: str) -> tuple[Name, dict[str, Any] | None]:
    """Read DROP of a `TABLE` or `VIEW`; return its name and entry, None where IF EXISTS lets it be absent."""
    reader.expect("DROP", kind)
    quiet = reader.if_exists()
    name = reader.name()
    table = context.table(name)
    if table is None:
        if quiet:
            return name, None
        raise missing(name) if kind == "TABLE" else _missing_view(name)
    found = "VIEW" if table.get("TableType") == "VIRTUAL_VIEW" else "TABLE"
    if found != kind:
        raise StatementError(f"FAILED: SemanticException: {name.table} is a {found.lower()}: use DROP {found}")
    return name, table


def alter_table(context: Context, reader: Reader) -> Answer:
    """ALTER TABLE in all forms that Athena knows. Raises StatementError."""
    reader.expect("ALTER", "TABLE")
    name = reader.name()
    table = context.table(name)
    if table is None:
        raise missing(name)
    for words, function in _ALTERATIONS:
        if reader.accept(*words):
            function(context, name, table, reader)
            reader.end()
            return Answer()
    reader.fail("ADD, DROP, CHANGE, REPLACE, RENAME or SET")
    return Answer()


def _trino_name(name: Name) -> str:
    return name.in_catalog(ICEBERG_CATALOG)


def _store(context: Context, name: Name, table: dict[str, Any], descriptor: dict[str, Any]) -> None:
    changed = table["StorageDescriptor"] | descriptor
    context.glue.update_table(DatabaseName=name.database, TableInput=table_input(table, StorageDescriptor=changed))


def _set_location(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    _store(context, name, table, {"Location": reader.string()})


def _set_properties(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    given = reader.properties()
    if not is_iceberg(table):
        parameters = table.get("Parameters", {}) | given
        context.glue.update_table(DatabaseName=name.database, TableInput=table_input(table, Parameters=parameters))
        return
    properties = iceberg_table_properties({key.lower(): literal(value) for key, value in given.items()})
    settings = ", ".join(f"{key} = {value}" for key, value in properties.items())
    if settings:
        context.run(f"ALTER TABLE {_trino_name(name)} SET PROPERTIES {settings}")


def _unset_properties(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    names = [reader.statement.tokens[first].text for first, _ in reader.group()]
    if is_iceberg(table):
        raise StatementError("UNSET TBLPROPERTIES of an Iceberg table is not supported by the local Athena")
    parameters = {key: value for key, value in table.get("Parameters", {}).items() if key not in names}
    context.glue.update_table(DatabaseName=name.database, TableInput=table_input(table, Parameters=parameters))


def _rename(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    new = reader.name()
    if context.table(new):
        raise _already_there(new)
    # Glue has no rename; an Iceberg table's entry points to its metadata, so a copy of the entry is the table.
    context.glue.create_table(DatabaseName=new.database, TableInput=table_input(table, Name=new.table))
    context.glue.delete_table(DatabaseName=name.database, Name=name.table)


def _add_columns(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    _add(context, name, table, reader.columns())


def _add(context: Context, name: Name, table: dict[str, Any], columns: list[dict[str, str]]) -> None:
    existing = [column["Name"] for column in (*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", []))]
    if twice := [column["Name"] for column in columns if column["Name"] in existing]:
        raise StatementError(f"FAILED: SemanticException: Duplicate column name: {', '.join(twice)}")
    if is_iceberg(table):
        for column in columns:
            context.run(f"ALTER TABLE {_trino_name(name)} ADD COLUMN {iceberg_column(column)}")
    else:
        _store(context, name, table, {"Columns": [*table["StorageDescriptor"]["Columns"], *columns]})


def _replace_columns(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    columns = reader.columns()
    if not is_iceberg(table):
        _store(context, name, table, {"Columns": columns})
        return
    wanted = {column["Name"]: column for column in columns}
    existing = {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
    for column in existing - wanted.keys():
        context.run(f"ALTER TABLE {_trino_name(name)} DROP COLUMN {quoted(column)}")
    _add(context, name, context.table(name) or table, [c for n, c in wanted.items() if n not in existing])


def _drop_column(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    column = reader.identifier()
    if is_iceberg(table):
        context.run(f"ALTER TABLE {_trino_name(name)} DROP COLUMN {quoted(column)}")
        return
    raise StatementError("FAILED: ParseException: DROP COLUMN is for Iceberg tables; use REPLACE COLUMNS")


def _change_column(context: Context, name: Name, table: dict[str, Any], reader: Reader) -> None:
    old, new = reader.identifier(), reader.identifier()
    rest = range(reader.index, len(reader.statement.tokens))
    end = next((i for i in rest if reader.statement.word(i) in ("COMMENT", "FIRST", "AFTER")), rest.stop)
    column = {"Name": new, "Type": hive_type(reader.statement.slice(reader.index, end))}
    reader.index = end
    if reader.accept("COMMENT"):
        column["Comment"] = reader.string()
    columns = table["StorageDescriptor"]["Columns"]
    current = next((c for c in columns if c["Name"] == old), None)
    if current is None:
        raise StatementError(f"FAILED: SemanticException [Error 10004]: Invalid column reference {old}")
    if not is_iceberg(table):
        _store(context, name, table, {"Columns": [column if c["Name"] == old else c for c in columns]})
        return
    table_name = _trino_name(name)
    if new != old:
        context.run(f"ALTER TABLE {table_name} RENAME COLUMN {quoted(old)} TO {quoted(new)}")
    if column["Type"] != current["Type"]:
        to = hive_to_trino(column["Type"], timestamp_digits=6)
        context.run(f"ALTER TABLE {table_name} ALTER COLUMN {quoted(new)} SET DATA TYPE {to}")
    if "Comment" in column:
        context.run(f"COMMENT ON COLUMN {table_name}.{quoted(new)} IS {literal(column['Comment'])}")


_ALTERATIONS: tuple[tuple[tuple[str, ...], Callable[[Context, Name, dict[str, Any], Reader], None]], ...] = (
    (("SET", "TBLPROPERTIES"), _set_properties),
    (("UNSET", "TBLPROPERTIES"), _unset_properties),
    (("SET", "LOCATION"), _set_location),
    (("RENAME", "TO"), _rename),
    (("ADD", "COLUMNS"), _add_columns),
    (("REPLACE", "COLUMNS"), _replace_columns),
    (("DROP", "COLUMN"), _drop_column),
    (("CHANGE", "COLUMN"), _change_column),
    (("CHANGE",), _change_column),
    (("ADD",), add_partitions),
    (("DROP",), drop_partitions),
)
