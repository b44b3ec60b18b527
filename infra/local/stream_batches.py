"""What becomes of a batch of stream records after an invocation: the rules of Lambda's event source mapping.

Lambda Developer Guide: "Configuring partial batch response with Kinesis Data Streams and Lambda" and "Retain discarded
batch records for a Kinesis Data Streams event source in Lambda".
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# A record as the endpoint keeps it: SequenceNumber, ApproximateArrivalTimestamp (epoch s), Data (base64), PartitionKey.
Record = dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """The settings of a mapping; -1 means no limit."""

    batch_size: int
    window_s: float
    bisect: bool
    retries: int
    age_limit_s: float
    reports_failures: bool
    destination_arn: str | None


@dataclass(frozen=True)
class Batch:
    """Records of one shard in order, and how many failed invocations they have used of the retry limit."""

    records: tuple[Record, ...]
    failed: int = 0


@dataclass(frozen=True)
class Next:
    """What follows an invocation: batches to invoke with, in order, and what is given up before them."""

    again: tuple[Batch, ...] = ()
    discarded: Batch | None = None


def read_rules(mapping: dict[str, Any]) -> Rules:
    """Return the rules of a mapping as ListEventSourceMappings describes it."""
    return Rules(
        batch_size=mapping.get("BatchSize", 100),
        window_s=mapping.get("MaximumBatchingWindowInSeconds", 0),
        bisect=mapping.get("BisectBatchOnFunctionError", False),
        retries=mapping.get("MaximumRetryAttempts", -1),
        age_limit_s=mapping.get("MaximumRecordAgeInSeconds", -1),
        reports_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", ()),
        destination_arn=mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
    )


def done(answer: Any, numbers: list[str]) -> int:  # noqa: ANN401 — whatever the function returned
    """Return how many of a batch's first records a function's answer reports as done: all, none, or up to a failure.

    `numbers` are the sequence numbers of the batch. An answer that is empty, or without failures, means all; one that
    names none of the numbers, or has another shape, means none.
    """
    if answer is None or answer == {}:
        return len(numbers)
    if not isinstance(answer, dict):
        return 0
    failures = answer.get("batchItemFailures")
    if not failures:
        return len(numbers)
    if not isinstance(failures, list):
        return 0
    named = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
    if any(name not in numbers for name in named):
        return 0
    return min(numbers.index(name) for name in named)


def after_error(batch: Batch, rules: Rules) -> Next:
    """Return what follows a function's error: halves, which cost no retry, or the whole once more, or giving up."""
    if rules.bisect and len(batch.records) > 1:
        middle = len(batch.records) // 2
        return Next((Batch(batch.records[:middle], batch.failed), Batch(batch.records[middle:], batch.failed)))
    return _retry(batch, rules)


def after_answer(batch: Batch, done_count: int, rules: Rules) -> Next:
    """Return what follows an answer that reports the first `done_count` records as done.

    With bisecting, the split at the reported record costs no retry. Whatever else is not done costs one.
    """
    rest = Batch(batch.records[done_count:], batch.failed)
    if not rest.records:
        return Next()
    if rules.bisect and done_count:
        return Next((rest,))
    return _retry(rest, rules)


def _retry(batch: Batch, rules: Rules) -> Next:
    failed = Batch(batch.records, batch.failed + 1)
    if 0 <= rules.retries < failed.failed:
        return Next(discarded=failed)
    return Next((failed,))


def too_old(batch: Batch, rules: Rules, now: float) -> Next:
    """Split off the records that arrived longer than the age limit before `now` (epoch s)."""
    if rules.age_limit_s < 0:
        return Next((batch,))
    fresh = [record for record in batch.records if now - record["ApproximateArrivalTimestamp"] <= rules.age_limit_s]
    old = batch.records[: len(batch.records) - len(fresh)]
    return Next(
        (Batch(tuple(fresh), batch.failed),) if fresh else (),
        Batch(old, batch.failed) if old else None,
    )


def batch_info(batch: Batch, shard: str, stream_arn: str) -> dict[str, Any]:
    """Return what AWS tells of records that are given up, by which they can be read from the stream again."""
    first, last = batch.records[0], batch.records[-1]
    return {
        "shardId": shard,
        "startSequenceNumber": first["SequenceNumber"],
        "endSequenceNumber": last["SequenceNumber"],
        "approximateArrivalOfFirstRecord": moment(first["ApproximateArrivalTimestamp"]),
        "approximateArrivalOfLastRecord": moment(last["ApproximateArrivalTimestamp"]),
        "batchSize": len(batch.records),
        "streamArn": stream_arn,
    }


def moment(epoch_s: float) -> str:
    """Return a time as AWS writes it in these documents."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
