"""The demonstration: a simulated city's last eight days and its last hour, through the whole batch path."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from infra import console, dashboard_page
from infra.alerts import write_episodes
from infra.athena import ask
from infra.errors import FailedError
from infra.reference_snapshot import publish_reference
from infra.runners import record
from infra.runners.events import RunReport
from infra.settings import settings
from ingestion import simulator
from ingestion.iceberg_catalog import open_catalog
from ingestion.publish.archive import archive
from ingestion.publish.kinesis import publish
from ingestion.publish.sent import Progress, Sent
from ingestion.registry.load import LoadReport, load_registry
from ingestion.registry.rows import read_registry

SEED = 1
INTERVAL_S = 300
HISTORY = timedelta(days=8)
LIVE = timedelta(hours=1)
EPISODES = timedelta(days=2)
LANDING_LIMIT_S = 180

LANDED_LIVE = """
select
    (select count(*) from raw.sensor_readings where dt between '{first}' and '{last}' and "$path" like '%/{stream}-%')
    + (select count(*) from raw.delivery_errors where dt between '{first}' and '{last}' and "$path" like '%/{stream}-%')
    as documents
"""
WORST_SEGMENTS = """
select
    segment_id as "segment", delay_veh_h as "delay veh·h", travel_time_index as "TTI", speed_kmh as "km/h",
    free_flow_kmh as "free flow", congestion_index_max as "worst index", congested_minutes as "congested min",
    100 * observed_share as "observed %"
from marts.congestion_daily
where local_date = date '{day}' and is_reliable
order by delay_veh_h desc, segment_id
limit 10
"""
RECONCILIATION = """
select
    sum(landed) as landed, sum(curated) as curated, sum(duplicates) as duplicates, sum(rejected) as rejected,
    sum(conversion_errors) as conversion_errors, count(*) as hours, count_if(not is_balanced) as unbalanced
from marts.reconciliation_hourly
"""
TRY_NEXT = """\
  .venv/bin/trafficlake dashboard --open
  .venv/bin/trafficlake status
  .venv/bin/trafficlake query "select * from marts.zone_congestion_daily order by local_date, zone_id"
  .venv/bin/trafficlake query "select reasons, original from curated.rejected_readings limit 10"
  .venv/bin/trafficlake devices provision SENSOR --out certs   # then publish over MQTT and watch:
  .venv/bin/trafficlake alerts watch
  eval "$(.venv/bin/trafficlake env)"   # then any AWS tool reaches the local endpoint
"""


class LandingError(FailedError):
    """What was sent did not land in time; the message says where to look."""


@dataclass
class Plan:
    """What the demo has sent: `end` is the end of the simulated time; a second run goes on where the first is."""

    end: datetime
    history_sent: bool = False
    live_sent_at: datetime | None = None
    live_documents: int = 0
    episodes_written: bool = False


def play(folder: Path, run: Callable[[], RunReport]) -> bool:
    """Send what was not sent yet, run the pipeline and show what came out; return whether every hour balances.

    The last two days' episodes are written and the dashboards' page is built at the end.

    `folder` keeps what was sent, so that a second call goes on where the first was. Raises LandingError.
    """
    plan_file = folder / "demo.json"
    plan = load_plan(plan_file)
    city, loaded = load_city(folder)
    console.out.print(f"city: {loaded.sensors:,} sensors on {loaded.segments:,} segments in {loaded.zones:,} zones")
    if not plan.history_sent:
        with console.counting("8 days of history, by archive") as advance:
            console.sent(send_history(city, plan, advance), "history by archive")
        plan.history_sent = True
        save_plan(plan, plan_file)
    if plan.live_sent_at is None:
        sent_at = datetime.now(UTC)
        with console.counting("the last hour, live through Kinesis") as advance:
            sent = send_live(city, plan, advance)
        console.sent(sent, "last hour through Kinesis")
        plan.live_sent_at, plan.live_documents = sent_at, sent.sent
        save_plan(plan, plan_file)
    with console.counting("Firehose lands the last hour as Parquet", plan.live_documents) as advance:
        await_landing(plan, advance)
    report = run()
    day, worst = worst_segments(plan)
    console.out.print(console.table(f"Worst segments of {day}", list(worst.columns), worst.itertuples(index=False)))
    sums = reconciliation()
    console.out.print(console.reconciliation_line(sums))
    if sums["unbalanced"]:
        console.error(f"{sums['unbalanced']} of {sums['hours']} arrival hours do not balance: trafficlake status")
    if report.outcome != "nothing to do" or not plan.episodes_written:
        write_episodes((plan.end - EPISODES).replace(tzinfo=None), plan.end.replace(tzinfo=None))
        plan.episodes_written = True
        save_plan(plan, plan_file)
    page = dashboard_page.build(folder / "dashboard")
    _say_where(folder, report, page)
    return not sums["unbalanced"]


def load_plan(path: Path) -> Plan:
    """Return the plan of the first run, or a new one that ends at the last full hour.

    The simulated time is fixed by the first run, so that a second one changes no figure.
    """
    if not path.exists():
        return Plan(datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    stored = json.loads(path.read_text())
    moments = {name: stored[name] and datetime.fromisoformat(stored[name]) for name in ("end", "live_sent_at")}
    return Plan(**{**stored, **moments})


def save_plan(plan: Plan, path: Path) -> None:
    """Note what was sent, in one step."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(plan.__dict__, default=datetime.isoformat))
    part.replace(path)


