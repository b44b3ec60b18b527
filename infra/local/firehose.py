"""Firehose delivery of the local endpoint: Kinesis records, or records put directly, become objects in S3.

One thread reads and delivers for all delivery streams. What it does is what the Amazon Data Firehose Developer Guide
says, "Understand data delivery": a buffer is delivered when it reaches the stream's size or interval, whichever comes
first, and a failed delivery is repeated until it succeeds and holds back what comes after it. Settings are read from
the stream's description once a second, so that UpdateDestination counts. The source backup is written together with
the data, so its own buffering hints are not read.
"""

import gzip
import io
import json
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import boto3
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import firehose_base
from infra.local.firehose_settings import Settings, backup_key, data_key, error_key, read_settings
from infra.local.principals import keys
from ingestion.json_records import convert_payloads, error_line

# Where delivery keeps what it has delivered: objects are the only state of the endpoint that is on disk at once.
STATE_BUCKET = "firehose-delivery-state"

_POLL_S = 0.5
_SETTINGS_S = 1.0
_RETRY_S = 2.0
_RECORDS_PER_CALL = 500  # of at most 1 MB each
_log = logging.getLogger(__name__)


class Record(NamedTuple):
    """One record: arrival in epoch seconds, the sent bytes, the sequence number if Kinesis gave one."""

    arrival: float
    data: bytes
    sequence: str | None


class Target(NamedTuple):
    """One object to write."""

    bucket: str
    key: str
    body: bytes


@dataclass
class Delivery:
    """A delivery stream at work: what is buffered, and how far each shard was read and delivered."""

    settings: Settings
    shards: list[str] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    size: int = 0
    opened: float = 0.0
    unique: str | None = None  # of the batch whose delivery has begun
    retry_at: float = 0.0

    def add(self, record: Record) -> None:
        """Buffer a record; the first one opens the buffer."""
        if not self.records:
            self.opened = time.monotonic()
        self.records.append(record)
        self.size += len(record.data)

    def is_full(self) -> bool:
        """Say whether the buffer has its size."""
        return self.size >= self.settings.buffer_bytes

    def is_due(self) -> bool:
        """Say whether the buffer has to be delivered now."""
        if not self.records or time.monotonic() < self.retry_at:
            return False
        return self.is_full() or time.monotonic() - self.opened >= self.settings.buffer_s

    def clear(self) -> None:
        """Forget what was delivered."""
        self.records, self.size, self.unique, self.retry_at = [], 0, None, 0.0


@dataclass
class Clients:
    """AWS clients of one endpoint: the service's own, and those that call as its role (kinesis, glue, destination)."""

    firehose: Any
    kinesis: Any
    glue: Any
    s3: Any
    destination: Any


def run(stop: threading.Event, endpoint_url: str) -> None:
    """Deliver for all delivery streams of the endpoint until `stop` is set; then what is buffered, and return."""
    puts = firehose_base.patch()
    clients = _clients(endpoint_url)
    deliveries: dict[str, Delivery] = {}
    refreshed = 0.0
    while True:
        ending = stop.is_set()
        if ending or time.monotonic() - refreshed >= _SETTINGS_S:
            _attempt("settings", partial(_refresh, clients, deliveries))
            refreshed = time.monotonic()
        while not puts.empty():
            name, arrival, data = puts.get()
            if name not in deliveries:
                _attempt(name, partial(_refresh_one, clients, deliveries, name))
            if name in deliveries:
                deliveries[name].add(Record(arrival, data, None))
        behind = False
        for delivery in list(deliveries.values()):
            advance = partial(_advance, clients, delivery, ending)
            more = _attempt(delivery.settings.name, advance)
            while ending and more:
                more = _attempt(delivery.settings.name, advance)
            behind |= bool(more)
        if ending:
            return
        if not behind:
            stop.wait(_POLL_S)


