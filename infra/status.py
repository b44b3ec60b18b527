"""How the lake is: freshness, last runs, reconciliation by hour, sensors unknown or silent."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyiceberg.catalog import Catalog

from infra.athena import ask
from infra.runners import pending, planning, record
from infra.settings import settings

HOURS_SHOWN = 24
SILENT_AFTER_MINUTES = 60

FRESHNESS = """
select max(interval_start) as latest_reading from curated.sensor_5min
where interval_start >= date_add('day', -30, (select max(hour_start) from marts.congestion_hourly))
"""
RECONCILIATION = """
select arrival_hour, sent, landed, conversion_errors, curated, duplicates, rejected, is_balanced
from marts.reconciliation_hourly order by is_balanced, arrival_hour desc limit {hours}
"""
UNKNOWN = """
select s.sensor_id, max(s.interval_start) as last_reading
from curated.sensor_5min s left join reference.sensors r on r.sensor_id = s.sensor_id
where s.interval_start >= timestamp '{since}' and r.sensor_id is null
group by s.sensor_id order by s.sensor_id
"""
SILENT = """
select r.sensor_id, r.segment_id, max(s.interval_start) as last_reading
from reference.sensors r
left join curated.sensor_5min s
    on s.sensor_id = r.sensor_id and s.interval_start >= timestamp '{since}' and s.samples_observed > 0
where r.valid_to is null
group by r.sensor_id, r.segment_id
having max(s.interval_start) is null or max(s.interval_start) < timestamp '{silent_since}'
order by r.sensor_id
"""


@dataclass(frozen=True)
class Status:
    """What `trafficlake status` shows; frames are empty where there is nothing to show."""

    waiting_hours: int
    pending_hours: int
    latest_reading: pd.Timestamp | None
    runs: list[dict[str, Any]]
    reconciliation: pd.DataFrame
    unknown: pd.DataFrame
    silent: pd.DataFrame


def read_status(catalog: Catalog) -> Status:
    """Gather the status; hours that do not balance come first, sensors are judged over the last day of data.

    Raises infra.athena.QueryError.
    """
    city = settings()
    waiting = planning.arrival_hours_to_process(city.raw_bucket, catalog)
    todo = pending.read(catalog)
    runs = record.latest(city.lake_bucket, 5)
    nothing = pd.DataFrame()
    reconciliation = unknown = silent = nothing
    latest = None
    if _exist(catalog, "marts.reconciliation_hourly"):
        reconciliation = ask(RECONCILIATION.format(hours=HOURS_SHOWN)).rows
    if _exist(catalog, "marts.congestion_hourly", "curated.sensor_5min"):
        latest = ask(FRESHNESS).rows["latest_reading"].iloc[0]
    if latest is not None and not pd.isna(latest) and _exist(catalog, "reference.sensors"):
        since, silent_since = latest - pd.Timedelta(days=1), latest - pd.Timedelta(minutes=SILENT_AFTER_MINUTES)
        unknown = ask(UNKNOWN.format(since=since)).rows
        silent = ask(SILENT.format(since=since, silent_since=silent_since)).rows
    return Status(
        waiting_hours=sum(int((end - start) / planning.HOUR) for start, end in waiting),
        pending_hours=len(todo.event),
        latest_reading=None if pd.isna(latest) else latest,
        runs=runs,
        reconciliation=reconciliation,
        unknown=unknown,
        silent=silent,
    )


def _exist(catalog: Catalog, *tables: str) -> bool:
    return all(catalog.table_exists(name) for name in tables)


def run_rows(runs: Iterable[dict[str, Any]]) -> list[tuple[object, ...]]:
    """Return a row for each record of a run: start, outcome, seconds, landed rows, expectations that hold."""
    rows = []
    for run in runs:
        landed = next((step["rows"] for step in run["steps"] if step["step"] == "curate"), None)
        found = run["verdict"]
        held = f"{found['passed']} of {found['expectations']}" if found else None
        outcome = run["outcome"] if not run["failed_step"] else f"failed at {run['failed_step']}"
        rows.append((run["started"][:19].replace("T", " "), outcome, float(run["seconds"]), landed, held))
    return rows
