"""The endpoint as a process of its own: start, stop, find, or have one running.

One endpoint per state folder: the running process holds a lock on it, which the kernel takes away with the process,
so that nothing stale is ever believed. `endpoint.json` beside it says where the endpoint answers.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import urllib3

IDLE_S = 900.0
START_LIMIT_S = 60.0
STOP_LIMIT_S = 90.0
ANSWER_LIMIT_S = 90.0
LOG_LIMIT_BYTES = 5_000_000


class EndpointError(RuntimeError):
    """The endpoint could not be started or stopped; the message says why and names its log."""


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint: where it answers, and what it is."""

    url: str
    pid: int
    athena: bool
    # Seconds without use after which it stops by itself; 0: never.
    idle_s: float


def state_dir() -> Path:
    """Return the folder of the local home's state: `TRAFFICLAKE_STATE_DIR`, or `.trafficlake` in the checkout."""
    if chosen := os.environ.get("TRAFFICLAKE_STATE_DIR"):
        return Path(chosen).resolve()
    checkout = Path(__file__).resolve().parents[2]
    return (checkout if (checkout / "pyproject.toml").exists() else Path.cwd()) / ".trafficlake"


def log_path(folder: Path) -> Path:
    """Return the file that the endpoint logs to."""
    return folder / "endpoint.log"


def status(folder: Path) -> Endpoint | None:
    """Return the endpoint that is running on the state in `folder`, or None; waits for one that is starting or ending.

    Raises EndpointError when one is there but does not answer.
    """
    folder = folder.resolve()
    deadline = time.monotonic() + ANSWER_LIMIT_S
    while _is_held(folder):
        if found := _answering(folder, "GET"):
            return found
        if time.monotonic() > deadline:
            raise EndpointError(f"the endpoint does not answer; its log is {log_path(folder)}")
        time.sleep(0.05)
    return None


def ensure(folder: Path, idle_s: float = IDLE_S) -> Endpoint:
    """Return the running endpoint, or start one that stops by itself after `idle_s` seconds without use.

    Counts as use: one that was about to stop stays for its idle time. Raises EndpointError.
    """
    folder = folder.resolve()
    found = status(folder) and _answering(folder, "POST")
    return found or start(folder, idle_s=idle_s)


def _is_held(folder: Path) -> bool:
    with _lock(folder / "endpoint.running", wait=False) as free:
        return not free


def _answering(folder: Path, method: str) -> Endpoint | None:
    """Ask the endpoint for its health; None where it does not answer, is another one, or is about to end."""
    try:
        found = Endpoint(**json.loads((folder / "endpoint.json").read_text()))
        answer = urllib3.request(method, f"{found.url}/_trafficlake/health", timeout=10, retries=False).json()
    except (OSError, ValueError, TypeError, urllib3.exceptions.HTTPError):
        return None
    is_own = isinstance(answer, dict) and (answer.get("pid"), answer.get("state_dir")) == (found.pid, str(folder))
    return found if is_own and not answer.get("ending") else None


def start(
    folder: Path, *, idle_s: float = 0, with_athena: bool = True, port: int | None = None, within_s: float | None = None
) -> Endpoint:
    """Start an endpoint in the background, or return the one that runs already; of many callers at once one starts it.

    Takes port 4566 where it is free, and any other where not, unless `port` is given. `idle_s=0` makes it stay, also
    the one that runs already. Raises EndpointError.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "endpoint.starting", wait=True):
        running = status(folder)
        if running is None:
            running = _spawn(folder, port, idle_s, with_athena, within_s or START_LIMIT_S)
        if with_athena and not running.athena:
            raise EndpointError("an endpoint without Athena is running: stop it first (`trafficlake local stop`)")
        if running.idle_s and not idle_s:
            running = Endpoint(running.url, running.pid, running.athena, 0)
            publish(folder, running)
        return running


def stop(folder: Path) -> bool:
    """Stop the endpoint in good order and wait until it is gone; return False if none was running.

    Raises EndpointError if it does not end.
    """
    folder = folder.resolve()
    running = status(folder)
    if running is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_S
    while time.monotonic() < deadline:
        if not _is_held(folder):
            return True
        time.sleep(0.05)
    raise EndpointError(f"the endpoint (process {running.pid}) does not end; its log is {log_path(folder)}")


@contextlib.contextmanager
def running(folder: Path, endpoint: Endpoint) -> Iterator[None]:
    """Hold the state folder as the process that serves it, and say where it answers; used by the process itself.

    Raises EndpointError when another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "endpoint.running", wait=False) as free:
        if not free:
            raise EndpointError(f"another endpoint is running on {folder}")
        publish(folder, endpoint)
        try:
            yield
        finally:
            (folder / "endpoint.json").unlink(missing_ok=True)


def publish(folder: Path, endpoint: Endpoint) -> None:
    """Write where the endpoint answers, and its idle limit, which it reads again while it runs."""
    part = folder / "endpoint.json.part"
    part.write_text(json.dumps(asdict(endpoint)))
    part.replace(folder / "endpoint.json")


def idle_limit_s(folder: Path) -> float:
    """Return the idle limit in seconds that is in force now."""
    return float(json.loads((folder / "endpoint.json").read_text())["idle_s"])


def _spawn(folder: Path, port: int | None, idle_s: float, with_athena: bool, within_s: float) -> Endpoint:
    log = log_path(folder)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    command = [sys.executable, "-m", "infra.local", "--state-dir", str(folder), "--idle-s", str(idle_s)]
    command += [] if port is None else ["--port", str(port)]
    command += [] if with_athena else ["--no-athena"]
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = status(folder)
        if found and found.pid == process.pid:
            return found
        if process.poll() is not None:
            raise EndpointError(f"the endpoint did not start: {_last_line(log, begin)} (log: {log})")
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise EndpointError(f"the endpoint did not answer within {within_s:.0f} s; its log is {log}")


def _last_line(log: Path, begin: int) -> str:
    with log.open("rb") as text:
        text.seek(begin)
        lines = text.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def _lock(path: Path, *, wait: bool) -> Iterator[bool]:
    """Lock a file; yields False where another process holds it and `wait` is off, or the folder does not exist."""
    if not path.parent.exists():
        yield True
        return
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
