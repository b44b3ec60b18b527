"""The snapshots of Iceberg tables, for people who restore one: what there is, and going back to it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchIcebergTableError,
    NoSuchPropertyException,
    NoSuchTableError,
)
from pyiceberg.table import Table

from infra.errors import FailedError, UsageError

COLUMNS = ("snapshot", "committed (UTC)", "operation", "rows added", "rows in all", "")


@dataclass(frozen=True)
class Snapshot:
    """A state of a table; `rows` is None where its writer did not note it."""

    snapshot_id: int
    committed_at: datetime
    operation: str
    rows_added: int
    rows: int | None
    is_current: bool


def snapshots(catalog: Catalog, name: str) -> list[Snapshot]:
    """Return the snapshots that a table still has, the newest first. Raises UsageError where it is no Iceberg table."""
    table = _load(catalog, name)
    current = table.metadata.current_snapshot_id
    found = []
    for snapshot in table.metadata.snapshots:
        summary = snapshot.summary.model_dump() if snapshot.summary else {}
        rows = summary.get("total-records")
        found.append(
            Snapshot(
                snapshot_id=snapshot.snapshot_id,
                committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).replace(tzinfo=None),
                operation=snapshot.summary.operation.value if snapshot.summary else "",
                rows_added=int(summary.get("added-records", 0)),
                rows=None if rows is None else int(rows),
                is_current=snapshot.snapshot_id == current,
            )
        )
    return sorted(found, key=lambda each: each.committed_at, reverse=True)


def cells(snapshot: Snapshot) -> tuple[str, ...]:
    """Return a snapshot as a row of a table of texts."""
    rows = "" if snapshot.rows is None else f"{snapshot.rows:,}"
    current = "current" if snapshot.is_current else ""
    moment = f"{snapshot.committed_at:%Y-%m-%d %H:%M:%S}"
    return (str(snapshot.snapshot_id), moment, snapshot.operation, f"{snapshot.rows_added:,}", rows, current)


def restore(catalog: Catalog, name: str, snapshot_id: int) -> bool:
    """Make a snapshot the current one; return False where it is already. The newer ones stay until they expire.

    Raises UsageError for what the table does not have, FailedError where somebody writes to it at the same time.
    """
    table = _load(catalog, name)
    if snapshot_id == table.metadata.current_snapshot_id:
        return False
    if table.snapshot_by_id(snapshot_id) is None:
        raise UsageError(f"{name} has no snapshot {snapshot_id}: see trafficlake tables snapshots {name}.")
    try:
        table.manage_snapshots().set_current_snapshot(snapshot_id=snapshot_id).commit()
    except CommitFailedException as error:
        raise FailedError(f"{name} is being written to: wait for the run to end, then repeat this.") from error
    return True


def _load(catalog: Catalog, name: str) -> Table:
    try:
        return catalog.load_table(name)
    except (NoSuchTableError, NoSuchIcebergTableError, NoSuchPropertyException, ValueError) as error:
        raise UsageError(f"there is no Iceberg table {name}: name it as database.table.") from error
