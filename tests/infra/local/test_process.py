"""The endpoint as a background process: one per state folder, found again, gone when it should be."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from infra.local import process, server, toolchain


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    process.stop(tmp_path)


def _is_alive(pid: int) -> bool:
    try:
        # A child that has ended stays in the table until its parent asks.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_gone(pid: int, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while _is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


def test_of_many_that_start_at_once_one_endpoint_comes_up_and_stops(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: process.start(folder, with_athena=False), range(4)))
    assert len(set(found)) == 1
    assert process.status(folder) == found[0]
    assert process.stop(folder)
    assert process.status(folder) is None
    assert not process.stop(folder)
    _wait_gone(found[0].pid, 30)
    assert not (folder / "endpoint.json").exists()


def test_a_killed_endpoint_is_not_believed_and_replaced(folder: Path) -> None:
    first = process.start(folder, with_athena=False)
    os.kill(first.pid, signal.SIGKILL)
    _wait_gone(first.pid, 30)
    assert (folder / "endpoint.json").exists()
    assert process.status(folder) is None
    second = process.start(folder, with_athena=False)
    assert second.pid != first.pid
    assert process.status(folder) == second


def test_a_pid_that_became_another_process_is_left_alone(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        stale = {"url": "http://127.0.0.1:1", "pid": bystander.pid, "athena": False, "idle_s": 0}
        (folder / "endpoint.json").write_text(json.dumps(stale))
        assert process.status(folder) is None
        assert not process.stop(folder)
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.slow
def test_an_idle_endpoint_stops_unless_it_is_told_to_stay(folder: Path) -> None:
    first = process.start(folder, with_athena=False, idle_s=2)
    deadline = time.monotonic() + 20
    # Asking for its health does not keep it.
    while process.status(folder):
        assert time.monotonic() < deadline
        time.sleep(0.25)
    _wait_gone(first.pid, 20)
    second = process.start(folder, with_athena=False, idle_s=3)
    stays = process.start(folder, with_athena=False)
    assert (stays.pid, stays.idle_s) == (second.pid, 0)
    time.sleep(5)
    assert process.status(folder) == stays


@pytest.mark.slow
def test_asking_for_an_endpoint_keeps_it_and_waits_for_one_that_ends(folder: Path) -> None:
    first = process.start(folder, with_athena=False, idle_s=4)
    begin = time.monotonic()
    while time.monotonic() - begin < 7:
        assert process.ensure(folder) == first
        time.sleep(0.5)
    os.kill(first.pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while process.status(folder):  # it answers until it has noticed the signal
        assert time.monotonic() < deadline
    assert process.start(folder, with_athena=False).pid != first.pid


def test_another_port_is_taken_where_4566_is_in_use(folder: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", server.PREFERRED_PORT))
            other.listen()
        except OSError:
            pass  # then something else has it, which is the case that is tested
        found = process.start(folder, with_athena=False)
    assert not found.url.endswith(f":{server.PREFERRED_PORT}")


def test_a_failed_start_says_why_and_names_the_log(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(process.EndpointError, match=r"port .*endpoint\.log"):
            process.start(folder, with_athena=False, port=other.getsockname()[1])


def test_two_endpoints_never_share_a_state(folder: Path) -> None:
    process.start(folder, with_athena=False)
    command = [sys.executable, "-m", "infra.local", "--state-dir", str(folder), "--port", "1", "--no-athena"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "another endpoint is running" in second.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_engine_ends_with_a_killed_endpoint(folder: Path) -> None:
    toolchain.fetch_trino()
    toolchain.fetch_trino_java()
    endpoint = process.start(folder)
    deadline = time.monotonic() + 60
    while not (engines := _engines(endpoint.pid)):
        assert time.monotonic() < deadline, "no engine was started"
        time.sleep(0.1)
    os.kill(endpoint.pid, signal.SIGKILL)
    for engine in engines:
        _wait_gone(engine, 30)


def _engines(pid: int) -> list[int]:
    children = psutil.Process(pid).children(recursive=True)
    return [child.pid for child in children if "io.trino.server" in " ".join(_command_line(child))]


def _command_line(child: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return child.cmdline()
    return []


def test_of_two_endpoints_that_want_the_same_port_one_has_it() -> None:
    with server.listen(server.ANY_PORT) as first:
        port = first.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"port {port} cannot be used"):
            server.listen(port)
