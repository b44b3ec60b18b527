"""The local AWS endpoint for tests: real, in a process of its own, with its state in a temporary folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import urllib3

from infra.home.environment import use_local_home
from infra.home.resources import create_resources
from infra.local import toolchain

# Tests that run in the background of a shell ignore Ctrl-C, and so would what they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def endpoint_process(state_dir: Path, *options: str, within_s: float = 60) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run an endpoint with its state in `state_dir`; yields its address and its process."""
    port = _free_port()
    state_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "infra.local", "--state-dir", str(state_dir), "--port", str(port), *options]
    with (state_dir / "endpoint.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + within_s
        while True:
            try:
                urllib3.request("GET", f"{url}/_trafficlake/health", timeout=2, retries=False)
                break
            except urllib3.exceptions.HTTPError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    log_text = (state_dir / "endpoint.log").read_text()
                    raise RuntimeError(f"the endpoint did not start:\n{log_text[-4000:]}") from error
                time.sleep(0.05)
        yield url, process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# Which endpoint fixtures are up: each test gets the environment of the one that it asks for.
_HOMES: dict[str, str] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Point this process at the endpoint of the test before any of its fixtures runs: two may be up at once."""
    for name, url in _HOMES.items():
        if name in getattr(item, "fixturenames", ()):
            use_local_home(url)


@contextmanager
def _as_home(name: str, url: str) -> Iterator[str]:
    _HOMES[name] = url
    # The environment as it was comes back at the end.
    with patch.dict(os.environ):
        use_local_home(url)
        create_resources()
        yield url
    del _HOMES[name]


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an endpoint without Athena; this process's AWS clients use it, and the resources exist."""
    with endpoint_process(tmp_path_factory.mktemp("endpoint"), "--no-athena") as (url, _), _as_home("endpoint", url):
        yield url


@pytest.fixture(scope="session")
def athena_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an endpoint with Athena and its engine (starts a JVM: seconds, and 2 GB; fetched once)."""
    toolchain.fetch_trino()
    toolchain.fetch_trino_java()
    with (
        endpoint_process(tmp_path_factory.mktemp("athena_endpoint"), within_s=300) as (url, _),
        _as_home("athena_endpoint", url),
    ):
        yield url


@pytest.fixture(scope="session")
def run_endpoint() -> Callable[..., AbstractContextManager[tuple[str, subprocess.Popen]]]:
    """Start further endpoints, `with run_endpoint(state_dir, "--no-athena") as (url, process)`, to kill and restart."""
    return endpoint_process
