"""Runs the one dbt command as a process of its own and reads its JSON log for progress and failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.pipeline import DBT_COMMAND
from infra.settings import settings
from infra.workgroups import PIPELINE_RESULTS

ROOT = Path(__file__).resolve().parents[2]
RESULT_EVENTS = frozenset(
    {"LogModelResult", "LogTestResult", "LogSeedResult", "LogSnapshotResult", "LogNodeResult", "LogUnitTestResult"}
)
MAX_ERRORS = 10


class DbtFailedError(Exception):
    """dbt ended with errors; the message lists them."""


@dataclass
class DbtLog:
    """What the log has said so far: nodes done of total, and the errors, in order and once each."""

    done: int = 0
    total: int = 0
    errors: tuple[str, ...] = ()

    def read(self, line: str) -> dict[str, Any] | None:
        """Take in one line of the log; return the event when it ends a node."""
        try:
            event = json.loads(line)
            info, data = event["info"], event.get("data", {})
        except (ValueError, KeyError, TypeError):
            # Python's own traceback of a dbt that could not even start.
            if line.strip() and not line.startswith(" "):
                self.errors = (*self.errors, line.strip())
            return None
        message = str(info.get("msg", "")).strip()
        if info.get("name") not in RESULT_EVENTS:
            # The errors of nodes are told again, with their cause, at the end.
            if info.get("level") == "error" and message and not any(message in known for known in self.errors):
                self.errors = (*self.errors, message)
            return None
        self.done += 1
        self.total = max(self.total, int(data.get("total") or 0), self.done)
        return event


def dbt_build(
    on_progress: Callable[[int, int, str], None], *, keep_open: Sequence[int] = (), extra: Iterable[str] = ()
) -> DbtLog:
    """Run dbt build and return its log's summary; `on_progress(done, total, node)` is called for every node.

    `keep_open` are descriptors that dbt inherits. Raises DbtFailedError with what dbt says went wrong.
    """
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *DBT_COMMAND[1:]]
    command += ["--log-format", "json", "--log-level", "info", *extra]
    city = settings()
    places = {
        "TRAFFICLAKE_WORKGROUP": city.workgroup,
        "TRAFFICLAKE_S3_STAGING_DIR": f"s3://{city.results_bucket}/{PIPELINE_RESULTS}",
        "TRAFFICLAKE_S3_DATA_DIR": f"s3://{city.lake_bucket}/",
    }
    log = DbtLog()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # The profile does not know how buckets are named; what the environment says goes before.
        env=places | os.environ,
        pass_fds=tuple(keep_open),
    ) as process:
        for line in process.stdout or ():
            event = log.read(line)
            if event is not None:
                on_progress(log.done, log.total, _node(event))
    if process.returncode != 0:
        raise DbtFailedError("\n".join(log.errors[-MAX_ERRORS:]) or f"dbt ended with code {process.returncode}")
    return log


def _node(event: dict[str, Any]) -> str:
    return str(event.get("data", {}).get("node_info", {}).get("node_name", ""))
