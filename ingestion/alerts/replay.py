"""The records of a shard that a function has not seen: those before its first batch, or that another one took.

The stream is the log that memory is made of. Nothing is noted per batch: whether memory is current is asked of the
log itself, by reading what lies between the last record that was taken and the first of the batch.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

# Whatever is in memory and not saved arrived within this time: a segment with readings is saved with the summary of
# every 5 minutes, one without after 5 more (`tracker`), and both may be late by the time that a batch is repeated.
REACH_BACK_S = 900


class LogRecord(NamedTuple):
    """One record of a shard; `arrived_us` is when the stream took it, microseconds since 1970."""

    sequence: str
    arrived_us: int
    data: bytes

    @property
    def position(self) -> int:
        """The sequence number as a number: only so do they compare."""
        return int(self.sequence)


def missed(kinesis: Any, stream: str, shard_id: str, after: LogRecord | None, first: LogRecord) -> Iterator[LogRecord]:  # noqa: ANN401
    """Return the records between `after` and the first of a batch, without both.

    `after` None: nothing was taken yet, so reach back by `REACH_BACK_S`. Raises botocore's errors.
    """
    start = (
        {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after.sequence}
        if after is not None
        else {
            "ShardIteratorType": "AT_TIMESTAMP",
            "Timestamp": datetime.fromtimestamp(first.arrived_us / 1_000_000, UTC) - timedelta(seconds=REACH_BACK_S),
        }
    )
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard_id, **start)["ShardIterator"]
    # One record tells, in the usual case, that nothing was missed.
    limit = 1 if after is not None else 10_000
    while iterator:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=limit)
        for record in answer["Records"]:
            arrived_us = round(record["ApproximateArrivalTimestamp"].timestamp() * 1_000_000)
            found = LogRecord(record["SequenceNumber"], arrived_us, record["Data"])
            if found.position >= first.position:
                return
            yield found
        if not answer["Records"] and not answer["MillisBehindLatest"]:
            # The batch is older than what the stream still holds.
            return
        iterator, limit = answer.get("NextShardIterator"), 10_000
