"""The laptop's AWS endpoint: one HTTP server on loopback, the base emulator in it, our plug-ins in front.

In-process threads that call the endpoint themselves (Firehose delivery, Athena) find `AWS_ENDPOINT_URL`, the region and
`SERVICE_KEY` in this process's environment; calls with that key do not count as use of the endpoint.
"""

import asyncio
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import boto3
import urllib3
from hypercorn.asyncio import serve
from hypercorn.config import Config

from infra.local import (
    base,
    call_record,
    cloudformation,
    event_services,
    firehose,
    glue,
    kinesis,
    persistence,
    step_tasks,
)
from infra.local.mqtt import service as mqtt
from infra.local.principals import SERVICE_KEY, is_own

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEALTH_PATH = "/_trafficlake/health"
PREFERRED_PORT, ANY_PORT = 4566, 0
_BACKLOG = 1024


@dataclass
class Activity:
    """When the endpoint was last used by anything but itself, and how many calls are under way."""

    last: float = field(default_factory=time.monotonic)
    running: int = 0
    ending: bool = False

    def idle_s(self) -> float:
        """Return the seconds since the last call ended; 0 while one is under way."""
        return 0.0 if self.running else time.monotonic() - self.last

    def end_if_idle(self, limit_s: float) -> bool:
        """Say whether the endpoint was idle for longer than the limit; from then on it tells that it ends."""
        self.ending = self.idle_s() > limit_s
        if self.ending:
            # A caller may have come between.
            self.ending = self.idle_s() > limit_s
        return self.ending


@dataclass
class Server:
    """A running endpoint."""

    url: str
    activity: Activity
    stop: Callable[[], None]
    is_serving: Callable[[], bool]


def own_environment(endpoint_url: str) -> dict[str, str]:
    """Return the environment in which the endpoint's own threads and children make AWS calls."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": SERVICE_KEY,
        "AWS_SECRET_ACCESS_KEY": SERVICE_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on `port` of 127.0.0.1; where none is given, on 4566 or, if that is in use, any.

    It listens at once: of two endpoints that want a port, one has it. Raises RuntimeError when the port is in use.
    """
    if port is not None:
        return _listening(port)
    try:
        return _listening(PREFERRED_PORT)
    except RuntimeError:
        return _listening(ANY_PORT)


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    # A port that was closed a moment ago is free.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise RuntimeError(f"port {port} cannot be used: {error.strerror}") from error
    return listening


def start(
    state_dir: Path, listening: socket.socket, *, with_athena: bool = False, started_within_s: float = 60
) -> Server:
    """Serve the endpoint on a socket from a thread, with all its state below `state_dir`; once per process.

    Raises RuntimeError when nothing answers within `started_within_s` seconds.
    """
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(own_environment(url))
    persistence.mend_objects(state_dir / "objects")
    app = base.load(state_dir, port)
    base.add_tasks(app, step_tasks.tasks())
    events = event_services.plug_in(app, state_dir, url, own_environment(url))
    restore = _plug_in(app, state_dir, events)
    devices = mqtt.listen(state_dir)
    base.handlers(app)["iot"] = mqtt.handler(base.handlers(app)["iot"], devices)
    base.handlers(app)["iot-data"] = mqtt.data_handler(base.handlers(app)["iot-data"])
    close_athena = _plug_in_athena(base.handlers(app), state_dir, url) if with_athena else None

    activity = Activity()
    config = Config()
    # The server closes it.
    config.bind = [f"fd://{listening.detach()}"]
    config.keep_alive_timeout = 75
    config.backlog = _BACKLOG
    config.graceful_timeout = 2
    config.loglevel = "WARNING"
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()
    health = {"pid": os.getpid(), "state_dir": str(state_dir), "athena": with_athena}

    served = _guarded(app.app, activity, health, restore)
    if record := os.environ.get(call_record.VARIABLE):
        served = call_record.recording(served, Path(record))

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve(served, config, shutdown_trigger=ended.wait))

    thread = threading.Thread(target=run, name="endpoint", daemon=True)
    thread.start()
    _wait_until_ready(url, thread, started_within_s)

    stop_broker = mqtt.start(state_dir, devices)

    stop_workers = threading.Event()
    runs = {"firehose": lambda stop: firehose.run(stop, url)} | events.workers
    workers = [
        threading.Thread(target=run_worker, args=(stop_workers,), name=name, daemon=True)
        for name, run_worker in runs.items()
    ]
    for worker in workers:
        worker.start()

    def stop() -> None:
        stop_broker()
        # Workers end first: what delivery still holds is written through the server.
        stop_workers.set()
        for worker in workers:
            worker.join(timeout=60)
        events.close()
        if close_athena:
            close_athena()
        loop.call_soon_threadsafe(ended.set)
        thread.join(timeout=15)

    return Server(url, activity, stop, thread.is_alive)