def load_city(folder: Path) -> tuple[simulator.City, LoadReport]:
    """Make the city, write its registry CSV into the folder and load it."""
    city = simulator.city(simulator.DEMO_SENSORS, SEED, interval_s=INTERVAL_S)
    registry = folder / "demo-registry.csv"
    registry.write_text(simulator.registry_csv(city), encoding="utf-8", newline="")
    rows, _ = read_registry(registry)
    catalog = open_catalog()
    report = load_registry(rows, catalog)
    publish_reference(catalog, settings())
    return city, report


def send_history(city: simulator.City, plan: Plan, on_progress: Progress) -> Sent:
    """Back-fill eight days up to the last hour, each reading at its own arrival time."""
    live = plan.end - LIVE
    return archive(simulator.readings(city, live - HISTORY, live), settings().raw_bucket, on_progress)


def send_live(city: simulator.City, plan: Plan, on_progress: Progress) -> Sent:
    """Send the last hour through Kinesis; Firehose stamps its arrival."""
    documents = simulator.readings(city, plan.end - LIVE, plan.end, received_at=False)
    return publish(documents, settings().stream, settings().raw_bucket, on_progress)


def await_landing(plan: Plan, on_progress: Progress) -> None:
    """Wait until Firehose has delivered what was sent live.

    Raises LandingError when it has not within three minutes.
    """
    sent_at = plan.live_sent_at or datetime.now(UTC)
    days = {"first": f"{sent_at:%Y-%m-%d}", "last": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"}
    query = LANDED_LIVE.format(**days, stream=settings().delivery_stream)
    deadline = time.monotonic() + LANDING_LIMIT_S
    seen = 0
    while time.monotonic() < deadline:
        landed = int(ask(query).rows["documents"].iloc[0])
        on_progress(landed - seen)
        seen = landed
        if landed >= plan.live_documents:
            return
        time.sleep(0.5)
    raise LandingError(
        f"only {seen:,} of {plan.live_documents:,} documents have landed after {LANDING_LIMIT_S} s; "
        "see .trafficlake/endpoint.log, and run `make demo` again: it goes on where it was"
    )


def worst_segments(plan: Plan) -> tuple[str, pd.DataFrame]:
    """Return the last full local day of the simulated time and its ten segments with the most delay."""
    local_end = pd.Timestamp(plan.end).tz_convert(settings().city_time_zone)
    day = (local_end.normalize() - pd.Timedelta(hours=1)).strftime("%Y-%m-%d")
    return day, ask(WORST_SEGMENTS.format(day=day)).rows


def reconciliation() -> dict[str, int]:
    """Return the sums of the reconciliation over all arrival hours, and how many hours do not balance."""
    return {name: int(value) for name, value in ask(RECONCILIATION).rows.iloc[0].items()}


def _say_where(folder: Path, report: RunReport, page: Path) -> None:
    city = settings()
    latest = next((run for run in record.latest(city.lake_bucket) if run["verdict"]), None)
    if latest:
        found = latest["verdict"]
        console.out.print(
            f"expectations: {found['passed']} of {found['expectations']} hold on {found['rows']:,} rows"
            + ("" if report.verdict else " (last run that had rows to check)")
        )
    console.out.print(
        f"\nwhere it lies: state {folder}; landing s3://{city.raw_bucket}/; tables s3://{city.lake_bucket}/ "
        f"(Glue databases raw, reference, curated, marts); data docs s3://{city.docs_bucket}/quality/"
    )
    console.out.print(f"try next:\n{TRY_NEXT}")
    console.out.print(f"dashboard: {page.resolve()}")
