"""The hours that downstream tables must compute again (`curated.pending_hours`), and how a run removes its own.

The roll-up, the first step that works on them, tags the table's snapshot for its run; the steps after it read the hours
of that tag. So steps that are processes of their own work on the same hours, and nothing is handed over but the table.

The rows of a run are known by the data files that they lie in. A registry load may add rows during a run, even for
the same hours; they lie in files of their own and stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import DataScan

from quality.touched_hours import taken_by

TABLE = "curated.pending_hours"
ATTEMPTS = 5


@dataclass(frozen=True)
class PendingHours:
    """The pending hours at one moment (naive UTC starts), and the data files that list them."""

    event: frozenset[datetime]
    arrival: frozenset[datetime]
    files: frozenset[str]

    def __bool__(self) -> bool:
        """Tell whether anything is pending."""
        return bool(self.event or self.arrival)


NOTHING = PendingHours(frozenset(), frozenset(), frozenset())


def read(catalog: Catalog) -> PendingHours:
    """Return what is pending now; nothing before the first run."""
    try:
        table = catalog.load_table(TABLE)
    except NoSuchTableError:
        return NOTHING
    return _hours(table.scan())


def taken(catalog: Catalog, run: str) -> PendingHours:
    """Return what was pending when the roll-up of a run began; nothing where there was nothing to tag."""
    try:
        table = catalog.load_table(TABLE)
    except NoSuchTableError:
        return NOTHING
    snapshot = table.snapshot_by_name(taken_by(run))
    return _hours(table.scan(snapshot_id=snapshot.snapshot_id)) if snapshot else NOTHING


def remove(catalog: Catalog, consumed: PendingHours) -> int:
    """Remove the rows of these files and return their number; what was added later stays. Safe to repeat."""
    for attempt in range(1, ATTEMPTS + 1):
        table = catalog.load_table(TABLE)
        files = [file for path, file in _data_files(table.scan()).items() if path in consumed.files]
        if not files:
            return 0
        try:
            with table.transaction() as transaction, transaction.update_snapshot().overwrite() as update:
                for file in files:
                    update.delete_data_file(file)
        # The second where pyiceberg itself has tried again, and found what was added.
        except (CommitFailedException, ValidationException):
            if attempt == ATTEMPTS:
                raise
        else:
            return sum(file.record_count for file in files)
    return 0


def _hours(scan: DataScan) -> PendingHours:
    rows = scan.to_arrow().to_pylist()
    hours = {kind: frozenset(row["hour_start"] for row in rows if row["kind"] == kind) for kind in ("event", "arrival")}
    return PendingHours(hours["event"], hours["arrival"], frozenset(_data_files(scan)))


def _data_files(scan: DataScan) -> dict[str, DataFile]:
    return {task.file.file_path: task.file for task in scan.plan_files()}
