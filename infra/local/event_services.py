"""The part of the endpoint that reacts: streams, tables, buses and schedules that call functions and targets."""

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from infra.local import (
    base,
    dynamodb,
    dynamodb_base,
    event_delivery,
    event_source_mappings,
    event_sources,
    events_base,
    function_logs,
    functions,
    persistence,
    pipe_runs,
    pipes,
)
from infra.local.event_source_mappings import Sources


@dataclass
class EventServices:
    """What the server needs of them.

    `announce` is to be told the address of a Kinesis stream that has new records; `restore` is to be called when the
    base has read its state; `workers` run, each in a thread, from when the server answers until their event is set;
    `close` ends the functions' processes.
    """

    announce: Callable[[str], None]
    restore: Callable[[], None]
    workers: dict[str, Callable[[threading.Event], None]]
    close: Callable[[], None]


def plug_in(app: ModuleType, state_dir: Path, url: str, environment: dict[str, str]) -> EventServices:
    """Put what reacts in front of the base, or in its place; `environment` reaches every function."""
    handlers, services = base.handlers(app), state_dir / "services"
    sources = Sources(partial(base.kinesis_records, app), event_source_mappings.Positions(services / "event-sources"))
    handlers["lambda"] = event_source_mappings.handler(handlers["lambda"], sources)

    invocations: function_logs.Invocations = queue.SimpleQueue()
    running = functions.Functions(state_dir / "functions", environment, base.function_runner(app))
    base.run_functions_with(app, running.execute, function_logs.taker(invocations))

    deliveries: event_delivery.Deliveries = queue.SimpleQueue()
    events_base.patch(app, deliveries.put)
    handlers["events"] = _without_secrets(handlers["events"])

    records = partial(dynamodb_base.stream_records, app)
    defined = pipes.Pipes(services / "trafficlake-pipes.json", sources.positions, partial(_last_of, records))
    handlers["pipes"] = defined.handle
    stream = pipe_runs.Stream(records, sources.bells, partial(base.matches_pattern, app))

    workers = {
        "event sources": lambda stop: event_sources.run(stop, url, sources),
        "event delivery": lambda stop: event_delivery.run(stop, url, deliveries),
        "pipes": lambda stop: pipe_runs.run(stop, url, defined, stream),
        "function logs": lambda stop: function_logs.run(stop, url, invocations),
    }
    return EventServices(sources.bells.ring, _plug_in_tables(app, services, sources), workers, running.close)


def _plug_in_tables(app: ModuleType, services: Path, sources: Sources) -> Callable[[], None]:
    """Make items and stream records durable; return what is to be done when the base has read its state."""

    def announce(table_arn: str) -> None:
        if stream_arn := dynamodb_base.stream_of(app, table_arn):
            sources.bells.ring(stream_arn)

    journal = dynamodb.Journal(services / "dynamodb-changes.jsonl", announce)
    save = dynamodb_base.saver(app)
    handlers = base.handlers(app)
    handlers["dynamodb"] = dynamodb.handler(handlers["dynamodb"], journal, save)

    def restore() -> None:
        dynamodb_base.restore_streams(app)
        if changes := journal.changes():
            for change in changes:
                dynamodb_base.apply(app, change)
            save()
        journal.clear()
        dynamodb_base.patch(app, journal.note)

    return restore


def _without_secrets(base_events: base.Handler) -> base.Handler:
    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> base.Response:
        status, answered, content = await base_events(method, path, headers, body, query_params)
        if status == 200 and persistence.action(headers, body, query_params) == "DescribeConnection":
            content = json.dumps(event_delivery.without_secrets(json.loads(content))).encode()
            answered = {name: value for name, value in answered.items() if name.lower() != "content-length"}
        return status, answered, content

    return handle


def _last_of(records: Callable[[str], list[dict]], stream_arn: str) -> str:
    found = records(stream_arn)
    return found[-1]["dynamodb"]["SequenceNumber"] if found else ""
