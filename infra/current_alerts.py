"""`trafficlake alerts list` and `watch`: the alerts that segments are in now."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import boto3
import orjson
from rich.markup import escape

from infra import console
from infra.settings import settings
from ingestion.alerts import store
from ingestion.alerts.items import NO_ZONE, iso

LOOK_EVERY_S = 1.0
COLUMNS = ("segment", "zone", "level", "since", "index")
_COLORS = {"CRITICAL": "red", "WARNING": "yellow"}


@dataclass(frozen=True, kw_only=True)
class CurrentAlert:
    """One segment in alert; `congestion_index` is its mean of ten minutes, at most five minutes old."""

    segment_id: str
    zone_id: str | None
    level: str
    since: str
    congestion_index: float


def current_alerts() -> list[CurrentAlert]:
    """Return the alerts of this home, the worst first."""
    found = store.open_alerts(store.Table(boto3.client("dynamodb"), settings().state_table))
    alerts = [
        CurrentAlert(
            segment_id=item["segment_id"],
            zone_id=None if item["in_alert"] == NO_ZONE else item["in_alert"],
            level=item["level"],
            since=iso(item["since_us"]),
            congestion_index=float(item["mean_index"]),
        )
        for item in found
    ]
    return sorted(alerts, key=lambda alert: (alert.level, -alert.congestion_index, alert.segment_id))


def as_json(alerts: list[CurrentAlert]) -> str:
    """Return alerts as a JSON array of objects."""
    return orjson.dumps([asdict(alert) for alert in alerts], option=orjson.OPT_INDENT_2).decode()


def watch() -> None:
    """Say how many segments are in alert, then one line per change, until it is interrupted."""
    known = {alert.segment_id: alert for alert in current_alerts()}
    console.out.print(f"{len(known):,} segments in alert; waiting for changes (Ctrl-C ends)")
    while True:
        time.sleep(LOOK_EVERY_S)
        now = {alert.segment_id: alert for alert in current_alerts()}
        for line in changed(known, now):
            console.out.print(line)
        known = now


def changed(before: Mapping[str, CurrentAlert], now: Mapping[str, CurrentAlert]) -> Iterator[str]:
    """Return a line, with markup, for each alert that has started, escalated or been cleared between two looks."""
    for segment_id in sorted(before.keys() | now.keys()):
        old, new = before.get(segment_id), now.get(segment_id)
        if new is None or (old is not None and old.since != new.since):
            yield _line("[green]cleared[/green]", before[segment_id])
        if new is not None and (old is None or old.since != new.since):
            yield _line(f"[{_COLORS[new.level]}]started[/]", new)
        elif new is not None and old is not None and new.level != old.level:
            yield _line(f"[{_COLORS[new.level]}]escalated[/]", new)


def _line(what: str, alert: CurrentAlert) -> str:
    zone = f" in {escape(alert.zone_id)}" if alert.zone_id else ""
    return (
        f"{what} {escape(alert.segment_id)}{zone}: {alert.level} since {alert.since[:19]}Z, "
        f"index {alert.congestion_index:.0f}"
    )
