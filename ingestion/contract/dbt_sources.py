"""dbt sources: every table that dbt does not make, with its columns, Athena types and descriptions."""

from typing import Any

import yaml

from ingestion.contract import model

# Where the committed file lies, from the root of the checkout.
PATH = "dbt/models/staging/_sources.yml"
_HEADER = "# Made from ingestion/contract by `python -m ingestion.contract`. Do not edit: change the contract.\n"
_DATABASES = {
    "raw": "What landed, as it was sent.",
    "reference": "What the city says of its sensors and roads, with its history.",
    "curated": "Readings that are typed, checked and free of duplicates, and what the pipeline keeps beside them.",
    "marts": "What a job puts beside the marts that dbt makes.",
}
_TYPES = {
    "string": "varchar",
    "int": "integer",
    "bigint": "bigint",
    "double": "double",
    "timestamp": "timestamp",
    "array<string>": "array(varchar)",
}
# Also the name of a type, so a statement that lists it bare is easily misread.
_QUOTED = ("timestamp",)


def sources_yaml() -> str:
    """Return the text of the sources file: databases in order of the flow, tables in order of their contracts."""
    tables = model.tables().values()
    unknown = {table.database for table in tables} - _DATABASES.keys()
    if unknown:
        raise model.ContractError(f"databases without a description: {sorted(unknown)}")
    sources = [
        {
            "name": database,
            "description": description,
            "tables": [_source_table(table) for table in tables if table.database == database],
        }
        for database, description in _DATABASES.items()
    ]
    document = {"version": 2, "sources": sources}
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _source_table(table: model.Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "description": table.description,
        "columns": [_source_column(column) for column in table.columns],
    }


def _source_column(column: model.Column) -> dict[str, Any]:
    unit = f" Unit: {column.unit}." if column.unit else ""
    entry = {
        "name": column.name,
        "description": f"{column.description}{unit}",
        "data_type": _TYPES[column.physical_type],
    }
    return entry | ({"quote": True} if column.name in _QUOTED else {})
