"""What the API remembers: executions, work groups, prepared statements, catalogs; kept in SQLite across restarts."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Json = Any
"""What JSON can hold."""

KEPT = 1000
TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass
class Execution:
    """One query execution, from its start to its end; `record` is what GetQueryExecution answers."""

    record: dict[str, Any]
    columns: list[dict[str, Any]] = field(default_factory=list)
    update_count: int | None = None
    done: Future[None] = field(default_factory=Future)
    stop: threading.Event = field(default_factory=threading.Event)
    token: str | None = None

    @property
    def id(self) -> str:
        """QueryExecutionId."""
        return self.record["QueryExecutionId"]

    @property
    def state(self) -> str:
        """QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED."""
        return self.record["Status"]["State"]


class State:
    """All that is kept, by kind and key; every write goes to the file at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key))"
        )
        self.executions: dict[str, Execution] = {}
        for body in self.all("execution"):
            execution = Execution(body["record"], body["columns"], body["update_count"], token=body["token"])
            execution.done.set_result(None)
            self.executions[execution.id] = execution

    def get(self, kind: str, key: str) -> Json | None:
        """Return an entry, or None."""
        with self._lock:
            row = self._database.execute("SELECT body FROM entry WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return orjson.loads(row[0]) if row else None

    def put(self, kind: str, key: str, body: Json) -> None:
        """Add or replace an entry."""
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", (kind, key, orjson.dumps(body)))

    def delete(self, kind: str, key: str) -> None:
        """Remove an entry if it is there."""
        with self._lock:
            self._database.execute("DELETE FROM entry WHERE kind = ? AND key = ?", (kind, key))

    def all(self, kind: str) -> Iterator[Json]:
        """Return all entries of a kind, oldest key first."""
        with self._lock:
            rows = self._database.execute("SELECT body FROM entry WHERE kind = ? ORDER BY rowid", (kind,)).fetchall()
        return (orjson.loads(row[0]) for row in rows)

    def keep(self, execution: Execution) -> None:
        """Write an execution that has ended."""
        body = {
            "record": execution.record,
            "columns": execution.columns,
            "update_count": execution.update_count,
            "token": execution.token,
        }
        self.put("execution", execution.id, body)

    def forget_old(self) -> list[str]:
        """Drop all but the newest `KEPT` executions and return the ids of those dropped."""
        old = list(self.executions)[:-KEPT]
        for key in old:
            del self.executions[key]
            self.delete("execution", key)
        return old

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


def now() -> float:
    """Return the time as the API writes it: seconds since 1970."""
    return round(time.time(), 3)
