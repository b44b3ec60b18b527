"""Trino's REST protocol: send a statement, follow it to its end, hand over its pages."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson
import urllib3

from infra.local.trino import HIVE_CATALOG, TrinoError

# Kept alive between queries: a new connection per query would cost as much as a small query.
_connections = urllib3.PoolManager(maxsize=32, retries=False, timeout=urllib3.Timeout(connect=5, read=120))


class QueryFailed(Exception):
    """A statement failed in Trino."""

    def __init__(self, name: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.kind = kind
        self.message = message


class QueryCancelled(Exception):
    """The caller asked to stop."""


@dataclass(frozen=True)
class Column:
    """A result column: name, Trino type as text, and the type as Trino's tree."""

    name: str
    type: str
    signature: dict[str, Any]


@dataclass
class Outcome:
    """What a finished statement left behind, besides its rows."""

    columns: list[Column] | None = None
    update_type: str | None = None
    update_count: int | None = None
    stats: dict[str, Any] = field(default_factory=dict)

    @property
    def scanned_bytes(self) -> int:
        """Bytes that Trino read from storage."""
        return int(self.stats.get("physicalInputBytes", 0))


Rows = list[list[Any]]

# How long a server may be without a node that takes work.
NODES_LIMIT_S = 30.0


@dataclass(frozen=True)
class Session:
    """Where a statement runs: Trino's address, default schema, session properties."""

    url: str
    schema: str | None = None
    properties: tuple[tuple[str, str], ...] = ()


def run(
    session: Session,
    sql: str,
    on_rows: Callable[[list[Column], Rows], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run one statement and call `on_rows` for each page.

    Raises QueryFailed, QueryCancelled, or TrinoError when the server is gone.
    """
    headers = {
        "X-Trino-User": "trafficlake",
        "X-Trino-Source": "athena",
        "X-Trino-Catalog": HIVE_CATALOG,
        "X-Trino-Time-Zone": "UTC",
        # Without it Trino hides the precision of times from us.
        "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",
    }
    if session.schema:
        headers["X-Trino-Schema"] = session.schema
    if session.properties:
        headers["X-Trino-Session"] = ",".join(f"{name}={quote(value)}" for name, value in session.properties)
    outcome = Outcome()
    reply = _request("POST", f"{session.url}/v1/statement", headers, sql.encode())
    no_nodes_until = time.monotonic() + NODES_LIMIT_S
    while True:
        outcome.stats = reply["stats"]
        if "columns" in reply and outcome.columns is None:
            outcome.columns = [Column(c["name"], c["type"], c["typeSignature"]) for c in reply["columns"]]
        if "error" in reply:
            error = reply["error"]
            if _found_no_node(error) and time.monotonic() < no_nodes_until:
                # In the first moments of a server, or on a very busy machine: nothing has run yet, so ask again.
                time.sleep(0.2)
                reply = _request("POST", f"{session.url}/v1/statement", headers, sql.encode())
                continue
            raise QueryFailed(error["errorName"], error["errorType"], error.get("message", error["errorName"]))
        if on_rows and outcome.columns and reply.get("data"):
            on_rows(outcome.columns, reply["data"])
        if "nextUri" not in reply:
            outcome.update_type = reply.get("updateType")
            outcome.update_count = reply.get("updateCount")
            return outcome
        if cancelled():
            _connections.request("DELETE", reply["nextUri"], headers=headers)
            raise QueryCancelled
        reply = _request("GET", reply["nextUri"] + "?maxWait=500ms", headers)


def _found_no_node(error: dict[str, Any]) -> bool:
    """Tell whether there was no node to run on; for a partitioned write Trino says so as an internal error."""
    return error["errorName"] == "NO_NODES_AVAILABLE" or error.get("message") == "nodes is empty"


def _request(method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> dict[str, Any]:
    try:
        while True:
            response = _connections.request(method, url, headers=headers, body=body)
            if response.status not in (502, 503, 504):
                break
    except urllib3.exceptions.HTTPError as error:
        raise TrinoError(f"Trino does not answer: {error}") from error
    if response.status != 200:
        raise TrinoError(f"Trino answered {response.status}: {response.data[:300].decode(errors='replace')}")
    try:
        return orjson.loads(response.data)
    except orjson.JSONDecodeError:
        return json.loads(response.data)  # decimals beyond 64 bits


def rows_of(session: Session, sql: str) -> tuple[list[Column], Rows]:
    """Run a statement whose result is small and return its columns and rows."""
    rows: Rows = []
    outcome = run(session, sql, lambda _columns, page: rows.extend(page))
    return outcome.columns or [], rows
