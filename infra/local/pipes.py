"""The API of EventBridge Pipes: from a DynamoDB stream, through a function if wanted, to an event bus.

The base's pipes know no filter, no enrichment, no event bus and no starting position; so this stands in its place.
"""

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from infra.local.base import Response
from infra.local.event_source_mappings import Positions

PATH = "/v1/pipes"
SHARD = "shardId-00000000000000000000-00000000"
# The most that PutEvents takes; a pipe cannot have larger batches than its target.
BATCH_LIMIT = 10
SOURCE_PARAMETERS = "DynamoDBStreamParameters"
_HIDDEN = ("Id",)
_CHANGEABLE = (
    "Description",
    "DesiredState",
    "Enrichment",
    "EnrichmentParameters",
    "LogConfiguration",
    "RoleArn",
    "SourceParameters",
    "Target",
    "TargetParameters",
)
Pipe = dict[str, Any]


class Pipes:
    """The definitions of all pipes, kept in a file. `last_of` returns the newest sequence number of a stream."""

    def __init__(self, path: Path, positions: Positions, last_of: Callable[[str], str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._last_of = last_of
        self._pipes: dict[str, Pipe] = orjson.loads(path.read_bytes()) if path.exists() else {}
        self.positions = positions
        self.changed = threading.Event()

    def all(self) -> list[Pipe]:
        """Return the pipes as they are described."""
        return list(self._pipes.values())

    def _save(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_bytes(orjson.dumps(self._pipes))
        part.replace(self._path)
        self.changed.set()

    async def handle(
        self, method: str, path: str, _headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        """Answer a call of the API."""
        request = orjson.loads(body) if body else {}
        if path.startswith("/tags/"):
            return self._tags(method, unquote(path).removeprefix("/tags/"), request, query_params)
        name, _, step = unquote(path).removeprefix(PATH).strip("/").partition("/")
        if not name:
            prefix = (query_params.get("NamePrefix") or [""])[0]
            found = [_shown(pipe) for pipe in self.all() if pipe["Name"].startswith(prefix)]
            return _answer(200, {"Pipes": found})
        if method == "POST" and not step:
            return self._create(name, request)
        pipe = self._pipes.get(name)
        if pipe is None:
            return _answer(404, {"message": f"Pipe {name} does not exist."}, "NotFoundException")
        if step:
            return self._update(pipe, {"DesiredState": {"start": "RUNNING", "stop": "STOPPED"}[step]})
        handlers = {"DELETE": self._delete, "PUT": self._update, "GET": lambda pipe, _: _answer(200, _shown(pipe))}
        return handlers[method](pipe, request)

    def _delete(self, pipe: Pipe, _request: dict[str, Any]) -> Response:
        del self._pipes[pipe["Name"]]
        self.positions.forget(pipe["Id"])
        self._save()
        return _answer(200, _shown(pipe) | {"CurrentState": "DELETING", "DesiredState": "DELETED"})

    def _create(self, name: str, request: dict[str, Any]) -> Response:
        if name in self._pipes:
            return _answer(409, {"message": f"Pipe {name} already exists."}, "ConflictException")
        if reason := refusal(request):
            return _answer(400, {"message": reason}, "ValidationException")
        region, account = request["Source"].split(":")[3:5]
        now = int(time.time())
        desired = request.get("DesiredState", "RUNNING")
        pipe = request | {
            "Id": uuid.uuid4().hex,
            "Name": name,
            "Arn": f"arn:aws:pipes:{region}:{account}:pipe/{name}",
            "DesiredState": desired,
            "CurrentState": desired,
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        latest = request["SourceParameters"][SOURCE_PARAMETERS]["StartingPosition"] == "LATEST"
        self.positions.save(pipe["Id"], SHARD, self._last_of(request["Source"]) if latest else "")
        self._pipes[name] = pipe
        self._save()
        return _answer(200, _shown(pipe))

    def _update(self, pipe: Pipe, request: dict[str, Any]) -> Response:
        changed = {name: value for name, value in request.items() if name in _CHANGEABLE}
        parameters = pipe["SourceParameters"] | changed.pop("SourceParameters", {})
        kept = pipe["SourceParameters"][SOURCE_PARAMETERS]
        parameters[SOURCE_PARAMETERS] = kept | parameters[SOURCE_PARAMETERS]
        updated = pipe | changed | {"SourceParameters": parameters, "LastModifiedTime": int(time.time())}
        if reason := refusal(updated):
            return _answer(400, {"message": reason}, "ValidationException")
        updated["CurrentState"] = updated["DesiredState"]
        self._pipes[pipe["Name"]] = updated
        self._save()
        return _answer(200, _shown(updated))

    def _tags(self, method: str, arn: str, request: dict[str, Any], query_params: dict[str, list[str]]) -> Response:
        pipe = next((pipe for pipe in self.all() if pipe["Arn"] == arn), None)
        if pipe is None:
            return _answer(404, {"message": f"Pipe {arn} does not exist."}, "NotFoundException")
        if method == "GET":
            return _answer(200, {"tags": pipe.get("Tags", {})})
        gone = query_params.get("tagKeys", []) if method == "DELETE" else []
        kept = {name: value for name, value in pipe.get("Tags", {}).items() if name not in gone}
        self._pipes[pipe["Name"]] = pipe | {"Tags": kept | request.get("tags", {})}
        self._save()
        return _answer(200, {})


def refusal(request: dict[str, Any]) -> str | None:
    """Say why a pipe cannot be as asked, or None."""
    source = request.get("SourceParameters", {}).get(SOURCE_PARAMETERS, {})
    target, enrichment = request.get("Target", ""), request.get("Enrichment")
    reasons = {
        "the local endpoint has pipes from DynamoDB streams only": ":dynamodb:" not in request.get("Source", ""),
        "StartingPosition must be TRIM_HORIZON or LATEST": source.get("StartingPosition")
        not in ("TRIM_HORIZON", "LATEST"),
        f"the local endpoint has pipes to event buses only, not to {target}": ":events:" not in target,
        f"the local endpoint enriches by Lambda functions only, not by {enrichment}": enrichment
        and ":lambda:" not in enrichment,
        f"BatchSize must be between 1 and {BATCH_LIMIT}, the most that an event bus takes at once": not (
            1 <= source.get("BatchSize", 100) <= BATCH_LIMIT
        ),
        "the local endpoint has ParallelizationFactor 1 only": source.get("ParallelizationFactor", 1) != 1,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _shown(pipe: Pipe) -> dict[str, Any]:
    return {name: value for name, value in pipe.items() if name not in _HIDDEN}


def _answer(status: int, body: dict[str, Any], error: str | None = None) -> Response:
    headers = {"Content-Type": "application/json"}
    if error:
        headers["x-amzn-errortype"] = error
    return status, headers, orjson.dumps(body)
