"""Lambda function on a schedule of a minute: lets time pass on the second stream, and watches over silent feeds.

A tick every ten seconds goes to each shard, so that the last reading before a silence is not waited on for ever
(`tracker`). A zone is silent when the newest of its items tells of no arrival for `silence_after_s`; that item may be
a 5-minute summary old, so a feed is called silent between 5 minutes before that time and that time.
"""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ingestion.alerts import items, metrics, segment_stream, store
from ingestion.alerts.function_clients import kinesis, reference, state_table
from ingestion.alerts.function_settings import settings
from ingestion.alerts.messages import SILENCE_ENDED, SILENCE_STARTED
from ingestion.alerts.put_records import put_records

TICK_EVERY_S = 10
TICKS = 6
_SECOND_US = 1_000_000


def handler(_event: Mapping[str, Any], _context: object) -> None:
    """Look at all zones once, then tick for the rest of the minute. Raises botocore's errors."""
    table = state_table()
    zones = sorted({segment.zone_id for segment in reference().segments.values() if segment.zone_id})
    now_us = time.time_ns() // 1000
    for zone_id in zones:
        watch_zone(table, zone_id, now_us, settings().silence_after_s)
    in_alert = Counter(item["in_alert"] for item in store.open_alerts(table))
    for zone_id in {*zones, *in_alert}:
        metrics.emit_zone(zone_id, {"ActiveAlerts": [in_alert[zone_id]]})
    for number in range(TICKS):
        if number:
            time.sleep(TICK_EVERY_S)
        tick(kinesis(), settings().segment_stream)


def tick(client: Any, stream: str) -> None:  # noqa: ANN401
    """Put the time on every open shard of the stream."""
    # One call lists a thousand shards.
    shards = client.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    data = segment_stream.tick(time.time_ns() // 1000)
    put_records(
        client,
        stream,
        [
            {"PartitionKey": "tick", "ExplicitHashKey": shard["HashKeyRange"]["StartingHashKey"], "Data": data}
            for shard in shards
        ],
    )


def watch_zone(table: store.Table, zone_id: str, now_us: int, silence_after_s: int) -> None:
    """Add a change where the zone's feed has fallen silent, or is heard again, since it was looked at last.

    A zone that never reported is not silent: it has not begun.
    """
    newest = store.newest_of_zone(table, zone_id)
    if newest is None:
        return
    arrived_us = newest["last_arrived_us"]
    key = items.ZONE_PREFIX + zone_id
    current = store.current(table, key)
    silent_since_us = current.get("silent_since_us") if current else None
    # Not when anything arrived: the zone's newest item is to stay one of its segments'.
    expires = {"expires_at": items.arrived(now_us)["expires_at"]}
    is_silent = now_us - arrived_us > silence_after_s * _SECOND_US
    if is_silent and silent_since_us is None:
        change = items.change_item(key, zone_id, SILENCE_STARTED, arrived_us, arrived_us)
        now = {"segment_id": key, "ts": items.CURRENT, "silent_since_us": arrived_us}
        store.put_with_current(table, change | expires, now)
    elif silent_since_us is not None and arrived_us > silent_since_us and not is_silent:
        change = items.change_item(key, zone_id, SILENCE_ENDED, arrived_us, silent_since_us)
        store.put_with_current(table, change | expires, {"segment_id": key, "ts": items.CURRENT})
