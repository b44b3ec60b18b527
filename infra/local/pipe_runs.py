"""Pipes at work: changes of a table become events on a bus, in order, one thread per running pipe.

EventBridge User Guide: "Amazon EventBridge Pipes", its pages on filtering, batching, input transformation, targets and
error handling. A failure of the pipe itself or a throttled call is repeated without end; what the enriching function or
the bus refuses is repeated up to the pipe's limit, then told to its dead-letter queue. How far a stream is processed is
in a file, written after PutEvents was answered: a kill in between, about a millisecond, doubles at most that batch.
"""

import json
import logging
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import stream_batches
from infra.local.event_source_mappings import Bells
from infra.local.pipes import BATCH_LIMIT, SHARD, SOURCE_PARAMETERS, Pipe, Pipes
from infra.local.principals import keys
from infra.local.stream_batches import Batch, Record, Rules
from infra.local.stream_polling import Place, Waiting, follow

_REFRESH_S = 1.0
_ENDING_S = 10.0
_PATH = r"\$(?:\.[\w-]+|\[\d+\])*"
_PLACEHOLDER = re.compile(rf"<({_PATH})>")
_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """What the customer's part of a pipe did not take: the function failed, or its answer cannot be put on the bus."""


@dataclass
class Stream:
    """What pipes need of tables' streams: (address) → records, and what rings for them; (pattern, record) → matches."""

    records: Callable[[str], list[dict[str, Any]]]
    bells: Bells
    matches: Callable[[str, dict[str, Any]], bool]


@dataclass
class Run:
    """A running pipe."""

    pipe: Pipe
    bell: threading.Event
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


@dataclass
class Clients:
    """AWS clients of one endpoint."""

    functions: Any
    events: Any
    sqs: Any


def run(stop: threading.Event, endpoint_url: str, pipes: Pipes, stream: Stream) -> None:
    """Run all running pipes until `stop` is set; then wait for what is under way."""
    clients = _clients(endpoint_url)
    runs: dict[str, Run] = {}
    while not stop.is_set():
        pipes.changed.clear()
        wanted = {pipe["Id"]: pipe for pipe in pipes.all() if pipe["CurrentState"] == "RUNNING"}
        _adjust(runs, wanted, partial(_work, clients, pipes, stream), stream.bells)
        pipes.changed.wait(_REFRESH_S)
    _adjust(runs, {}, partial(_work, clients, pipes, stream), stream.bells)
    deadline = time.monotonic() + _ENDING_S
    for each in runs.values():
        each.thread.join(timeout=max(0.0, deadline - time.monotonic()))


def _clients(endpoint_url: str) -> Clients:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=920)

    def client(service: str) -> Any:  # noqa: ANN401 — boto3's clients are made at run time
        return boto3.client(service, endpoint_url=endpoint_url, config=config, **keys("pipes.amazonaws.com"))

    return Clients(client("lambda"), client("events"), client("sqs"))


def _adjust(runs: dict[str, Run], wanted: dict[str, Pipe], work: Callable[[Run], None], bells: Bells) -> None:
    """Start and end runs; one whose pipe changed starts again when its former self has ended."""
    for key, each in list(runs.items()):
        if not each.thread.is_alive():
            bells.leave(each.pipe["Source"], each.bell)
            del runs[key]
        elif each.pipe != wanted.get(key):
            each.stop.set()
            each.bell.set()
    for key in wanted.keys() - runs.keys():
        each = Run(wanted[key], bells.of(wanted[key]["Source"]))
        each.thread = threading.Thread(target=work, args=(each,), name=f"pipe {each.pipe['Name']}", daemon=True)
        runs[key] = each
        each.thread.start()


def read_rules(pipe: Pipe) -> Rules:
    """Return the rules of a pipe's source."""
    source = pipe["SourceParameters"][SOURCE_PARAMETERS]
    return Rules(
        batch_size=source["BatchSize"],
        window_s=source.get("MaximumBatchingWindowInSeconds", 0),
        bisect=source.get("OnPartialBatchItemFailure") == "AUTOMATIC_BISECT",
        retries=source.get("MaximumRetryAttempts", -1),
        age_limit_s=source.get("MaximumRecordAgeInSeconds", -1),
        reports_failures=False,
        destination_arn=source.get("DeadLetterConfig", {}).get("Arn"),
    )


def _work(clients: Clients, pipes: Pipes, stream: Stream, each: Run) -> None:
    rules, pipe_id = read_rules(each.pipe), each.pipe["Id"]
    follow(
        partial(_after, stream, each.pipe, rules),
        partial(_process, clients, stream, each.pipe, rules),
        Place(pipes.positions.load(pipe_id, SHARD), partial(pipes.positions.save, pipe_id, SHARD)),
        Waiting(rules.window_s, lambda records: len(records) >= rules.batch_size, each.bell, each.stop),
    )


def _after(stream: Stream, pipe: Pipe, rules: Rules, position: str) -> list[Record]:
    changes = stream.records(pipe["Source"])
    first = bisect_right(changes, position, key=lambda change: change["dynamodb"]["SequenceNumber"]) if position else 0
    return [
        {
            "SequenceNumber": change["dynamodb"]["SequenceNumber"],
            "ApproximateArrivalTimestamp": change["dynamodb"]["ApproximateCreationDateTime"],
            "Data": change,
        }
        for change in changes[first : first + rules.batch_size]
    ]


