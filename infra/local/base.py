"""The emulator that the endpoint stands on (ministack): the only module that knows how it is set up and entered.

Everything else here is plain functions `handle(method, path, headers, body, query_params)` that do not import it, so
that the base can be changed. The contract tests in `tests/infra/local` name every private part that is relied on.
"""

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

VERSION = "1.5.33"
# Only these answer: others would start listeners of their own (SFTP, databases, Kubernetes) on every interface.
SERVICES = (
    "athena,cloudformation,codebuild,dynamodb,dynamodbstreams,events,firehose,glue,iam,iot,iot-data,kinesis,kms,lambda,logs,"
    "monitoring,pipes,s3,scheduler,secretsmanager,sns,sqs,ssm,states,sts,tagging"
)


class TaskError(Exception):
    """A task of a state machine failed, with the error's name in Step Functions and its cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Response]]


def environment(state_dir: Path, port: int) -> dict[str, str]:
    """Return what the base reads from the environment when it is imported."""
    return {
        "AUTH": "false",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": "us-east-1",
        "MINISTACK_ACCOUNT_ID": "000000000000",
        "SERVICES": SERVICES,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir / "objects"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "USE_SSL": "0",
        "LOG_LEVEL": "WARNING",
        "ATHENA_ENGINE": "mock",
        # The base sweeps containers of a Docker daemon that it finds; the user's containers are not ours to sweep.
        "DOCKER_HOST": "unix:///dev/null/no-docker",
    }


def load(state_dir: Path, port: int) -> ModuleType:
    """Import the base with its state below `state_dir`; once per process, because it reads its settings on import.

    Raises RuntimeError when another version is installed than the one whose private names are patched.
    """
    if (found := version("ministack")) != VERSION:
        raise RuntimeError(f"the local endpoint is made for ministack {VERSION}, found {found}: reinstall with `make`")
    for folder in ("services", "objects"):
        (state_dir / folder).mkdir(parents=True, exist_ok=True)
    os.environ.update(environment(state_dir, port))
    app = import_module("ministack.app")
    # Delivery is our own worker's: the base writes one object per record, inside the sender's call.
    import_module("ministack.services.firehose").ingest_from_kinesis_source = lambda _stream_arn, _records: None
    # The base goes through all records of a stream at each call.
    import_module("ministack.services.kinesis")._expire_records = expire_records
    return app


def handlers(app: ModuleType) -> dict[str, Handler]:
    """Return the table of service handlers, by service name; replacing an entry plugs in a handler."""
    return app.SERVICE_HANDLERS


def glue_entry(app: ModuleType) -> Callable[..., Response]:
    """Return the base's Glue handler as a plain function, which its own handler runs in a thread per call."""
    return app._get_module("glue")._handle_request_sync


def keys_below(app: ModuleType, address: str) -> list[str]:
    """Return the keys below an s3:// address of the caller's account, as they go on after the address.

    A listing through the API goes through all keys of the bucket for each folder that it lists.
    """
    bucket, prefix = address.removeprefix("s3://").split("/", 1)
    # Copied in one step, while other threads write.
    keys = list((app._get_module("s3")._buckets.get(bucket) or {"objects": {}})["objects"])
    return [key[len(prefix) :] for key in keys if key.startswith(prefix)]


def kinesis_streams(app: ModuleType) -> dict[str, dict[str, Any]]:
    """Return what the base keeps of its streams, records included, by the stream's address."""
    return {stream["StreamARN"]: stream for stream in app._get_module("kinesis")._streams._data.values()}


def kinesis_stream_of(app: ModuleType, request: dict[str, Any]) -> str:
    """Return the address of the stream that a request of the caller's account and region names."""
    return app._get_module("kinesis")._resolve_stream(request)[1]["StreamARN"]


def expire_records(stream: dict[str, Any]) -> None:
    """Drop what is older than a stream keeps; records are in the order of their arrival."""
    oldest = time.time() - stream["RetentionPeriodHours"] * 3600
    for shard in stream["shards"].values():
        records = shard["records"]
        if records and records[0]["ApproximateArrivalTimestamp"] < oldest:
            first = bisect_left(records, oldest, key=lambda record: record["ApproximateArrivalTimestamp"])
            # A new list: others may be reading the former one.
            shard["records"] = records[first:]


def kinesis_records(app: ModuleType, stream_arn: str) -> dict[str, list[dict[str, Any]]]:
    """Return the live lists of a stream's records by shard, oldest first; none when there is no such stream."""
    stream = kinesis_streams(app).get(stream_arn, {"shards": {}})
    return {name: shard["records"] for name, shard in dict(stream["shards"]).items()}


