"""Event source mappings of the local endpoint: Kinesis records become invocations of Lambda functions.

One thread per mapping and shard, so that none holds back another. What it does is what the Lambda Developer Guide says,
"How Lambda processes records from stream and queue-based event sources"; what follows a failure is in `stream_batches`.
How far a shard is processed is in a file, written after each batch: a batch may come twice after a kill, never not at
all. Lambda polls once a second; here a put wakes the pollers of its stream.
"""

import json
import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import stream_batches
from infra.local.event_source_mappings import Sources
from infra.local.stream_batches import Batch, Next, Record, Rules
from infra.local.stream_polling import Place, Waiting, follow

PAYLOAD_LIMIT_BYTES = 6 * 1024 * 1024
_REFRESH_S = 1.0
_ENDING_S = 10.0
_log = logging.getLogger(__name__)

Mapping = dict[str, Any]


@dataclass
class Poller:
    """One shard of one mapping."""

    mapping: Mapping
    shard: str
    rules: Rules
    bell: threading.Event
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def end(self) -> None:
        """Ask the poller to end after the invocation under way."""
        self.stop.set()
        self.bell.set()


@dataclass
class Clients:
    """AWS clients of one endpoint."""

    functions: Any
    sqs: Any
    sns: Any


def run(stop: threading.Event, endpoint_url: str, sources: Sources) -> None:
    """Poll for all Kinesis mappings of the endpoint until `stop` is set; then wait for what is under way."""
    clients = _clients(endpoint_url)
    poll = partial(_poll, clients, sources)
    pollers: dict[tuple[str, str], Poller] = {}
    while not stop.is_set():
        sources.changed.clear()
        try:
            wanted = _wanted(clients, sources)
        except (BotoCoreError, ClientError) as error:
            _log.warning("event source mappings: %s", error)
        else:
            _adjust(pollers, wanted, poll, sources)
        sources.changed.wait(_REFRESH_S)
    _adjust(pollers, {}, poll, sources)
    deadline = time.monotonic() + _ENDING_S
    for poller in pollers.values():
        poller.thread.join(timeout=max(0.0, deadline - time.monotonic()))


def _clients(endpoint_url: str) -> Clients:
    # A function may run for 15 minutes, and its invocation is never repeated by the client.
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=920, max_pool_connections=64)

    def client(service: str) -> Any:  # noqa: ANN401 — boto3's clients are made at run time
        return boto3.client(service, endpoint_url=endpoint_url, config=config)

    return Clients(client("lambda"), client("sqs"), client("sns"))


def _wanted(clients: Clients, sources: Sources) -> dict[tuple[str, str], Mapping]:
    pages = clients.functions.get_paginator("list_event_source_mappings").paginate()
    mappings = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    return {
        (mapping["UUID"], shard): mapping
        for mapping in mappings
        if mapping["State"] == "Enabled" and ":kinesis:" in mapping["EventSourceArn"]
        for shard in sources.shards(mapping["EventSourceArn"])
    }


def _adjust(
    pollers: dict[tuple[str, str], Poller],
    wanted: dict[tuple[str, str], Mapping],
    poll: Callable[[Poller], None],
    sources: Sources,
) -> None:
    """Start and end pollers; one whose mapping changed starts again when its former self has ended."""
    for key, poller in list(pollers.items()):
        if not poller.thread.is_alive():
            sources.bells.leave(poller.mapping["EventSourceArn"], poller.bell)
            del pollers[key]
        elif poller.mapping != wanted.get(key):
            poller.end()
    for key in wanted.keys() - pollers.keys():
        mapping = wanted[key]
        bell = sources.bells.of(mapping["EventSourceArn"])
        poller = Poller(mapping, key[1], stream_batches.read_rules(mapping), bell)
        poller.thread = threading.Thread(target=poll, args=(poller,), name=f"poll {key[0]} {key[1]}", daemon=True)
        pollers[key] = poller
        poller.thread.start()


def _poll(clients: Clients, sources: Sources, poller: Poller) -> None:
    mapping_id, positions = poller.mapping["UUID"], sources.positions
    follow(
        partial(_after, sources, poller),
        partial(_process, clients, poller),
        Place(positions.load(mapping_id, poller.shard), partial(positions.save, mapping_id, poller.shard)),
        Waiting(poller.rules.window_s, partial(_is_full, poller.rules), poller.bell, poller.stop),
    )


def _after(sources: Sources, poller: Poller, position: str) -> list[Record]:
    records = sources.shards(poller.mapping["EventSourceArn"]).get(poller.shard, [])
    first = bisect_right(records, position, key=lambda record: record["SequenceNumber"]) if position else 0
    return records[first : first + poller.rules.batch_size]


