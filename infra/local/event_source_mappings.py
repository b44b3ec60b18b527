"""The API of event source mappings: what a mapping may ask for, where it begins, and how far it is processed."""

import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from infra.local.base import Handler, Response
from infra.local.stream_batches import Record

PATH = "/2015-03-31/event-source-mappings"
# (stream's address) → its shards' records, oldest first; empty when there is no such stream.
Shards = Callable[[str], dict[str, list[Record]]]
# What CreateEventSourceMapping assumes for a stream, and the least and the most that it takes.
DEFAULTS = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": -1,
    "FunctionResponseTypes": [],
}
LIMITS = {
    "BatchSize": (1, 10_000),
    "MaximumBatchingWindowInSeconds": (0, 300),
    "MaximumRetryAttempts": (-1, 10_000),
    "MaximumRecordAgeInSeconds": (-1, 604_800),
}


class Positions:
    """The last processed sequence number by mapping and shard, in one small file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, mapping_id: str, shard: str) -> str:
        """Return the number after which to go on; empty for the shard's beginning."""
        path = self._path(mapping_id, shard)
        return path.read_text() if path.exists() else ""

    def save(self, mapping_id: str, shard: str, number: str) -> None:
        """Note how far a shard is processed."""
        path = self._path(mapping_id, shard)
        part = path.with_suffix(".part")
        part.write_text(number)
        part.replace(path)

    def forget(self, mapping_id: str) -> None:
        """Drop what is noted for a mapping."""
        for path in self._folder.glob(f"{mapping_id}.*"):
            path.unlink(missing_ok=True)

    def _path(self, mapping_id: str, shard: str) -> Path:
        return self._folder / f"{mapping_id}.{shard}.position"


class Bells:
    """Wakes those who wait for records of a stream."""

    def __init__(self) -> None:
        self._by_stream: dict[str, list[threading.Event]] = {}

    def of(self, stream_arn: str) -> threading.Event:
        """Return a new event, set at each put to the stream from now on."""
        bell = threading.Event()
        self._by_stream.setdefault(stream_arn, []).append(bell)
        return bell

    def leave(self, stream_arn: str, bell: threading.Event) -> None:
        """Stop setting an event."""
        self._by_stream[stream_arn].remove(bell)

    def ring(self, stream_arn: str) -> None:
        """Wake all who wait for the stream."""
        for bell in list(self._by_stream.get(stream_arn, ())):
            bell.set()


@dataclass
class Sources:
    """What the API and the pollers share: records, who waits for them, how far they are processed, and a change."""

    shards: Shards
    positions: Positions
    bells: Bells = field(default_factory=Bells)
    changed: threading.Event = field(default_factory=threading.Event)


def handler(base_lambda: Handler, sources: Sources) -> Handler:
    """Return the Lambda handler that wraps the base's: a mapping's start is fixed when it is created.

    What the mapping asks for and the endpoint does not have is refused.
    """

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        if not path.startswith(PATH) or method == "GET":
            return await base_lambda(method, path, headers, body, query_params)
        request = orjson.loads(body) if body else {}
        source = request.get("EventSourceArn", "")
        if reason := refusal(request):
            return _refused(reason)
        if ":kinesis:" in source:
            body = orjson.dumps(DEFAULTS | request)
        response = await base_lambda(method, path, headers, body, query_params)
        if response[0] < 300:
            mapping = orjson.loads(response[2])
            if method == "POST" and ":kinesis:" in source:
                for shard, records in sources.shards(source).items():
                    sources.positions.save(mapping["UUID"], shard, start(records, request))
            if method == "DELETE":
                sources.positions.forget(mapping["UUID"])
            sources.changed.set()
        return response

    return handle


def refusal(request: dict[str, Any]) -> str | None:
    """Say why a mapping cannot be created or updated so, or None."""
    for name, (least, most) in LIMITS.items():
        if name in request and not least <= request[name] <= most:
            return f"{name} must be between {least} and {most}, not {request[name]}"
    if request.get("ParallelizationFactor", 1) != 1:
        return "the local endpoint has ParallelizationFactor 1 only"
    destination = request.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    if destination and destination.split(":")[2] not in ("sqs", "sns"):
        return f"the local endpoint sends failed batches to SQS and SNS only, not to {destination}"
    if ":kinesis:" in request.get("EventSourceArn", ""):
        for name in ("FilterCriteria", "TumblingWindowInSeconds"):
            if request.get(name):
                return f"the local endpoint has no {name} for Kinesis"
        if request.get("StartingPosition") not in ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"):
            return "StartingPosition must be TRIM_HORIZON, LATEST or AT_TIMESTAMP"
    return None


def _refused(reason: str) -> Response:
    code = "InvalidParameterValueException"
    headers = {"Content-Type": "application/json", "x-amzn-errortype": code}
    return 400, headers, orjson.dumps({"Type": "User", "message": reason, "__type": code})


def start(records: list[Record], request: dict[str, Any]) -> str:
    """Return the sequence number after which a new mapping begins; empty for the oldest record."""
    kind = request["StartingPosition"]
    before = 0
    if kind == "LATEST":
        before = len(records)
    elif kind == "AT_TIMESTAMP":
        arrival = float(request["StartingPositionTimestamp"])
        before = bisect_left(records, arrival, key=lambda record: record["ApproximateArrivalTimestamp"])
    return records[before - 1]["SequenceNumber"] if before else ""
