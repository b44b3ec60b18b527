"""A local endpoint of the benchmark's own, with its state in a folder that is thrown away."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infra.home.environment import local_environment
from infra.local import process
from tests.bench.measure import CellError


@contextmanager
def bench_home(folder: Path, *, with_athena: bool = False) -> Iterator[Mapping[str, str]]:
    """Have an endpoint with its state in `folder`; yields the environment that points to it. Raises CellError."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        endpoint = process.start(folder, with_athena=with_athena, port=port)
    except process.EndpointError as problem:
        raise CellError(str(problem)) from problem
    try:
        yield local_environment(endpoint.url)
    finally:
        process.stop(folder)