def function_runner(app: ModuleType) -> Callable[..., dict[str, Any]]:
    """Return the base's own way to run a function from a zip: (function, event, request id) → outcome."""
    return app._get_module("lambda_svc")._execute_function_warm


def run_functions_with(app: ModuleType, execute: Callable[..., dict[str, Any]], take_log: Callable[..., None]) -> None:
    """Have functions from a zip run by `execute`, their logs taken, and Kinesis mappings left to our own worker.

    `take_log` is called with (function, request id, text, whether it failed, duration in ms, **how it was run).
    """
    functions = app._get_module("lambda_svc")
    functions._execute_function_warm = execute
    functions._emit_lambda_logs = take_log
    functions._poll_kinesis = lambda: False


def provision_with(provisioners: dict[str, dict[str, Callable[..., Any]]]) -> None:
    """Have CloudFormation make resources of these types so, in threads of their own that may call the endpoint."""
    module = import_module("ministack.services.cloudformation.provisioners")
    stacks = import_module("ministack.services.cloudformation.stacks")
    module._RESOURCE_HANDLERS.update(provisioners)
    may_wait = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind in provisioners or may_wait(kind)


def add_tasks(app: ModuleType, tasks: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
    """Have tasks of state machines run by these functions, by the resource that they are named by, without `.sync`.

    They are called with the task's parameters, return its result, and raise TaskError.
    """
    machines = app._get_module("stepfunctions")

    def entry(run: Callable[[dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
        def called(_resource: str, given: dict[str, Any]) -> Any:  # noqa: ANN401 — any JSON
            try:
                return run(given)
            except TaskError as failure:
                raise machines._ExecutionError(failure.error, failure.cause) from failure

        return called

    # Looked up in order, by beginning: what is more particular goes first.
    machines._SERVICE_DISPATCH = {name: entry(run) for name, run in tasks.items()} | machines._SERVICE_DISPATCH


def mqtt_certificates(app: ModuleType) -> tuple[str, str, str]:
    """Return PEM of the base's authority, which signs devices' certificates, and of a server certificate with its key.

    They are part of the state of IoT; the first call makes them.
    """
    iot = app._get_module("iot")
    return (iot.get_ca_cert_pem(), *iot._mtls_ensure_server_cert())


def matches_pattern(app: ModuleType, pattern: str, document: dict[str, Any]) -> bool:
    """Say whether a document matches an event pattern (JSON text); what is no pattern matches nothing."""
    events = app._get_module("eventbridge")
    return any(events._matches_detail(document, each) for each in events._compiled_pattern(pattern) or ())


def glue_state(app: ModuleType) -> dict[str, Any]:
    """Return the live stores of the base's catalog: its own `get_state` copies them deeply, two thirds of a save."""
    return app._get_module("glue")._ALL_STATE


def iot_state(app: ModuleType) -> Callable[[], dict[str, Any]]:
    """Return a function that returns the live stores of IoT: its own `get_state` copies them deeply.

    To be called when the base has read its state and `mqtt_certificates` are made: what is no store stays as it is.
    """
    iot = app._get_module("iot")
    state = iot.get_state()
    stores = [name for name, value in state.items() if isinstance(value, type(iot._things))]
    return lambda: state | {name: getattr(iot, f"_{name}") for name in stores}


def saver(app: ModuleType, service: str, state: Callable[[], dict[str, Any]] | None = None) -> Callable[[], None]:
    """Return a function that writes the state of one service to its file, whole or not at all.

    `state` returns what to write, by default the base's own copy. The base reads the file when it starts. A process
    that is killed loses nothing; a machine that loses its power may.
    """
    config = app.SERVICE_REGISTRY[service]
    lock = threading.Lock()

    def save() -> None:
        with lock:
            # Imported by its first call only: all services together take seconds.
            payload = state() if state else app._get_module(config["module"]).get_state()
            write_state(config.get("state_key", config["module"]), payload)

    return save


def write_state(name: str, payload: dict[str, Any]) -> None:
    """Write a file of state, whole or not at all, as the base writes and reads it."""
    persistence = import_module("ministack.core.persistence")
    path = Path(persistence.STATE_DIR) / f"{name}.json"
    whole = {"__ministack_format__": persistence._state_format_version(name), "payload": payload}
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps(whole, default=persistence._json_default, option=orjson.OPT_NON_STR_KEYS))
    part.replace(path)


def read_state(name: str) -> dict[str, Any] | None:
    """Return what a file of state holds; None when there is no such file."""
    return import_module("ministack.core.persistence").load_state(name)
