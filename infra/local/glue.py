"""What Glue answers and the base emulator does not: a handler in front of the base's.

One lock holds the catalog from the check of a table's version to the saved state, so that of two commits on one version
exactly one wins, and what was answered is on disk. Each gap is a function in `glue_catalog.py`; what only the Trino
engine is told stands in `glue_projection.py`.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from infra.local import glue_catalog, glue_iceberg, glue_projection, persistence
from infra.local.base import Handler, Response
from infra.local.glue_catalog import Call, GlueError
from infra.local.glue_projection import KeysBelow

ReadObject = Callable[[str], bytes]
SyncHandler = Callable[..., Response]


def handler(
    base_glue: SyncHandler, save: Callable[[], None], read_object: ReadObject, keys_below: KeysBelow
) -> Handler:
    """Return the Glue handler that wraps the base's.

    `base_glue` is the base's handler as a plain function; `save` writes the catalog to disk; `read_object` returns the
    bytes at an s3:// address; `keys_below` the keys below an address that ends in "/", as they go on after it.
    """
    lock = threading.Lock()

    def on_base(headers: dict[str, str]) -> Call:
        def call(action: str, request: dict[str, Any]) -> dict[str, Any]:
            sent = headers | {"x-amz-target": f"AWSGlue.{action}"}
            status, _, body = base_glue("POST", "/", sent, json.dumps(request).encode(), {})
            answer = json.loads(body or b"{}")
            if status != 200:
                raise GlueError(answer.get("__type", "InternalServiceException"), answer.get("message", ""))
            return answer

        return call

    def answer(name: str, headers: dict[str, str], request: dict[str, Any]) -> dict[str, Any]:
        request = glue_catalog.fold_names(request)
        call = on_base(headers)
        if glue_projection.is_engine(headers):
            projected = glue_projection.answer(name, request, call, keys_below)
            if projected is not None:
                return projected
        if name in ("CreateTable", "UpdateTable"):
            request = glue_iceberg.mark_columns(request, read_object)
        with lock:
            if name == "UpdateTable":
                if glue_projection.is_engine(headers):
                    request = glue_projection.keep_parameters(request, call)
                request = glue_catalog.replace_whole(request)
            found = glue_catalog.ANSWERS[name](call, request) if name in glue_catalog.ANSWERS else call(name, request)
            if not persistence.READS.match(name):
                save()
        found = glue_catalog.without_empty(found)
        return glue_projection.hide_parameters(found) if glue_projection.is_engine(headers) else found

    def rest(*request: Any) -> Response:  # noqa: ANN401 — the base's own arguments
        with lock:
            response = base_glue(*request)
            if request[0] != "GET":
                save()
        return response

    def respond(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        if path.startswith("/iceberg"):
            return rest(method, path, headers, body, query_params)
        name = persistence.action(headers, body, query_params)
        try:
            return _json(200, answer(name, headers, json.loads(body or b"{}")))
        except json.JSONDecodeError as error:
            return _json(400, {"__type": "SerializationException", "message": str(error)})
        except GlueError as error:
            return _json(400, {"__type": error.code, "message": str(error)})

    async def handle(*request: Any) -> Response:  # noqa: ANN401
        return await asyncio.to_thread(respond, *request)

    return handle


def _json(status: int, answer: dict[str, Any]) -> Response:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()
