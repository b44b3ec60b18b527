"""Merging registry rows into the lake: `reference.sensors` with its history, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, GreaterThanOrEqual, In
from pyiceberg.table import Table

from ingestion.contract import arrow, iceberg, model
from ingestion.registry import history as scd2
from ingestion.registry.rows import RegistryRow

SENSORS, SEGMENTS, ZONES = "reference.sensors", "reference.segments", "reference.zones"
SENSOR_5MIN, PENDING_HOURS = "curated.sensor_5min", "curated.pending_hours"


@dataclass(frozen=True)
class LoadReport:
    """What a load did, in sensors and rows; `tables_changed` lists the tables that got a new snapshot."""

    sensors_new: int
    sensors_changed: int
    sensors_unchanged: int
    sensors_absent: int
    sensors: int
    segments: int
    zones: int
    hours_to_recompute: int
    tables_changed: tuple[str, ...]


def load_registry(rows: Iterable[RegistryRow], catalog: Catalog, now: datetime | None = None) -> LoadReport:
    """Merge valid rows into `reference.sensors`, `.segments` and `.zones`; create the tables where they are missing.

    `now` (UTC, default the clock's second) is when a change without valid_from begins. Each table is replaced in
    one commit, and only when it differs, so loading the same rows again makes no snapshot. The event hours whose
    5-minute values rest on a changed sensor are noted in `curated.pending_hours` first: if the load breaks off
    then, they are computed once too often instead of never.

    Raises pyiceberg's CommitFailedException or ValidationException when another load commits at the same time; load
    again then.
    """
    now = (now or datetime.now(UTC).replace(microsecond=0)).astimezone(UTC).replace(tzinfo=None)
    rows = list(rows)
    tables = {name: _open(catalog, name) for name in (SENSORS, SEGMENTS, ZONES)}
    stored = {name: _records(table) for name, table in tables.items()}
    before = scd2.from_records(stored[SENSORS])
    after, changes = scd2.merge(before, rows, now)
    hours = _note_pending_hours(catalog, changes)
    zone_names = {str(zone["zone_id"]): str(zone["name"]) for zone in stored[ZONES]}
    wanted = {
        SENSORS: scd2.to_records(after),
        SEGMENTS: scd2.segments(after),
        ZONES: scd2.zones(after, zone_names),
    }
    changed = tuple(name for name in wanted if _replace(tables[name], name, stored[name], wanted[name]))
    in_file = {row.sensor_id for row in rows}
    return LoadReport(
        sensors_new=len(changes.keys() - before.keys()),
        sensors_changed=len(changes.keys() & before.keys()),
        sensors_unchanged=len(in_file - changes.keys()),
        sensors_absent=len(before.keys() - in_file),
        sensors=len(after),
        segments=len({record["segment_id"] for record in wanted[SEGMENTS]}),
        zones=len(wanted[ZONES]),
        hours_to_recompute=hours,
        tables_changed=changed,
    )


def _open(catalog: Catalog, name: str) -> Table:
    schema = iceberg.table_schema(name)
    table = catalog.create_table_if_not_exists(name, schema, partition_spec=iceberg.partition_spec(name))
    if set(schema.column_names) - set(table.schema().column_names):
        with table.update_schema() as update:
            update.union_by_name(schema)
    return table


def _records(table: Table) -> list[scd2.Record]:
    return table.scan().to_arrow().to_pylist()


def _replace(table: Table, name: str, stored: list[scd2.Record], wanted: list[scd2.Record]) -> bool:
    schema = arrow.table_schema(name)
    key = model.table(name).key
    target = pa.Table.from_pylist(wanted, schema=schema)
    if sorted(stored, key=lambda record: [record[k] for k in key]) == target.to_pylist():
        return False
    if stored:
        table.overwrite(target)
    else:
        table.append(target)
    return True


def _note_pending_hours(catalog: Catalog, changes: dict[str, datetime]) -> int:
    """Append the event hours that hold 5-minute values of changed sensors since their change; return their number."""
    if not changes or not all(catalog.table_exists(name) for name in (SENSOR_5MIN, PENDING_HOURS)):
        return 0
    scan = catalog.load_table(SENSOR_5MIN).scan(
        row_filter=And(
            In("sensor_id", set(changes)), GreaterThanOrEqual("interval_start", min(changes.values()).isoformat())
        ),
        selected_fields=("interval_start",),
    )
    hours: set[datetime] = set()
    for batch in scan.to_arrow_batch_reader():
        hours.update(pc.unique(pc.floor_temporal(batch["interval_start"], unit="hour")).to_pylist())
    if hours:
        pending = [{"kind": "event", "hour_start": hour} for hour in sorted(hours)]
        catalog.load_table(PENDING_HOURS).append(
            pa.Table.from_pylist(pending, schema=arrow.table_schema(PENDING_HOURS))
        )
    return len(hours)
