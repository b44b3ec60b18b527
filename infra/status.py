"""How the lake is: freshness, last runs, reconciliation by hour, sensors unknown or silent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from pyiceberg.catalog import Catalog

from infra import console
from infra.athena import ask
from infra.newest import newest
from infra.runners import pending, planning, record
from infra.settings import settings

HOURS_SHOWN = 24
SILENT_AFTER_MINUTES = 60

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
    """What `trafficlake status` shows, times naive UTC; frames are empty where there is nothing to show."""

    newest_reading: datetime | None
    newest_mart_hour: datetime | None
    waiting_hours: int
    pending_hours: int
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
    if catalog.table_exists("marts.reconciliation_hourly"):
        reconciliation = ask(RECONCILIATION.format(hours=HOURS_SHOWN)).rows
    latest = newest(catalog, "curated.sensor_5min", "interval_start")
    if latest is not None and catalog.table_exists("reference.sensors"):
        since, silent_since = latest - timedelta(days=1), latest - timedelta(minutes=SILENT_AFTER_MINUTES)
        unknown = ask(UNKNOWN.format(since=since)).rows
        silent = ask(SILENT.format(since=since, silent_since=silent_since)).rows
    return Status(
        newest_reading=newest(catalog, "curated.readings", "ts"),
        newest_mart_hour=newest(catalog, "marts.congestion_hourly", "hour_start"),
        waiting_hours=sum(int((end - start) / planning.HOUR) for start, end in waiting),
        pending_hours=len(todo.event),
        runs=runs,
        reconciliation=reconciliation,
        unknown=unknown,
        silent=silent,
    )


def show(found: Status) -> None:
    """Show the status: how fresh the lake is, what waits, the last runs, and whatever needs a look."""
    now = datetime.now(UTC).replace(tzinfo=None)
    console.out.print(
        f"newest reading: {_with_age(found.newest_reading, now)}; "
        f"newest hour of the marts: {_with_age(found.newest_mart_hour, now)}"
    )
    console.out.print(
        f"arrival hours waiting for a run: {found.waiting_hours:,}; event hours pending: {found.pending_hours:,}"
    )
    runs = run_rows(found.runs)
    console.out.print(console.table("Last runs", ["started (UTC)", "outcome", "seconds", "landed", "hold"], runs))
    for title, frame in (
        ("Reconciliation by arrival hour (unbalanced first)", found.reconciliation),
        ("Sensors that the registry does not know (last day)", found.unknown),
        ("Sensors that have been silent for an hour or longer", found.silent),
    ):
        if len(frame):
            headings = [name.replace("_", " ") for name in frame.columns]
            console.out.print(console.table(title, headings, frame.itertuples(index=False)))
        else:
            console.out.print(f"[bold]{title}[/bold]: none")


def _with_age(moment: datetime | None, now: datetime) -> str:
    """Return a time with its age in words; a device's clock may be minutes ahead."""
    if moment is None:
        return "none yet"
    minutes = max(0.0, (now - moment) / timedelta(minutes=1))
    if minutes < 120:
        age = f"{minutes:.0f} min"
    else:
        age = f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:,.0f} days"
    return f"{moment:%Y-%m-%d %H:%M} UTC ({age} ago)"


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
