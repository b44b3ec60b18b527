"""Items of DynamoDB tables survive `kill -9`: what was changed since the last save stands in a journal.

Writing the whole state after each put would make puts as slow as the tables are large. So the changes of a call are
one line of a file, written before the call is answered; a transaction is whole or not at all. The file is read back
when the endpoint starts, and emptied whenever the whole state is saved.
"""

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import orjson

from infra.local import persistence
from infra.local.base import Handler, Response
from infra.local.dynamodb_base import Change

JOURNAL_LIMIT_BYTES = 64_000_000
WRITES = frozenset(
    {
        "BatchExecuteStatement",
        "BatchWriteItem",
        "DeleteItem",
        "ExecuteStatement",
        "ExecuteTransaction",
        "PutItem",
        "TransactWriteItems",
        "UpdateItem",
    }
)
READS = frozenset({"TransactGetItems"})
_of_this_call: ContextVar[list[Change] | None] = ContextVar("changes of this call", default=None)


class Journal:
    """Changes since the last save. `announce` is told of each table that has a new stream record."""

    def __init__(self, path: Path, announce: Callable[[str], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._out = path.open("ab", buffering=0)
        self._announce = announce

    def note(self, change: Change) -> None:
        """Keep a change for the end of the call that makes it; outside of a call, such as at expiry, write it."""
        changes = _of_this_call.get()
        if changes is None:
            self.write([change])
        else:
            changes.append(change)

    def write(self, changes: list[Change]) -> None:
        """Append changes that belong together."""
        self._out.write(orjson.dumps(changes) + b"\n")
        for table_arn in {table_arn for kind, table_arn, _ in changes if kind == "stream"}:
            self._announce(table_arn)

    def changes(self) -> list[Change]:
        """Return what the file holds. The last line may be cut short by a kill: its call was not answered."""
        lines = self._path.read_bytes().split(b"\n")[:-1]
        return [change for line in lines for change in orjson.loads(line)]

    def size(self) -> int:
        """Return the bytes of the file."""
        return self._path.stat().st_size

    def clear(self) -> None:
        """Empty the file."""
        self._out.truncate(0)


def handler(base_dynamodb: Handler, journal: Journal, save: Callable[[], None]) -> Handler:
    """Return the DynamoDB handler that wraps the base's. `save` writes the whole state, on the server's loop."""

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        changes: list[Change] = []
        token = _of_this_call.set(changes)
        try:
            response = await base_dynamodb(method, path, headers, body, query_params)
        finally:
            _of_this_call.reset(token)
        if changes:
            journal.write(changes)
        name = persistence.action(headers, body, query_params)
        defines = name not in WRITES | READS and persistence.changes("dynamodb", method, path, name)
        if (response[0] < 300 and defines) or journal.size() > JOURNAL_LIMIT_BYTES:
            save()
            journal.clear()
        return response

    return handle
