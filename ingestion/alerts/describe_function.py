"""Lambda function in the pipe from the table's changes to the bus: makes of each change the event that people read.

It only reads, so it may be called again: what is put on the bus, and that it is put there once, is the pipe's part.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ingestion.alerts.function_clients import reference, usual
from ingestion.alerts.function_settings import settings
from ingestion.alerts.items import NO_ZONE, ZONE_PREFIX
from ingestion.alerts.messages import describe
from ingestion.alerts.store import plain


def handler(changes: Sequence[Mapping[str, Any]], _context: object) -> list[dict[str, Any]]:
    """Return one event per inserted change item, in order: {"detail_type", "detail"}."""
    return [_event(plain(change["dynamodb"]["NewImage"])) for change in changes]


def _event(item: Mapping[str, Any]) -> dict[str, Any]:
    key, zone_id = item["segment_id"], item["zone_id"]
    segment_id = None if key.startswith(ZONE_PREFIX) else key
    change = {
        **{name: item.get(name) for name in ("sensor_id", "level", "mean_index", "worst_index", "rule", "value")},
        **{name: item[name] for name in ("kind", "ts_us", "since_us")},
        "segment_id": segment_id,
        "zone_id": None if zone_id == NO_ZONE else zone_id,
    }
    segment = reference().segments.get(key)
    detail = describe(
        change,
        segment._asdict() if segment else None,
        _usual_index(key, item["ts_us"]),
        settings().time_zone,
        settings().dashboard_url,
    )
    return {"detail_type": item["kind"], "detail": detail}


def _usual_index(segment_id: str, ts_us: int) -> float | None:
    hours = usual().get(segment_id)
    local = datetime.fromtimestamp(ts_us / 1_000_000, UTC).astimezone(settings().time_zone)
    return hours[local.weekday() * 24 + local.hour] if hours else None
