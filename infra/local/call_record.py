"""A record of the calls that reach the endpoint: what its callers need to be allowed on AWS.

Switched on by `TRAFFICLAKE_CALL_RECORD`, the name of a file that gets a JSON line for each call that differs from those
before. A hook of botocore would see boto3's calls only; Spark, Iceberg and Trino call from Java, and all arrive here.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.local.api_calls import Request, read_call

VARIABLE = "TRAFFICLAKE_CALL_RECORD"
App = Callable[..., Any]


def recording(app: App, record: Path) -> App:
    """Wrap an ASGI app: calls are appended to `record` once they are answered.

    Each line has `principal`, `service`, `operation`, `names` and `missing`, whether it was answered that something is
    not there.
    """
    seen: set[str] = set()

    async def record_and_pass(scope: dict[str, Any], receive: App, send: App) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body, status = [], []

        async def hear() -> dict[str, Any]:
            message = await receive()
            body.append(message.get("body", b""))
            return message

        async def answer(message: dict[str, Any]) -> None:
            status.append(message.get("status"))
            await send(message)

        await app(scope, hear, answer)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path, query = scope["raw_path"].decode(), scope["query_string"].decode()
        call = read_call(Request(scope["method"], path, query, headers, b"".join(body)))
        if call is None:
            return
        line = json.dumps(call._asdict() | {"missing": status[:1] == [404]}, sort_keys=True)
        if line not in seen:
            seen.add(line)
            with record.open("a") as file:
                file.write(line + "\n")

    return record_and_pass
