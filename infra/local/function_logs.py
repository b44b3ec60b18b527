"""What functions print: lines of their log group, and metrics where a line is in embedded metric format.

One thread writes for all functions, a little behind them. The base writes within the invocation and makes a log stream
for each; here there is a stream per function and hour, and the two newest are kept, so that an endpoint that runs for
long does not grow.
"""

import logging
import queue
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import embedded_metrics

_PAUSE_S = 0.2
_KEPT_STREAMS = 2
_LINES_PER_CALL, _METRICS_PER_CALL = 5_000, 500
_log = logging.getLogger(__name__)


class Invocation(NamedTuple):
    """What an invocation left: log group, request, printed text, duration in ms, and when it ended (epoch s)."""

    group: str
    request_id: str
    text: str
    duration_ms: int
    ended: float


Invocations = queue.SimpleQueue[Invocation]


def run(stop: threading.Event, endpoint_url: str, invocations: Invocations) -> None:
    """Write what invocations leave until `stop` is set; then what is left, and return."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
    logs = boto3.client("logs", endpoint_url=endpoint_url, config=config)
    metrics = boto3.client("cloudwatch", endpoint_url=endpoint_url, config=config)
    known: dict[str, str] = {}
    while True:
        ending = stop.wait(_PAUSE_S)
        done = []
        while not invocations.empty():
            done.append(invocations.get())
        try:
            _write_lines(logs, done, known)
            _write_metrics(metrics, done)
        except (BotoCoreError, ClientError) as error:
            _log.warning("function logs: %s", error)
        if ending:
            return


def lines(invocation: Invocation) -> list[str]:
    """Return the lines of an invocation in its log group."""
    request = f"RequestId: {invocation.request_id}"
    duration = f"{invocation.duration_ms} ms"
    report = f"REPORT {request}\tDuration: {duration}\tBilled Duration: {duration}"
    return [f"START {request} Version: $LATEST", *invocation.text.splitlines(), f"END {request}", report]


def _write_lines(logs: Any, done: list[Invocation], known: dict[str, str]) -> None:  # noqa: ANN401
    by_group = defaultdict(list)
    for invocation in done:
        timestamp = int(invocation.ended * 1000)
        by_group[invocation.group] += [{"timestamp": timestamp, "message": each} for each in lines(invocation) if each]
    for group, events in by_group.items():
        stream = datetime.now(UTC).strftime("%Y/%m/%d/[$LATEST]%H")
        if known.get(group) != stream:
            _make_stream(logs, group, stream)
            known[group] = stream
        events.sort(key=lambda event: event["timestamp"])
        for first in range(0, len(events), _LINES_PER_CALL):
            part = events[first : first + _LINES_PER_CALL]
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=part)


def _make_stream(logs: Any, group: str, stream: str) -> None:  # noqa: ANN401
    for create in (
        lambda: logs.create_log_group(logGroupName=group),
        lambda: logs.create_log_stream(logGroupName=group, logStreamName=stream),
    ):
        try:
            create()
        except logs.exceptions.ResourceAlreadyExistsException:
            continue
    found = logs.describe_log_streams(logGroupName=group, orderBy="LogStreamName", descending=True)["logStreams"]
    for each in found[_KEPT_STREAMS:]:
        logs.delete_log_stream(logGroupName=group, logStreamName=each["logStreamName"])


def _write_metrics(metrics: Any, done: list[Invocation]) -> None:  # noqa: ANN401
    by_namespace = defaultdict(list)
    for invocation in done:
        for line in invocation.text.splitlines():
            for namespace, entry in embedded_metrics.read_line(line):
                by_namespace[namespace].append(entry)
    for namespace, entries in by_namespace.items():
        for first in range(0, len(entries), _METRICS_PER_CALL):
            metrics.put_metric_data(Namespace=namespace, MetricData=entries[first : first + _METRICS_PER_CALL])


def taker(invocations: Invocations) -> Any:  # noqa: ANN401 — takes the place of the base's function
    """Return what the base is to call at the end of each invocation."""

    def take(function: dict[str, Any], request_id: str, text: str, _error: bool, duration_ms: int, **_: Any) -> None:  # noqa: ANN401
        config = function.get("config") or function
        group = config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        invocations.put(Invocation(group, request_id, text, duration_ms, time.time()))

    return take
