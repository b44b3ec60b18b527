"""Items of the table `sensor_state` and what they stand for. Pure.

Key: `segment_id` and `ts`. Of each segment there are

- `ts` = start of a 5-minute interval (ISO 8601, UTC): its summary;
- `ts` = time of a change # its kind [# sensor # rule]: the change, with all that a notification needs;
- `ts` = `current`: the alert that the segment is in. `in_alert` is there only then, so that an index of it is short.

Of a feed that falls silent the key is `zone#` and the zone. The item that is written last for a segment carries in
`state` all that is kept of it, compressed; `watermark_us` says how far that is. `last_arrived_us` is the newest arrival
of the segment when the item was written, and what the time of expiry counts from: history that is sent today is of
today here. `current` items do not expire.
"""

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ingestion.alerts import anomalies, machine
from ingestion.alerts.tracker import Told, Tracked

CURRENT = "current"
NO_ZONE = "-"
ZONE_PREFIX = "zone#"
EXPIRES_AFTER_S = 90 * 86_400
Item = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def of_told(segment_id: str, zone_id: str | None, told: Told) -> Item:
    """Return the item of one summary or change of a segment."""
    if isinstance(told, machine.Summary):
        return _item(segment_id, iso(told.interval_start_us), zone_id) | {
            "readings": told.readings,
            "mean_index": told.mean_index,
            "worst_index": told.worst_index,
            "vehicles": told.vehicles,
        }
    if isinstance(told, machine.Change):
        return change_item(
            segment_id, zone_id, told.kind, told.ts_us, told.since_us,
            level=told.level, mean_index=told.mean_index, worst_index=told.worst_mean_index,
        )  # fmt: skip
    sensor_id, change = told
    return change_item(
        segment_id, zone_id, change.kind, change.ts_us, change.since_us,
        sensor_id=sensor_id, rule=change.rule, value=change.value,
    )  # fmt: skip


def change_item(
    key: str,
    zone_id: str | None,
    kind: str,
    ts_us: int,
    since_us: int,
    **measures: float | str | None,
) -> Item:
    """Return the item of a change; equal changes have equal keys, so a second one cannot be added."""
    about = [str(measures[name]) for name in ("sensor_id", "rule") if name in measures]
    sort_key = "#".join([iso(ts_us), kind, *about])
    return _item(key, sort_key, zone_id) | {"kind": kind, "ts_us": ts_us, "since_us": since_us} | measures


def current_item(segment_id: str, zone_id: str | None, state: machine.State) -> Item:
    """Return the item that says which alert a segment is in."""
    alert = machine.open_alert(state)
    item = {"segment_id": segment_id, "ts": CURRENT, "zone_id": zone_id, "watermark_us": state.watermark_us}
    if alert is None:
        return item
    return item | {
        "in_alert": zone_id or NO_ZONE,
        "level": alert.level,
        "since_us": alert.since_us,
        "mean_index": alert.mean_index,
        "worst_index": alert.worst_mean_index,
    }


def saved(tracked: Tracked) -> Item:
    """Return the attributes that keep a segment's state, for the item that is written last."""
    document = {
        "machine": machine.to_item(tracked.state),
        "sensors": {sensor_id: anomalies.to_item(state) for sensor_id, state in tracked.sensors.items()},
    }
    return {
        "state": zlib.compress(orjson.dumps(document)),
        "watermark_us": tracked.state.watermark_us,
    }


def restored(item: Mapping[str, Any]) -> Tracked:
    """Return the segment whose state an item carries. Raises ValueError for a state of another version."""
    document = orjson.loads(zlib.decompress(bytes(item["state"])))
    sensors = {sensor_id: anomalies.from_item(state) for sensor_id, state in document["sensors"].items()}
    return Tracked(machine.from_item(document["machine"]), sensors, int(item["last_arrived_us"]))


def arrived(last_arrived_us: int) -> Item:
    """Return the attributes that say when the newest reading of an item arrived, and when the item may go."""
    return {"last_arrived_us": last_arrived_us, "expires_at": last_arrived_us // 1_000_000 + EXPIRES_AFTER_S}


def iso(ts_us: int) -> str:
    """Return an instant as ISO 8601 text that sorts as the instants do."""
    moment = _EPOCH + timedelta(microseconds=ts_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _item(key: str, sort_key: str, zone_id: str | None) -> Item:
    return {"segment_id": key, "ts": sort_key, "zone_id": zone_id or NO_ZONE}