def _process(clients: Clients, stream: Stream, pipe: Pipe, rules: Rules, batch: Batch) -> tuple[list[Batch], bool]:
    aged = stream_batches.too_old(batch, rules, time.time())
    if aged.discarded:
        _give_up(clients, pipe, aged.discarded, "RecordAgeExceeded", rules)
        return list(aged.again), False
    patterns = [each["Pattern"] for each in pipe["SourceParameters"].get("FilterCriteria", {}).get("Filters", [])]
    events = [
        record["Data"]
        for record in batch.records
        if not patterns or any(stream.matches(pattern, record["Data"]) for pattern in patterns)
    ]
    if not events:
        return [], False
    try:
        _put(clients, entries(pipe, _enriched(clients, pipe, events)))
    except RefusedError as error:
        _log.warning("pipe %s: %s", pipe["Name"], error)
        following = stream_batches.after_error(batch, rules)
        if following.discarded:
            _give_up(clients, pipe, following.discarded, "RetryAttemptsExhausted", rules)
        return list(following.again), any(each.failed > batch.failed for each in following.again)
    except (BotoCoreError, ClientError) as error:
        _log.warning("pipe %s: %s", pipe["Name"], error)
        return [batch], True
    return [], False


def _enriched(clients: Clients, pipe: Pipe, events: list[Any]) -> list[Any]:
    if not pipe.get("Enrichment"):
        return events
    template = pipe.get("EnrichmentParameters", {}).get("InputTemplate")
    asked = [json.loads(filled(template, event)) for event in events] if template else events
    answer = clients.functions.invoke(FunctionName=pipe["Enrichment"], Payload=json.dumps(asked).encode())
    payload = answer["Payload"].read()
    if "FunctionError" in answer:
        raise RefusedError(f"enrichment failed: {payload[:1000].decode(errors='replace')}")
    found = json.loads(payload)
    # Nothing to tell: the target is not called.
    if found in (None, "", {}, []):
        return []
    found = found if isinstance(found, list) else [found]
    if len(found) > BATCH_LIMIT:
        raise RefusedError(f"enrichment returned {len(found)} events, an event bus takes {BATCH_LIMIT} at once")
    return found


def entries(pipe: Pipe, events: list[Any]) -> list[dict[str, Any]]:
    """Return the events of a batch as PutEvents takes them. Raises RefusedError when a path leads nowhere."""
    parameters = pipe.get("TargetParameters", {})
    bus = parameters.get("EventBridgeEventBusParameters", {})
    template = parameters.get("InputTemplate")
    return [
        {
            "EventBusName": pipe["Target"],
            "Source": _static_or_path(bus.get("Source", f"Pipe {pipe['Name']}"), event),
            "DetailType": _static_or_path(bus.get("DetailType", "Event from aws:dynamodb"), event),
            "Resources": [_static_or_path(each, event) for each in bus.get("Resources", [])],
            "Detail": filled(template, event) if template else json.dumps(event),
        }
        for event in events
    ]


def _static_or_path(value: str, event: Any) -> str:  # noqa: ANN401 — any JSON
    if not value.startswith("$"):
        return value
    try:
        found = at_path(value, event)
    except LookupError as error:
        raise RefusedError(f"{value} leads nowhere in the event") from error
    return found if isinstance(found, str) else json.dumps(found)


def at_path(path: str, event: Any) -> Any:  # noqa: ANN401 — any JSON
    """Return what stands at a path such as `$.a.b[0]`. Raises LookupError when nothing does."""
    if not re.fullmatch(_PATH, path):
        raise LookupError(path)
    for name, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path):
        if not isinstance(event, dict if name else list):
            raise LookupError(path)
        event = event[name] if name else event[int(index)]
    return event


def filled(template: str, event: Any) -> str:  # noqa: ANN401 — any JSON
    """Return an input template with each `<$.path>` replaced: by JSON, or by text within quotes, or by nothing."""

    def replaced(match: re.Match[str]) -> str:
        try:
            value = at_path(match.group(1), event)
        except LookupError:
            return ""
        within_quotes = len(re.findall(r'(?<!\\)"', template[: match.start()])) % 2
        if not within_quotes:
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return _PLACEHOLDER.sub(replaced, template)


def _put(clients: Clients, waiting: list[dict[str, Any]]) -> None:
    """Put events on the bus in order; those that the bus did not take are put again. Raises RefusedError."""
    while waiting:
        answer = clients.events.put_events(Entries=waiting)
        failed = [
            (entry, result) for entry, result in zip(waiting, answer["Entries"], strict=True) if result.get("ErrorCode")
        ]
        lasting = [
            result for _, result in failed if result["ErrorCode"] not in ("ThrottlingException", "InternalFailure")
        ]
        if lasting:
            raise RefusedError(f"the bus refused: {lasting[0]}")
        waiting = [entry for entry, _ in failed]
        if waiting:
            time.sleep(_REFRESH_S)


def _give_up(clients: Clients, pipe: Pipe, batch: Batch, condition: str, rules: Rules) -> None:
    _log.warning("pipe %s: %d changes given up: %s", pipe["Name"], len(batch.records), condition)
    if not rules.destination_arn:
        return
    document = {
        "context": {"partnerResourceArn": pipe["Arn"], "condition": condition},
        "version": "1.0",
        "timestamp": stream_batches.moment(time.time()),
        "DDBStreamBatchInfo": stream_batches.batch_info(batch, SHARD, pipe["Source"]),
    }
    try:
        queue = clients.sqs.get_queue_url(QueueName=rules.destination_arn.rsplit(":", 1)[1])["QueueUrl"]
        clients.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(document))
    except (BotoCoreError, ClientError) as error:
        _log.warning("%s does not take what failed: %s", rules.destination_arn, error)
