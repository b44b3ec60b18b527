"""Lambda function on the second stream: keeps the segments of a shard in memory and writes what becomes of them.

Memory is what the records of the shard, one after the other, make of it. It moves on only when all that a batch gave
is written, so a batch that fails or is delivered again starts from what it started from before.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from ingestion.alerts import anomalies, metrics, segment_stream, store
from ingestion.alerts.function_clients import kinesis, reference, state_table
from ingestion.alerts.function_settings import settings
from ingestion.alerts.items import NO_ZONE
from ingestion.alerts.kinesis_event import records_of, shard_of
from ingestion.alerts.machine import Summary
from ingestion.alerts.parts import in_parts
from ingestion.alerts.replay import LogRecord, missed
from ingestion.alerts.segment_stream import Record
from ingestion.alerts.tracker import Folded, Tracked, fold


@dataclass(slots=True)
class Shard:
    """What this process keeps of a shard: its segments as of the record `taken`, which is None before the first."""

    taken: LogRecord | None = None
    segments: dict[str, Tracked] = field(default_factory=dict)


_SHARDS: dict[str, Shard] = {}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, list]:
    """Take a batch. Raises botocore's errors when something cannot be read or written: the batch is repeated then."""
    shard_id = shard_of(event)
    shard = _SHARDS.setdefault(shard_id, Shard())
    answer = in_parts(records_of(event), lambda records: _take(shard_id, shard, records))
    if shard.taken:
        metrics.emit({"ProcessingLag": time.time() - shard.taken.arrived_us / 1_000_000}, MetricUnit.Seconds)
    return answer


def _take(shard_id: str, shard: Shard, records: Sequence[LogRecord]) -> None:
    """Write what records give, those first that this process has missed, and only then remember them."""
    new = [record for record in records if shard.taken is None or record.position > shard.taken.position]
    if not new:
        return
    log = [*missed(kinesis(), settings().segment_stream, shard_id, shard.taken, new[0]), *new]
    readable = [record for each in log if (record := _read(each)) is not None]
    table = state_table()
    folded = fold(
        readable,
        shard.segments,
        lambda segment_ids: store.load(table, segment_ids, new[-1].arrived_us),
        settings().thresholds,
        anomalies.load(),
    )
    segments = reference().segments
    zones = {name: segments[name].zone_id for name in folded.told if name in segments}
    written = store.write(table, folded, zones)
    shard.segments.update(folded.states)
    shard.taken = new[-1]
    metrics.emit({"ItemsWritten": written, "UnreadableRecords": len(log) - len(readable)})
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
