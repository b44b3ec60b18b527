"""Lambda function on the second stream: keeps the segments of a shard in memory and writes what becomes of them.

Memory is what the records of the shard, one after the other, make of it. It moves on only when all that a batch gave
is written, so a batch that fails or is delivered again starts from what it started from before.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from ingestion.alerts import anomalies, metrics, segment_stream, store
from ingestion.alerts.function_clients import kinesis, reference, state_table
from ingestion.alerts.function_settings import settings
from ingestion.alerts.items import NO_ZONE
from ingestion.alerts.kinesis_event import records_of, shard_of
from ingestion.alerts.machine import Summary
from ingestion.alerts.replay import LogRecord, missed
from ingestion.alerts.segment_stream import Record
from ingestion.alerts.tracker import Folded, Tracked, fold


@dataclass(slots=True)
class Shard:
    """What this process keeps of a shard: its segments as of the record `taken`, which is None before the first."""

    taken: LogRecord | None = None
    segments: dict[str, Tracked] = field(default_factory=dict)


_SHARDS: dict[str, Shard] = {}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch; a record that is none of ours is named as failed, so that it ends in the on-failure queue.

    Raises botocore's errors when something cannot be read or written: the batch is repeated then.
    """
    shard_id, records = shard_of(event), records_of(event)
    shard = _SHARDS.setdefault(shard_id, Shard())
    new = [record for record in records if shard.taken is None or record.position > shard.taken.position]
    if not new:
        return {"batchItemFailures": []}
    log = missed(kinesis(), settings().segment_stream, shard_id, shard.taken, new[0])
    # Of the records that were missed, one that cannot be read has been named as failed when it came in a batch.
    before = [(each, record) for each in log if (record := _read(each)) is not None]
    usable = list(takewhile(lambda pair: pair[1] is not None, ((each, _read(each)) for each in new)))
    _take(shard, [*before, *usable])
    metrics.emit({"ProcessingLag": time.time() - new[-1].arrived_us / 1_000_000}, MetricUnit.Seconds)
    return {"batchItemFailures": [{"itemIdentifier": each.sequence} for each in new[len(usable) :][:1]]}


def _take(shard: Shard, records: list[tuple[LogRecord, Record]]) -> None:
    """Write what records give, and only then remember them."""
    if not records:
        return
    table = state_table()
    folded = fold(
        (record for _, record in records),
        shard.segments,
        lambda segment_ids: store.load(table, segment_ids),
        settings().thresholds,
        anomalies.load(),
    )
    segments = reference().segments
    zones = {name: segments[name].zone_id for name in folded.told if name in segments}
    written = store.write(table, folded, zones)
    shard.segments.update(folded.states)
    shard.taken = records[-1][0]
    metrics.emit({"ItemsWritten": written})
    metrics.emit_summaries(_summaries(folded, zones))


def _summaries(folded: Folded, zones: Mapping[str, str | None]) -> list[tuple[str, Summary]]:
    return [
        (zones.get(segment_id) or NO_ZONE, each)
        for segment_id, told in folded.told.items()
        for each in told
        if isinstance(each, Summary)
    ]


def _read(record: LogRecord) -> Record | None:
    try:
        return segment_stream.unpacked(record.data)
    except ValueError:
        return None
