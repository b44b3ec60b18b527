"""Runs executions on threads: statement to Trino or Glue, result to S3, end state to the record."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from infra.local.athena import errors, results, statements
from infra.local.athena.context import Answer, Client, Context
from infra.local.athena.engine import Outcome, QueryCancelled
from infra.local.athena.state import Execution, State, now
from infra.local.athena.text import Statement, tokenize
from infra.local.principals import ATHENA_KEY
from infra.local.toolchain import ToolchainError
from infra.local.trino import Trino, start

_log = logging.getLogger(__name__)
AT_ONCE = 8


class Executor:
    """The engine behind the API: owns Trino, the threads and the local copies of results."""

    def __init__(self, state: State, state_dir: Path, endpoint_url: str) -> None:
        self.state = state
        self.folder = state_dir / "athena" / "results"
        self._state_dir, self._endpoint_url = state_dir, endpoint_url
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="athena")
        self._lock = threading.Lock()
        self._trino: Trino | None = None
        self._clients: dict[str, Client] = {}

    def warm_up(self) -> None:
        """Start Trino in the background; queries wait for it. A failure is reported by the first query."""
        self._threads.submit(self._warm_up)

    def _warm_up(self) -> None:
        try:
            self._started()
        except ToolchainError as error:
            _log.warning("%s", error)

    def _started(self) -> Trino:
        with self._lock:
            if self._trino is None or self._trino.failed:
                self._trino = start(self._state_dir, self._endpoint_url)
            return self._trino

    def _trino_url(self) -> str:
        return self._started().wait()

    def client(self, service: str) -> Client:
        """Return a boto3 client of the local endpoint."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,
                    endpoint_url=self._endpoint_url,
                    region_name="us-east-1",
                    aws_access_key_id=ATHENA_KEY,
                    aws_secret_access_key=ATHENA_KEY,
                    config=Config(max_pool_connections=2 * AT_ONCE, retries={"max_attempts": 3}),
                )
            return self._clients[service]

    def submit(self, execution: Execution) -> None:
        """Run an execution as soon as a thread is free."""
        self._threads.submit(self._run, execution)

    def _run(self, execution: Execution) -> None:
        record = execution.record
        started = time.monotonic()
        queued = now() - record["Status"]["SubmissionDateTime"]
        outcome: Outcome | None = None
        try:
            if execution.stop.is_set():
                raise QueryCancelled
            record["Status"] = record["Status"] | {"State": "RUNNING"}
            outcome = self._execute(execution)
            end: dict[str, Any] = {"State": "SUCCEEDED"}
        except QueryCancelled:
            end = {"State": "CANCELLED", "StateChangeReason": "Query cancelled by user"}
        # The thread's outermost frame: whatever went wrong is the query's failure and belongs to who asked.
        except Exception as error:  # noqa: BLE001
            if errors.is_unexpected(error):
                _log.exception("query %s", execution.id)
            reason, detail = errors.explain(error)
            end = {"State": "FAILED", "StateChangeReason": reason, "AthenaError": detail}
        # The API reads the record meanwhile: parts are replaced, never changed, and the end state comes last.
        record["Statistics"] = record["Statistics"] | _statistics(outcome, queued, time.monotonic() - started)
        record["Status"] = record["Status"] | end | {"CompletionDateTime": now()}
        self.state.keep(execution)
        execution.done.set_result(None)

    def _execute(self, execution: Execution) -> Outcome | None:
        record = execution.record
        statement, parameters = self._prepared(record)
        plan = statements.plan(statement)
        record["StatementType"], record["SubstatementType"] = plan.kind, plan.substatement
        folder = record["ResultConfiguration"]["OutputLocation"]
        location = _output(plan, folder, execution.id)
        record["ResultConfiguration"] = record["ResultConfiguration"] | {"OutputLocation": location}
        context = Context(
            execution_id=execution.id,
            database=(record["QueryExecutionContext"].get("Database") or "").strip('`"').lower() or None,
            result_folder=folder,
            glue=self.client("glue"),
            s3=self.client("s3"),
            trino_url=self._trino_url,
            cancelled=execution.stop.is_set,
        )

        def run(on_rows: statements.OnRows) -> Answer:
            return plan.run(context, statement, parameters, on_rows)

        answer = self._stream(execution, run, location) if plan.result == "csv" else run(lambda _columns, _rows: None)
        if plan.result == "txt":
            self._write_text(execution, answer, location)
        elif answer.manifest is not None:
            manifest = f"{location}-manifest.csv"
            self._put(manifest, "".join(f"{path}\n" for path in answer.manifest).encode())
            record["Statistics"] = {"DataManifestLocation": manifest}
        self._put(f"{location}.metadata", b"")
        execution.update_count = answer.update_count
        return answer.outcome

    def _stream(self, execution: Execution, run: Callable[[statements.OnRows], Answer], location: str) -> Answer:
        """Write the rows as they come, so that a long result needs no memory, and put them into S3 at the end."""
        header = execution.record["SubstatementType"] != "EXPLAIN"
        with results.Sink(self.folder, execution.id, header=header) as sink:
            answer = run(sink.add)
            if answer.outcome and answer.outcome.columns:
                sink.begin(answer.outcome.columns)
            sink.close()
            self.client("s3").upload_file(str(sink.csv_path), *_place(location))
        execution.columns = sink.columns
        return answer

    def _prepared(self, record: dict[str, Any]) -> tuple[Statement, list[str]]:
        return statements.resolve(
            tokenize(record["Query"]),
            record.get("ExecutionParameters", []),
            lambda name: self.state.get("prepared", f"{record['WorkGroup']}/{name}"),
            lambda name, body: self.state.put("prepared", f"{record['WorkGroup']}/{name}", body),
            lambda name: self.state.delete("prepared", f"{record['WorkGroup']}/{name}"),
        )

    def _write_text(self, execution: Execution, answer: Answer, location: str) -> None:
        execution.columns = [results.info(name, "string", 0) for name in answer.columns]
        self.folder.mkdir(parents=True, exist_ok=True)
        results.write_lines(results.rows_path(self.folder, execution.id), answer.lines)
        self._put(location, "".join(f"{line}\n" for line in answer.lines).encode())

    def _put(self, location: str, body: bytes) -> None:
        bucket, key = _place(location)
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def close(self) -> None:
        """Stop all executions and Trino."""
        for execution in self.state.executions.values():
            execution.stop.set()
        if self._trino:
            self._trino.stop()
        self._threads.shutdown(cancel_futures=True)