def _plug_in(app: ModuleType, state_dir: Path, events: event_services.EventServices) -> Callable[[], None]:
    """Put our handlers in front of the base's; return what is to be done when the base has read its state."""
    handlers = base.handlers(app)
    persistence.make_durable(app, handlers)

    objects = boto3.client("s3")
    save_catalog = base.saver(app, "glue", partial(base.glue_state, app))
    handlers["glue"] = glue.handler(
        base.glue_entry(app), save_catalog, partial(_read, objects), partial(base.keys_below, app)
    )

    add_provisioners = partial(base.provision_with, cloudformation.provisioners())
    handlers["cloudformation"] = cloudformation.handler(handlers["cloudformation"], add_provisioners)

    journal = state_dir / "services" / "kinesis-records.jsonl"
    save_streams = base.saver(app, "kinesis")
    handlers["kinesis"] = kinesis.handler(
        handlers["kinesis"], save_streams, partial(base.kinesis_stream_of, app), journal, events.announce
    )

    def restore() -> None:
        if kinesis.restore(base.kinesis_streams(app), journal):
            save_streams()
        journal.write_bytes(b"")
        events.restore()
        mqtt.write_certificates(state_dir, *base.mqtt_certificates(app))
        persistence.make_devices_durable(app, handlers)

    return restore


def _read(objects: Any, address: str) -> bytes:  # noqa: ANN401 — boto3 clients have no type
    bucket, key = address.removeprefix("s3://").split("/", 1)
    return objects.get_object(Bucket=bucket, Key=key)["Body"].read()


def _plug_in_athena(handlers: dict[str, base.Handler], state_dir: Path, url: str) -> Callable[[], None]:
    from infra.local.athena import api  # noqa: PLC0415 — brings sqlglot, which an endpoint without Athena spares

    api.configure(state_dir, url)
    handlers["athena"] = api.handle
    return api.close


def _wait_until_ready(url: str, thread: threading.Thread, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and thread.is_alive():
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            urllib3.request("GET", url + HEALTH_PATH, timeout=5, retries=False)
            return
        time.sleep(0.02)
    raise RuntimeError(f"the endpoint does not answer on {url}")


def refusal(path: str, headers: dict[str, str]) -> str | None:
    """Say why a request must not pass, or None: a web page in the user's browser must not reach the endpoint.

    A page can make a browser call loopback addresses, by name (rebinding) or from its own origin.
    """
    host = urlsplit("//" + headers.get("host", "")).hostname or ""
    if host not in LOOPBACK and not host.endswith(".localhost"):
        return f"host {host!r} is not this machine"
    origin = headers.get("origin")
    if origin and urlsplit(origin).hostname not in LOOPBACK:
        return f"origin {origin!r} is not this machine"
    # No-cors requests, such as that of a picture, bring no origin.
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return "another site asks for it"
    if path.startswith(("/_ministack/", "/_localstack/")) and not path.endswith(("/health", "/ready")):
        return "administration of the base is closed: stop the endpoint and delete its folder instead"
    return None


def _guarded(
    app: Callable[..., Any], activity: Activity, health: dict[str, Any], restore: Callable[[], None]
) -> Callable[..., Any]:
    """Wrap the base's ASGI app: refuse what is not local, answer health checks, keep count of use.

    `restore` is called when the base has read its state, and before the first request.
    """

    async def answer(send: Callable[..., Any], status: int, body: dict[str, Any]) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def after_start(send: Callable[..., Any]) -> Callable[..., Any]:
        async def announce(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                restore()
            await send(message)

        return announce

    async def guarded(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await app(scope, receive, after_start(send))
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if reason := refusal(scope["path"], headers):
            await answer(send, 403, {"message": reason})
        elif scope["path"] == HEALTH_PATH:
            if scope["method"] == "POST":
                activity.last = time.monotonic()
            await answer(send, 200, health | {"idle_s": round(activity.idle_s(), 1), "ending": activity.ending})
        elif is_own(headers):
            await app(scope, receive, send)
        else:
            activity.running += 1
            try:
                await app(scope, receive, send)
            finally:
                activity.running -= 1
                activity.last = time.monotonic()

    return guarded