def _advance(clients: Clients, delivery: Delivery, ending: bool) -> bool:
    """Read once from every shard and deliver what is due. Returns whether more is waiting to be read."""
    behind = False
    # While a batch cannot be delivered it stays as it is, so that repeating it writes the same objects.
    if delivery.settings.source_arn and not delivery.unique:
        for shard in delivery.shards:
            if delivery.is_full():
                break
            behind |= _read_shard(clients.kinesis, delivery, shard)
    if delivery.is_due() or (ending and delivery.records and not behind):
        try:
            _deliver(clients, delivery)
        except (BotoCoreError, ClientError, ValueError):
            delivery.retry_at = time.monotonic() + _RETRY_S
            raise
    return behind


def _attempt(what: str, action: Any) -> Any:  # noqa: ANN401 — passes through what the action returns
    """Run an action of the loop; a failure is logged and the loop goes on, as the service would."""
    try:
        return action()
    except (BotoCoreError, ClientError, KeyError, ValueError) as error:
        _log.warning("firehose %s: %s", what, error)
        return None


def _clients(endpoint_url: str) -> Clients:
    config = Config(
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=5,
        read_timeout=60,
        request_checksum_calculation="when_required",
    )
    region = os.environ.get("AWS_REGION", "us-east-1")

    def client(service: str, **role: str) -> Any:  # noqa: ANN401 — boto3's clients are made at run time
        return boto3.client(service, endpoint_url=endpoint_url, region_name=region, config=config, **role)

    role = keys("firehose.amazonaws.com")
    return Clients(
        client("firehose"), client("kinesis", **role), client("glue", **role), client("s3"), client("s3", **role)
    )


def _refresh(clients: Clients, deliveries: dict[str, Delivery]) -> None:
    """Bring settings and shards up to date with the API."""
    names: list[str] = []
    while True:
        last = {"ExclusiveStartDeliveryStreamName": names[-1]} if names else {}
        page = clients.firehose.list_delivery_streams(Limit=1000, **last)
        names += page["DeliveryStreamNames"]
        if not page["HasMoreDeliveryStreams"]:
            break
    for gone in deliveries.keys() - set(names):
        del deliveries[gone]
    for name in names:
        _attempt(name, partial(_refresh_one, clients, deliveries, name))


def _refresh_one(clients: Clients, deliveries: dict[str, Delivery], name: str) -> None:
    description = clients.firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    settings = read_settings(description)
    if settings is None:
        return
    delivery = deliveries.get(name)
    if delivery is None or delivery.settings.created != settings.created:
        delivery = Delivery(settings, read=_delivered(clients.s3, settings) if settings.source_arn else {})
        deliveries[name] = delivery
    delivery.settings = settings
    if settings.source_arn:
        pages = clients.kinesis.get_paginator("list_shards").paginate(StreamARN=settings.source_arn)
        delivery.shards = [shard["ShardId"] for page in pages for shard in page["Shards"]]


def _read_shard(kinesis: Any, delivery: Delivery, shard: str) -> bool:  # noqa: ANN401
    """Buffer what follows the last record read from a shard. Returns whether there may be more."""
    last = delivery.read.get(shard)
    for _ in range(2):
        answer = kinesis.get_records(ShardIterator=_iterator(kinesis, delivery, shard), Limit=_RECORDS_PER_CALL)
        records = answer["Records"]
        if last is None or not records or records[0]["SequenceNumber"] == last:
            break
        # An iterator of the base is an index: when old records expire behind it, it skips as many. The last record
        # read must come first, unless it has expired itself; then this happens twice.
    fresh = [record for record in records if last is None or record["SequenceNumber"] > last]
    for record in fresh:
        arrival = record["ApproximateArrivalTimestamp"].timestamp()
        delivery.add(Record(arrival, record["Data"], record["SequenceNumber"]))
    if fresh:
        delivery.read[shard] = fresh[-1]["SequenceNumber"]
    return len(records) == _RECORDS_PER_CALL


def _iterator(kinesis: Any, delivery: Delivery, shard: str) -> str:  # noqa: ANN401
    if last := delivery.read.get(shard):
        position = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
    else:
        position = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": delivery.settings.source_start}
    return kinesis.get_shard_iterator(StreamARN=delivery.settings.source_arn, ShardId=shard, **position)[
        "ShardIterator"
    ]