def _place(location: str) -> tuple[str, str]:
    parts = urlsplit(location)
    return parts.netloc, parts.path.lstrip("/")


def _output(plan: statements.Plan, folder: str, execution_id: str) -> str:
    if plan.result in ("csv", "txt"):
        return f"{folder}{execution_id}.{plan.result}"
    if plan.substatement == "CREATE_TABLE_AS_SELECT":
        return f"{folder}tables/{execution_id}"
    return f"{folder}{execution_id}"


def _statistics(outcome: Outcome | None, queued_s: float, engine_s: float) -> dict[str, Any]:
    stats = outcome.stats if outcome else {}
    engine_ms = max(int(engine_s * 1000), 1)
    queued_ms = max(int(queued_s * 1000), 0)
    return {
        "EngineExecutionTimeInMillis": engine_ms,
        "DataScannedInBytes": int(stats.get("physicalInputBytes", 0)),
        "TotalExecutionTimeInMillis": engine_ms + queued_ms,
        "QueryQueueTimeInMillis": queued_ms,
        "QueryPlanningTimeInMillis": int(stats.get("planningTimeMillis", 0)),
        "ServiceProcessingTimeInMillis": 0,
        "ResultReuseInformation": {"ReusedPreviousResult": False},
    }


def new_execution(request: dict[str, Any], location: str, workgroup: str) -> Execution:
    """Return a queued execution for a StartQueryExecution request."""
    record = {
        "QueryExecutionId": str(uuid.uuid4()),
        "Query": request["QueryString"],
        "ResultConfiguration": {**request.get("ResultConfiguration", {}), "OutputLocation": location},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": request.get("QueryExecutionContext", {}),
        "Status": {"State": "QUEUED", "SubmissionDateTime": now()},
        "Statistics": {},
        "StatementType": None,
        "SubstatementType": None,
        "WorkGroup": workgroup,
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
    }
    if parameters := request.get("ExecutionParameters"):
        record["ExecutionParameters"] = parameters
    return Execution(record, token=request.get("ClientRequestToken"))
