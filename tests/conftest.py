"""The local AWS endpoint for tests: real, in a process of its own, with its state in a temporary folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

import hypothesis
import pytest

from infra.home.environment import use_local_home
from infra.home.resources import create_resources
from infra.local import process, toolchain

# Tests that run in the background of a shell ignore Ctrl-C, and so would what they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same draws at every run, however busy the machine: a change is judged by what it changes.
hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")

# Nothing of the caller's own city or AWS account reaches a test.
_KEPT = ("TRAFFICLAKE_CACHE", "TRAFFICLAKE_SHARED_DATA", "TRAFFICLAKE_CALL_RECORD")
for _name in [name for name in os.environ if name.startswith(("AWS_", "TRAFFICLAKE_")) and name not in _KEPT]:
    del os.environ[_name]
os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@contextmanager
def endpoint_process(state_dir: Path, *options: str, within_s: float = 60) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run an endpoint with its state in `state_dir`; yields its address and its process."""
    state_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "infra.local", "--state-dir", str(state_dir), "--port", "0", *options]
    log_path = process.log_path(state_dir)
    with log_path.open("ab") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + within_s
        while (found := process.status(state_dir)) is None or found.pid != running.pid:
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the endpoint did not start:\n{log_path.read_text()[-4000:]}")
            time.sleep(0.05)
        yield found.url, running
    finally:
        running.terminate()
        try:
            running.wait(timeout=30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


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
        endpoint_process(tmp_path_factory.mktemp("athena_endpoint")) as (url, _),
        _as_home("athena_endpoint", url),
    ):
        yield url


@pytest.fixture(scope="session")
def run_endpoint() -> Callable[..., AbstractContextManager[tuple[str, subprocess.Popen]]]:
    """Start further endpoints, `with run_endpoint(state_dir, "--no-athena") as (url, process)`, to kill and restart."""
    return endpoint_process
