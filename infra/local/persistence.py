"""State that survives `kill -9`: every call that changes something is on disk before it is answered.

The base saves its state only when it ends in good order, and objects at once. Here each service whose state lives in
memory is saved, whole, after each call that changed it: a file per service, written beside and renamed.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs

from infra.local import base
from infra.local.base import Handler, Response

# DynamoDB, Glue and Kinesis are not among them: their handlers save in their own order.
DURABLE = ("athena", "events", "firehose", "iam", "lambda", "s3", "secretsmanager", "sns", "sqs", "ssm")
READS = re.compile(r"^(Get|BatchGet|List|Describe|Search|Query|Scan|Head|Simulate|SubscribeToShard)")
# Data, not definitions: writing the whole state for each of these would cost more than the call.
PASSING_DATA = frozenset(
    {
        "PutRecord",
        "PutRecords",
        "PutRecordBatch",
        "Publish",
        "PublishBatch",
        "PutEvents",
        "SendMessage",
        "SendMessageBatch",
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
    }
)
# Where passing data stays: archives keep events, queues keep what topics get. A kill loses at most the last second.
SAVED_SOON = {"events": "events", "sns": "sqs", "sqs": "sqs"}
_SOON_S = 0.8
# Named by path and method only, not by an action.
REST = ("iot", "iot-data", "lambda")


def action(headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]) -> str:
    """Return the name of the API call, from the target header (JSON protocol) or the form (query protocol)."""
    if target := headers.get("x-amz-target"):
        return target.rsplit(".", 1)[-1]
    if names := query_params.get("Action"):
        return names[0]
    form = (
        parse_qs(body.decode("utf-8", errors="replace")) if body.startswith(b"Action=") or b"&Action=" in body else {}
    )
    return form.get("Action", [""])[0]


def changes(service: str, method: str, path: str, name: str) -> bool:
    """Say whether a call can change what its service keeps in memory."""
    if service == "s3":
        # Objects are on disk already; what the base keeps in memory belongs to buckets.
        return method in ("PUT", "DELETE", "POST") and "/" not in path.strip("/")
    if service in REST:
        passing = path.endswith("/invocations") or path.startswith("/topics/")
        return method in ("PUT", "DELETE", "POST", "PATCH") and not passing
    return bool(name) and not READS.match(name) and name not in PASSING_DATA


def mend_objects(folder: Path) -> int:
    """Mend objects that were being overwritten when the endpoint was killed; return how many.

    The base writes an object and then its sidecar. Between the two the sidecar describes the former bytes, and clients
    would refuse the new ones for their checksum: without size, ETag and checksum the base takes them from the bytes.
    """
    mended = 0
    for sidecar in folder.rglob("*.meta.json"):
        data = sidecar.with_name(sidecar.name.removesuffix(".meta.json"))
        if data.is_file() and data.stat().st_mtime_ns > sidecar.stat().st_mtime_ns:
            known = json.loads(sidecar.read_bytes())
            kept = {name: value for name, value in known.items() if name not in ("size", "etag", "checksums")}
            sidecar.write_text(json.dumps(kept))
            mended += 1
    return mended


def make_durable(app: ModuleType, handlers: dict[str, Handler]) -> None:
    """Wrap the handlers whose state lives in memory, so that each answers after its state is saved."""
    savers = {service: base.saver(app, service) for service in DURABLE}
    soon = {service: Soon(savers[service]) for service in ("events", "sqs")}
    for service in DURABLE:
        handlers[service] = _saving(handlers[service], service, savers[service], soon.get(SAVED_SOON.get(service, "")))


def make_devices_durable(app: ModuleType, handlers: dict[str, Handler]) -> None:
    """Do the same for IoT and its shadows, once the base has read its state and the broker's certificates are made.

    Many devices connect at once, each with a change of its shadow: the state is saved without a copy.
    """
    save = base.saver(app, "iot", base.iot_state(app))
    save()
    for service in ("iot", "iot-data"):
        handlers[service] = _saving(handlers[service], service, save, None)


class Soon:
    """Saves a little later, once for all that was asked meanwhile, and takes at most a twentieth of the time."""

    def __init__(self, save: Callable[[], None]) -> None:
        self._save = save
        self._pause_s = _SOON_S
        self._asked = False

    def ask(self) -> None:
        """Have the state saved within a second; on the server's loop, where it does not change meanwhile."""
        if not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_later(self._pause_s, self._run)

    def _run(self) -> None:
        self._asked = False
        began = time.perf_counter()
        self._save()
        self._pause_s = max(_SOON_S, 20 * (time.perf_counter() - began))


def _saving(handler: Handler, service: str, save: Callable[[], None], soon: Soon | None) -> Handler:
    async def saving(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        response = await handler(method, path, headers, body, query_params)
        name = action(headers, body, query_params)
        if response[0] < 300 and changes(service, method, path, name):
            # On the server's loop: in a thread, what is being copied would change.
            save()
        elif soon and name in PASSING_DATA and name != "ReceiveMessage":
            soon.ask()
        return response

    return saving