def _is_full(rules: Rules, records: list[Record]) -> bool:
    return len(records) >= rules.batch_size or sum(len(each["Data"]) for each in records) >= PAYLOAD_LIMIT_BYTES


def _process(clients: Clients, poller: Poller, batch: Batch) -> tuple[list[Batch], bool]:
    """Invoke the function with a batch; return what is to be invoked next in its place, and whether after a pause."""
    aged = stream_batches.too_old(batch, poller.rules, time.time())
    if aged.discarded:
        _give_up(clients, poller, aged.discarded, "RecordAgeExceeded", None)
        return list(aged.again), False
    events = [orjson.dumps(event(poller, record)) for record in batch.records]
    fitting = _fitting(events)
    if fitting < len(events):
        return [Batch(batch.records[:fitting], batch.failed), Batch(batch.records[fitting:], batch.failed)], False
    try:
        answer = clients.functions.invoke(
            FunctionName=poller.mapping["FunctionArn"], Payload=b'{"Records":[' + b",".join(events) + b"]}"
        )
        payload = answer["Payload"].read()
    except (BotoCoreError, ClientError) as error:
        # Not invoked, or the endpoint is ending: repeated until the records are too old, at no cost in retries.
        _log.warning("%s is not invoked: %s", poller.mapping["FunctionArn"], error)
        return [batch], True
    following = _following(answer, payload, batch, poller.rules)
    if following.discarded:
        _give_up(clients, poller, following.discarded, "RetryAttemptsExhausted", answer)
    # Halves, and what follows a partial answer, go on at once; a batch that failed as it is waits.
    return list(following.again), any(each.failed > batch.failed for each in following.again)


def _following(answer: dict[str, Any], payload: bytes, batch: Batch, rules: Rules) -> Next:
    if "FunctionError" in answer:
        _log.warning("function error: %s", payload[:1000].decode(errors="replace"))
        return stream_batches.after_error(batch, rules)
    if not rules.reports_failures:
        return Next()
    numbers = [record["SequenceNumber"] for record in batch.records]
    return stream_batches.after_answer(batch, stream_batches.done(orjson.loads(payload), numbers), rules)


def _fitting(events: list[bytes]) -> int:
    """Return how many of the first events fit an invocation; one always goes."""
    size = 0
    for index, each in enumerate(events):
        size += len(each) + 1
        if size > PAYLOAD_LIMIT_BYTES - 20 and index:
            return index
    return len(events)


def event(poller: Poller, record: Record) -> dict[str, Any]:
    """Return the event of one record, as the Lambda Developer Guide shows it, "Example Kinesis record event"."""
    stream_arn, number = poller.mapping["EventSourceArn"], record["SequenceNumber"]
    region, account = stream_arn.split(":")[3:5]
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": number,
            "data": record["Data"],
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{poller.shard}:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{account}:role/lambda-role",
        "awsRegion": region,
        "eventSourceARN": stream_arn,
    }


def _give_up(clients: Clients, poller: Poller, batch: Batch, condition: str, answer: dict[str, Any] | None) -> None:
    """Tell the on-failure destination, if there is one, of records that are given up."""
    arn = poller.rules.destination_arn
    _log.warning("%s: %d records given up: %s", poller.mapping["FunctionArn"], len(batch.records), condition)
    if not arn:
        return
    body = json.dumps(failure_document(poller, batch, condition, answer))
    try:
        if arn.split(":")[2] == "sns":
            clients.sns.publish(TopicArn=arn, Message=body)
        else:
            queue = clients.sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
            clients.sqs.send_message(QueueUrl=queue, MessageBody=body)
    except (BotoCoreError, ClientError) as error:
        # As Lambda does, which counts DestinationDeliveryFailures and goes on.
        _log.warning("%s does not take what failed: %s", arn, error)


def failure_document(poller: Poller, batch: Batch, condition: str, answer: dict[str, Any] | None) -> dict[str, Any]:
    """Return what Lambda sends to an on-failure destination; records that were never sent have no responseContext."""
    document = {
        "requestContext": {
            "requestId": str(uuid4()),
            "functionArn": poller.mapping["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": batch.failed,
        },
        "version": "1.0",
        "timestamp": stream_batches.moment(time.time()),
        "KinesisBatchInfo": stream_batches.batch_info(batch, poller.shard, poller.mapping["EventSourceArn"]),
    }
    if answer:
        document["responseContext"] = {
            "statusCode": answer["StatusCode"],
            "executedVersion": answer.get("ExecutedVersion", "$LATEST"),
        }
        if "FunctionError" in answer:
            document["responseContext"]["functionError"] = answer["FunctionError"]
    return document
