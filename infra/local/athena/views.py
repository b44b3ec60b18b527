"""Views as Athena stores them in Glue, which is as Trino reads them."""

import base64
import json
from typing import Any

from infra.local.athena.context import Answer, Context
from infra.local.athena.reader import Reader
from infra.local.athena.rewrites import Name, double_literals
from infra.local.athena.text import Statement, StatementError, tokenize
from infra.local.athena.types import trino_to_hive
from infra.local.trino import HIVE_CATALOG

_PREFIX, _SUFFIX = "/* Presto View: ", " */"


def view_input(name: Name, query: str, columns: list[tuple[str, str]], database: str | None) -> dict[str, Any]:
    """Return the Glue entry of a view with these columns (name, Trino type); it runs with the rights of who asks."""
    body = {
        "originalSql": query,
        "catalog": HIVE_CATALOG,
        "schema": database or name.database,
        "columns": [{"name": column, "type": of} for column, of in columns],
        "runAsInvoker": True,
        "path": [],
    }
    return {
        "Name": name.table,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": trino_to_hive(of)} for column, of in columns],
            "Location": "",
            "SerdeInfo": {"Parameters": {}},
        },
        "ViewOriginalText": _PREFIX + base64.b64encode(json.dumps(body).encode()).decode() + _SUFFIX,
        "ViewExpandedText": "/* Presto View */",
    }


def query_of(table: dict[str, Any]) -> str:
    """Return the SQL of a view's Glue entry. Raises StatementError for a view of another engine."""
    text = table.get("ViewOriginalText", "")
    if not text.startswith(_PREFIX):
        raise StatementError(f"View {table['Name']} was not made by Athena")
    return json.loads(base64.b64decode(text.removeprefix(_PREFIX).removesuffix(_SUFFIX)))["originalSql"]


def create_view(context: Context, statement: Statement) -> Answer:
    """CREATE [OR REPLACE] VIEW name AS query. Raises StatementError, QueryFailed."""
    reader = Reader(statement, context.database)
    reader.expect("CREATE")
    replace = reader.accept("OR", "REPLACE")
    reader.expect("VIEW")
    name = reader.name()
    reader.expect("AS")
    query = double_literals(tokenize(statement.slice(reader.index))).sql
    existing = context.table(name)
    if existing and not replace:
        raise StatementError(f"line 1:1: View already exists: '{HIVE_CATALOG}.{name.database}.{name.table}'")
    if existing and existing.get("TableType") != "VIRTUAL_VIEW":
        raise StatementError(f"line 1:1: Existing table is not a view: {name.database}.{name.table}")
    columns = context.columns_of(query)
    entry = view_input(name, query, columns, context.database)
    write = context.glue.update_table if existing else context.glue.create_table
    write(DatabaseName=name.database, TableInput=entry)
    return Answer()
