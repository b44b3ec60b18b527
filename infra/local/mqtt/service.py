"""The broker beside the endpoint: its port, its certificates, its process, and where the control plane says it is."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import orjson

from infra.local.base import Handler, Response

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
# Below what Linux gives to outgoing connections, which would come in the way at a restart.
PORTS = range(20_000, 30_000)
RESTART_DELAY_S = 1.0
STOP_LIMIT_S = 15
PORT_FREE_WITHIN_S = 3


def listen(state_dir: Path) -> socket.socket:
    """Return a listening socket on the broker's port: the one of last time, or the first free one of this folder.

    Devices are configured with the port, so it is kept in `state_dir`; another folder begins elsewhere.
    """
    folder = state_dir / "mqtt"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "port"
    begin = int(kept.read_text()) if kept.exists() else PORTS[zlib.crc32(os.fsencode(folder.resolve())) % len(PORTS)]
    # The broker of an endpoint that was killed may hold its port for a moment.
    deadline = time.monotonic() + (PORT_FREE_WITHIN_S if kept.exists() else 0)
    for offset in range(len(PORTS)):
        port = PORTS[(begin - PORTS.start + offset) % len(PORTS)]
        while not (listening := _listen(port)) and port == begin and time.monotonic() < deadline:
            time.sleep(0.05)
        if listening:
            if kept.exists() and port != begin:
                log.warning("port %d is in use by another program: the broker listens on %d now", begin, port)
            kept.write_text(str(port))
            return listening
    raise RuntimeError(f"no port of {PORTS.start} to {PORTS.stop - 1} is free for the broker")


def _listen(port: int) -> socket.socket | None:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(1024)
    except OSError:
        listening.close()
        return None
    return listening


def handler(base_iot: Handler, listening: socket.socket) -> Handler:
    """Return the IoT handler that names the broker where DescribeEndpoint asks for devices' endpoint."""
    host, port = listening.getsockname()
    answer = orjson.dumps({"endpointAddress": f"{host}:{port}"})

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        wanted = query_params.get("endpointType", ["iot:Data-ATS"])
        if (method, path) == ("GET", "/endpoint") and "iot:Data-ATS" in wanted:
            return 200, {"Content-Type": "application/json"}, answer
        return await base_iot(method, path, headers, body, query_params)

    return handle


def data_handler(base_data: Handler) -> Handler:
    """Return the handler of shadows that refuses to publish over HTTP: the base would not do what the rules say."""

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        if method == "POST" and path.startswith("/topics/"):
            refusal = {"message": "the local endpoint takes messages over MQTT only"}
            kind = {"x-amzn-errortype": "InvalidRequestException"}
            return 400, {"Content-Type": "application/json"} | kind, orjson.dumps(refusal)
        return await base_data(method, path, headers, body, query_params)

    return handle


def write_certificates(state_dir: Path, authority: str, server: str, server_key: str) -> None:
    """Write, as PEM, the authority that signs devices' certificates, and the broker's own certificate and key."""
    for name, text in (("ca.pem", authority), ("server.pem", server), ("server.key", server_key)):
        part = state_dir / "mqtt" / f"{name}.part"
        part.touch(mode=0o600)
        part.write_text(text)
        part.replace(part.with_suffix(""))


def start(state_dir: Path, listening: socket.socket) -> Callable[[], None]:
    """Run the broker in a process of its own, again where it ends by itself; return what ends it in good order.

    It ends with this process, however that ends. Clients that connect before it is up wait.
    """
    folder = state_dir / "mqtt"
    stopping = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def supervise() -> None:
        while not stopping.is_set():
            process = _spawn(folder, listening)
            running[:] = [process]
            if stopping.is_set():
                process.stdin.close()
            if code := process.wait():
                log.error("the broker ended with code %d; its log is %s", code, folder / "broker.log")
            stopping.wait(RESTART_DELAY_S)

    thread = threading.Thread(target=supervise, name="mqtt", daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        listening.close()
        for process in running:
            process.stdin.close()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
        thread.join(STOP_LIMIT_S)

    return stop


def _spawn(folder: Path, listening: socket.socket) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "infra.local.mqtt", str(listening.fileno()), str(folder)]
    with (folder / "broker.log").open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, pass_fds=[listening.fileno()]
        )
