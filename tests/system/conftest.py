"""Whole homes for tests that use the product as a user does: by the command, on state in a temporary folder.

- `home`: one fresh, empty home per test module; its endpoint is stopped at the module's end.
- `new_home(name)`: further fresh homes, `with new_home("replayed") as home:`; the endpoint is stopped at the end.
- `shared_data(name)`: a folder of the real sets beside the checkout; skips the test where it is absent.

A home is the `Home` below: `trafficlake(...)` runs the command and fails the test unless it succeeds, `start(...)`
gives the running process to kill, `query(sql)` asks through the command, `aws(service)` is a boto3 client on its
endpoint, `catalog()` its Glue catalog, `await_delivered(documents)` waits for Firehose.
"""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from infra.home.environment import local_environment
from infra.local import call_record
from infra.local import process as endpoint_process
from tests.system.hourly_run import HourlyRun, load, run_by_machine

CHECKOUT = Path(__file__).resolve().parents[2]
RAW_BUCKET = DELIVERY_STREAM = "trafficlake-local-raw"
DELIVERY_LIMIT_S = 180
# Tests are imported by file, so a helper beside them is found only by its folder.
sys.path += [str(Path(__file__).parent), str(CHECKOUT / "tests" / "dashboards")]

from headless import browser, window  # noqa: E402, F401 — fixtures


@dataclass(frozen=True)
class Home:
    """A home of its own, with its state in `folder`."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a command at this home: nothing of the caller's AWS set-up or city settings reaches it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TRAFFICLAKE_"))}
        ours = ("TRAFFICLAKE_CACHE", call_record.VARIABLE)
        kept |= {name: value for name, value in os.environ.items() if name.startswith(ours)}
        return kept | {"TRAFFICLAKE_STATE_DIR": str(self.folder), "COLUMNS": "200"}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start the command and return its process, in a process group of its own."""
        command = [sys.executable, "-m", "infra.cli.app", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(command, cwd=CHECKOUT, env=self.environment, text=True, start_new_session=True, **pipes)

    def trafficlake(
        self, *arguments: str, exit_code: int | None = 0, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; fails the test unless it ends with `exit_code` (None: any)."""
        process = self.start(*arguments, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        out, err = process.communicate(stdin)
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        if exit_code is not None and done.returncode != exit_code:
            ending = f"{out[-6000:]}\n{err[-6000:]}"
            pytest.fail(f"`trafficlake {' '.join(arguments)}` ended with {done.returncode}:\n{ending}", pytrace=False)
        return done

    def query(self, sql: str) -> pd.DataFrame:
        """Return the rows of one statement; doubles to the last bit, times and lists as text, nothing as NaN."""
        rows = self.trafficlake("query", sql, "--output", "csv").stdout
        return pd.read_csv(io.StringIO(rows), low_memory=False)

    def aws(self, service: str) -> Any:
        """Return a boto3 client of a service of this home's running endpoint."""
        lines = self.trafficlake("env").stdout.splitlines()
        exported = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
        return boto3.client(
            service,
            endpoint_url=exported["AWS_ENDPOINT_URL"],
            region_name=exported["AWS_REGION"],
            aws_access_key_id=exported["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exported["AWS_SECRET_ACCESS_KEY"],
        )

    def catalog(self) -> GlueCatalog:
        """Open the Glue catalog of this home, whose endpoint is running."""
        endpoint = endpoint_process.status(self.folder)
        assert endpoint is not None
        settings = local_environment(endpoint.url)
        access = {
            "endpoint": endpoint.url,
            "region": settings["AWS_REGION"],
            "access-key-id": settings["AWS_ACCESS_KEY_ID"],
            "secret-access-key": settings["AWS_SECRET_ACCESS_KEY"],
        }
        properties = {f"{service}.{name}": value for service in ("glue", "s3") for name, value in access.items()}
        return GlueCatalog("glue", **properties, **{"s3.force-virtual-addressing": "false"})

    def await_delivered(self, documents: int) -> None:
        """Wait until Firehose has delivered just as many documents, landed or unconverted."""
        s3 = self.aws("s3")
        deadline = time.monotonic() + DELIVERY_LIMIT_S
        while (found := _delivered(s3)) < documents:
            assert time.monotonic() < deadline, f"only {found} of {documents} documents were delivered"
            time.sleep(0.5)
        assert found == documents


def _delivered(s3: Any) -> int:
    """Count the documents in Firehose's objects, which are named for the delivery stream."""
    counts = {
        "readings/": lambda body: pq.read_metadata(io.BytesIO(body)).num_rows,
        "errors/format-conversion-failed/": lambda body: body.count(b"\n"),
    }
    return sum(
        count(s3.get_object(Bucket=RAW_BUCKET, Key=entry["Key"])["Body"].read())
        for prefix, count in counts.items()
        for entry in s3.list_objects_v2(Bucket=RAW_BUCKET, Prefix=prefix).get("Contents", [])
        if f"/{DELIVERY_STREAM}-1-" in entry["Key"]
    )


@contextmanager
def _running_home(folder: Path) -> Iterator[Home]:
    found = Home(folder)
    try:
        yield found
    finally:
        found.trafficlake("local", "stop", exit_code=None)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], AbstractContextManager[Home]]:
    """Make fresh homes, `with new_home("replayed") as home:`; each starts its endpoint at its first command."""
    return lambda name="home": _running_home(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def home(new_home: Callable[[str], AbstractContextManager[Home]]) -> Iterator[Home]:
    """One fresh home for the tests of a module."""
    with new_home("home") as fresh:
        yield fresh


@pytest.fixture(scope="session")
def hourly_run(new_home: Callable[[str], AbstractContextManager[Home]], tmp_path_factory: Any) -> Iterator[HourlyRun]:
    """One home whose state machine has run over a small city's first hours, with all calls recorded."""
    folder = tmp_path_factory.mktemp("hourly")
    record = folder / "calls.jsonl"
    with pytest.MonkeyPatch.context() as environment, new_home("machine") as home:
        environment.setenv(call_record.VARIABLE, str(record))
        load(home, folder)
        yield HourlyRun(home, run_by_machine(home, "first"), record)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Find a folder of the real sets, or skip: `shared_data("metr_la_week")`."""
    root = Path(os.environ.get("TRAFFICLAKE_SHARED_DATA") or CHECKOUT.parent / "shared" / "data")

    def find(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"the real set {name} is not at {root} (TRAFFICLAKE_SHARED_DATA names another folder)")
        return root / name

    return find
