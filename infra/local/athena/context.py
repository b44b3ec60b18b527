"""What running a statement may use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.local.athena.engine import Column, Outcome, Rows, Session, rows_of, run
from infra.local.athena.rewrites import Name

Client = Any
"""A boto3 client; boto3 makes its classes at run time, so there is no type to name."""


@dataclass(frozen=True)
class Context:
    """One execution's surroundings: default database, clients, where results go, how to run SQL in Trino."""

    execution_id: str
    database: str | None
    result_folder: str
    glue: Client
    s3: Client
    trino_url: Callable[[], str]
    cancelled: Callable[[], bool]

    def session(self, properties: tuple[tuple[str, str], ...] = ()) -> Session:
        """Return the session to run SQL in; waits until Trino is up."""
        return Session(self.trino_url(), self.database, properties)

    def run(
        self,
        sql: str,
        on_rows: Callable[[list[Column], Rows], None] | None = None,
        properties: tuple[tuple[str, str], ...] = (),
    ) -> Outcome:
        """Run SQL in Trino. Raises QueryFailed, QueryCancelled, TrinoError."""
        return run(self.session(properties), sql, on_rows, self.cancelled)

    def columns_of(self, query: str) -> list[tuple[str, str]]:
        """Return names and Trino types of a query's columns. Raises QueryFailed."""
        columns, _ = rows_of(self.session(), f"SELECT * FROM ({query}\n) LIMIT 0")  # noqa: S608 — the user's own query
        return [(column.name, column.type) for column in columns]

    def table(self, name: Name) -> dict[str, Any] | None:
        """Return a table's entry in Glue, or None."""
        try:
            return self.glue.get_table(DatabaseName=name.database, Name=name.table)["Table"]
        except self.glue.exceptions.EntityNotFoundException:
            return None


@dataclass
class Answer:
    """What a statement returned that did not stream rows: lines of text, or nothing."""

    columns: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    update_count: int | None = None
    outcome: Outcome | None = None
    manifest: list[str] | None = None


def is_iceberg(table: dict[str, Any]) -> bool:
    """Whether a Glue table is an Iceberg table."""
    return table.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG"


TABLE_INPUT = (
    "Name",
    "Description",
    "Owner",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
)


def table_input(table: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Return what UpdateTable and CreateTable take of a table, with changes."""
    return {key: table[key] for key in TABLE_INPUT if key in table and table[key] != ""} | changes
