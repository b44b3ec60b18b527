"""The live path: readings onto a Kinesis stream.

Several documents share a record, one per line, because a stream is paid and limited by records; Firehose and the
alerts read concatenated documents. A sensor's documents keep their order: they always go to the same shard. What is
not a document is sent as it is, in a record of its own, so that it cannot spoil its neighbours.
"""

import random
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import boto3
import orjson
from botocore.config import Config

from ingestion.contract.landing import object_name
from ingestion.json_documents import split_documents
from ingestion.publish.sent import Progress, Sent, SentBatch, write_sent

# Limits of PutRecords ("Kinesis Data Streams quotas and limits"); partition keys count into both sizes.
RECORDS_PER_CALL = 500
BYTES_PER_CALL = 5 << 20
BYTES_PER_RECORD = 1 << 20

AGGREGATE_BYTES = 25_000
LINGER_S = 1.0
ATTEMPTS = 10
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
_KEYS = 128


class _Record(NamedTuple):
    key: str
    data: bytes
    documents: int


@dataclass
class _Group:
    """Documents of one partition key that wait for company."""

    documents: list[bytes] = field(default_factory=list)
    size: int = 0


@dataclass
class _Tally:
    """What became of the documents so far."""

    sent: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    hours: dict[datetime, SentBatch] = field(default_factory=dict)


def publish(documents: Iterable[bytes], stream: str, bucket: str, on_progress: Progress | None = None) -> Sent:
    """Send documents to `stream` and note their number, by arrival hour, in `raw.sent_batches` of `bucket`.

    Blank documents are nothing and are left out. A record that Kinesis does not take within 10 attempts, or that is
    too large for it, is counted as failed with its reason. Raises botocore's errors for a call that fails as a whole
    after its retries; what was sent until then is noted.
    """
    started = time.monotonic()
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    kinesis, s3 = boto3.client("kinesis", config=config), boto3.client("s3", config=config)
    tally, batch_id = _Tally(), str(uuid4())
    try:
        for batch in _batches(_records(documents, tally, on_progress)):
            _send(kinesis, stream, batch, tally, batch_id)
            if on_progress:
                on_progress(sum(record.documents for record in batch))
    finally:
        for hour, counts in tally.hours.items():
            write_sent(s3, bucket, hour, object_name("kinesis", counts.first_sent_at, batch_id), counts)
    return Sent(tally.sent, tally.reasons.total(), time.monotonic() - started, dict(tally.reasons))


def _records(documents: Iterable[bytes], tally: _Tally, on_progress: Progress | None) -> Iterator[_Record | None]:
    """Pack documents into records; None says that what is packed should not wait for more."""
    groups: dict[str, _Group] = {}
    lingering = time.monotonic()
    for document in documents:
        key, count, can_share = _describe(document)
        if not count:
            continue
        if len(document) + len(key) > BYTES_PER_RECORD:
            tally.reasons[f"larger than {BYTES_PER_RECORD} bytes, the most a Kinesis record holds"] += count
            if on_progress:
                on_progress(count)
            continue
        if can_share:
            group = groups.setdefault(key, _Group())
            if group.size + len(document) > AGGREGATE_BYTES and group.documents:
                yield _packed(key, groups.pop(key))
                group = groups.setdefault(key, _Group())
            group.documents.append(document)
            group.size += len(document) + 1
        else:
            yield _Record(key, document, count)
        if time.monotonic() - lingering > LINGER_S:
            yield from (_packed(key, group) for key, group in groups.items())
            yield None
            groups.clear()
            lingering = time.monotonic()
    yield from (_packed(key, group) for key, group in groups.items())


def _packed(key: str, group: _Group) -> _Record:
    return _Record(key, b"\n".join(group.documents), len(group.documents))


def _describe(document: bytes) -> tuple[str, int, bool]:
    """Return partition key, number of documents as Firehose counts them, and whether it can share a record."""
    try:
        value = orjson.loads(document)
    except orjson.JSONDecodeError:
        value = None
    if type(value) is dict:
        sensor = value.get("sensor_id")
        identity = sensor.encode() if isinstance(sensor, str) else document
        # Where each line is a document, a record can be split without parsing, whatever its documents hold.
        return f"{zlib.crc32(identity) % _KEYS:03d}", 1, b"\n" not in document and b"}{" not in document
    count = len(split_documents(document)) if document.strip() else 0
    return f"{zlib.crc32(document) % _KEYS:03d}", count, False


def _batches(records: Iterable[_Record | None]) -> Iterator[list[_Record]]:
    batch: list[_Record] = []
    size = 0
    for record in records:
        if record is None:
            if batch:
                yield batch
            batch, size = [], 0
            continue
        record_size = len(record.data) + len(record.key)
        if len(batch) == RECORDS_PER_CALL or size + record_size > BYTES_PER_CALL:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record_size
    if batch:
        yield batch


def _send(kinesis: Any, stream: str, batch: list[_Record], tally: _Tally, batch_id: str) -> None:  # noqa: ANN401
    """Send one batch; PutRecords answers for each record, and only those that it refused are sent again."""
    for attempt in range(ATTEMPTS):
        if attempt:
            longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**attempt)
            time.sleep(random.uniform(0, longest))  # noqa: S311 — jitter, no secret
        before = datetime.now(UTC)
        answer = kinesis.put_records(
            StreamName=stream, Records=[{"Data": record.data, "PartitionKey": record.key} for record in batch]
        )
        answers = list(zip(batch, answer["Records"], strict=True))
        taken = sum(record.documents for record, result in answers if "ErrorCode" not in result)
        if taken:
            _note(tally, batch_id, taken, before)
        batch = [record for record, result in answers if "ErrorCode" in result]
        if not batch:
            return
    for record, result in answers:
        if "ErrorCode" in result:
            tally.reasons[f"{result['ErrorCode']}: {result.get('ErrorMessage', '')}"] += record.documents


def _note(tally: _Tally, batch_id: str, documents: int, before: datetime) -> None:
    hour = before.replace(minute=0, second=0, microsecond=0)
    # A call that crosses the hour counts where it began: the stream does not tell which record arrived when.
    last = min(datetime.now(UTC), hour + timedelta(hours=1, microseconds=-1))
    so_far = tally.hours.get(hour, SentBatch(batch_id, 0, before, last, "kinesis"))
    tally.hours[hour] = so_far._replace(documents=so_far.documents + documents, last_sent_at=last)
    tally.sent += documents