def _deliver(clients: Clients, delivery: Delivery) -> None:
    """Write the buffered records, then note how far the shards are delivered."""
    settings = delivery.settings
    delivery.unique = delivery.unique or str(uuid4())
    targets = _targets(clients.glue, delivery)
    if settings.source_arn:
        # Should the endpoint be killed between two objects of a batch, the next start takes back what it finds.
        begun = {"read": delivery.read, "objects": [[target.bucket, target.key] for target in targets]}
        _save_state(clients.s3, settings, "begun", begun)
    for target in targets:
        clients.destination.put_object(Bucket=target.bucket, Key=target.key, Body=target.body)
    if settings.source_arn:
        _save_state(clients.s3, settings, "delivered", delivery.read)
    delivery.clear()


def _targets(glue: Any, delivery: Delivery) -> list[Target]:  # noqa: ANN401
    """Return the objects of the buffered records: source backup, errors, data; the last one is never missing."""
    settings, records, unique = delivery.settings, delivery.records, delivery.unique or ""
    oldest = datetime.fromtimestamp(min(record.arrival for record in records), UTC)
    bucket = settings.data.bucket
    targets = []
    if settings.backup:
        body = _compressed(b"".join(record.data for record in records), settings.backup.compression)
        targets.append(Target(settings.backup.bucket, backup_key(settings, oldest, unique), body))
    if settings.conversion is None:
        body = _compressed(b"".join(record.data for record in records), settings.data.compression)
        return [*targets, Target(bucket, data_key(settings, oldest, unique), body)]
    table = glue.get_table(DatabaseName=settings.conversion.database, Name=settings.conversion.table)["Table"]
    columns = [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]
    rows, failures = convert_payloads([record.data for record in records], columns)
    if failures:
        now = datetime.now(UTC)
        lines = []
        for failure in failures:
            record = records[failure.index]
            arrival = datetime.fromtimestamp(record.arrival, UTC)
            lines.append(error_line(failure, arrival, now, settings.conversion.catalog, record.sequence))
        key = error_key(settings, oldest, unique, "format-conversion-failed")
        targets.append(Target(bucket, key, b"".join(lines)))
    if rows.num_rows:
        body = io.BytesIO()
        pq.write_table(rows, body, compression=settings.conversion.compression)
        targets.append(Target(bucket, data_key(settings, oldest, unique), body.getvalue()))
    return targets


def _compressed(body: bytes, compression: str) -> bytes:
    return gzip.compress(body, compresslevel=1) if compression == "GZIP" else body


def _state_key(settings: Settings, name: str) -> str:
    return f"{settings.name}/{settings.created.timestamp():.3f}/{name}.json"


def _save_state(s3: Any, settings: Settings, name: str, state: object) -> None:  # noqa: ANN401
    s3.put_object(Bucket=STATE_BUCKET, Key=_state_key(settings, name), Body=json.dumps(state).encode())


def _load_state(s3: Any, settings: Settings, name: str) -> dict[str, Any]:  # noqa: ANN401
    try:
        return json.loads(s3.get_object(Bucket=STATE_BUCKET, Key=_state_key(settings, name))["Body"].read())
    except s3.exceptions.NoSuchKey:
        return {}


def _delivered(s3: Any, settings: Settings) -> dict[str, str]:  # noqa: ANN401
    """Return the last delivered sequence number by shard; a batch that a kill left half written is taken back."""
    s3.create_bucket(Bucket=STATE_BUCKET)
    delivered, begun = _load_state(s3, settings, "delivered"), _load_state(s3, settings, "begun")
    if not begun or begun["read"] == delivered:
        return delivered
    if _exists(s3, *begun["objects"][-1]):
        _save_state(s3, settings, "delivered", begun["read"])
        return begun["read"]
    for bucket, key in begun["objects"]:
        s3.delete_object(Bucket=bucket, Key=key)
    return delivered


def _exists(s3: Any, bucket: str, key: str) -> bool:  # noqa: ANN401
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return False
    return True
