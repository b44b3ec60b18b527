"""One Trino server as a child process: the engine that Athena's version 3 is built on, on the local Glue and S3."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from glue_jobs.spark_runtime import memory_mb
from infra.local import toolchain
from infra.local.principals import ATHENA_KEY

# The local Glue answers partition projection for this key: its GetPartitions lists what the projection would.
GLUE_KEY = "trafficlake-trino"
START_LIMIT_S = 120

HIVE_CATALOG = "awsdatacatalog"
ICEBERG_CATALOG = "iceberg"


class TrinoError(RuntimeError):
    """Trino did not start, or is gone."""


@dataclass
class Trino:
    """A Trino that is starting, running or failed; `wait` tells which."""

    url: str
    folder: Path
    _process: subprocess.Popen[bytes] | None = None
    _ready: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _failure: str | None = None

    def wait(self, timeout_s: float = START_LIMIT_S) -> str:
        """Return the server's address once it answers queries. Raises TrinoError if it does not come up."""
        if not self._ready.wait(timeout_s):
            raise TrinoError(f"Trino did not start within {timeout_s:.0f} s; its log is {self.folder / 'server.log'}")
        if self._failure:
            raise TrinoError(self._failure)
        return self.url

    @property
    def failed(self) -> bool:
        """Whether it ended, or never came up."""
        return self._failure is not None

    def stop(self) -> None:
        """End the server and wait until it is gone."""
        self._stopping.set()
        process = self._process
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(state_dir: Path, endpoint_url: str) -> Trino:
    """Start Trino in the background against the local endpoint, with its files below `state_dir`/trino.

    Fetches nothing: raises toolchain.ToolchainError when Trino is not in the cache.
    """
    if not toolchain.trino_home().is_dir() or not toolchain.trino_java().exists():
        raise toolchain.ToolchainError("Trino is not fetched yet: run `make install`.")
    folder = state_dir / "trino"
    port = _free_port()
    trino = Trino(f"http://127.0.0.1:{port}", folder)
    write_configuration(folder, port, endpoint_url)
    command = _command(folder)
    # The thread lives as long as the child: Linux ends a child when the thread that started it ends.
    threading.Thread(target=_supervise, args=(trino, command), name="trino", daemon=True).start()
    return trino


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_configuration(folder: Path, port: int, endpoint_url: str) -> None:
    """Write Trino's configuration for one node on loopback with the catalogs on the endpoint."""
    shutil.rmtree(folder / "etc", ignore_errors=True)
    catalogs = folder / "etc" / "catalog"
    catalogs.mkdir(parents=True)
    (folder / "data").mkdir(exist_ok=True)
    files = {
        folder / "etc" / "config.properties": _server_properties(port),
        folder / "etc" / "log.properties": {"io.trino": "WARN", "io.airlift": "WARN", "org": "WARN"},
        catalogs / f"{HIVE_CATALOG}.properties": _hive_properties(endpoint_url),
        catalogs / f"{ICEBERG_CATALOG}.properties": _iceberg_properties(endpoint_url),
    }
    for path, properties in files.items():
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def _server_properties(port: int) -> dict[str, object]:
    return {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": port,
        "http-server.log.enabled": "false",
        "discovery.uri": f"http://127.0.0.1:{port}",
        "node.bind-ip": "127.0.0.1",
        "node.internal-address": "127.0.0.1",
        "catalog.management": "static",
        "query.max-history": 20,
        "query.min-expire-age": "1m",
        "query.max-length": 2_000_000,
        "web-ui.enabled": "false",
    }


def _storage_properties(endpoint_url: str) -> dict[str, object]:
    return {
        "fs.native-s3.enabled": "true",
        "s3.endpoint": endpoint_url,
        "s3.region": "us-east-1",
        "s3.path-style-access": "true",
        "s3.aws-access-key": ATHENA_KEY,
        "s3.aws-secret-key": ATHENA_KEY,
        "hive.metastore.glue.endpoint-url": endpoint_url,
        "hive.metastore.glue.region": "us-east-1",
        "hive.metastore.glue.aws-access-key": GLUE_KEY,
        "hive.metastore.glue.aws-secret-key": GLUE_KEY,
    }


def _hive_properties(endpoint_url: str) -> dict[str, object]:
    return {
        "connector.name": "hive",
        "hive.metastore": "glue",
        **_storage_properties(endpoint_url),
        "hive.iceberg-catalog-name": ICEBERG_CATALOG,
        "hive.non-managed-table-writes-enabled": "true",
        "hive.collect-column-statistics-on-write": "false",
        "hive.table-statistics-enabled": "false",
        "hive.storage-format": "PARQUET",
        "hive.compression-codec": "GZIP",
        "hive.max-partitions-per-writers": 100,
        "hive.recursive-directories": "true",
        "hive.ignore-absent-partitions": "true",
    }


def _iceberg_properties(endpoint_url: str) -> dict[str, object]:
    return {
        "connector.name": "iceberg",
        "iceberg.catalog.type": "glue",
        **_storage_properties(endpoint_url),
        "iceberg.max-partitions-per-writer": 100,
        "iceberg.allowed-extra-properties": "*",
        "iceberg.expire-snapshots.min-retention": "0s",
        "iceberg.remove-orphan-files.min-retention": "0s",
        "iceberg.extended-statistics.collect-on-write": "false",
    }


def _compiler_options(cores: int) -> list[str]:
    """On few cores Java's optimising compiler takes more from start-up and small queries than it gives back.

    Measured: 15 instead of 23 CPU seconds until the first query; a long computation takes three times as much.
    """
    return ["-XX:TieredStopAtLevel=1"] if cores < 4 else []


def _command(folder: Path) -> list[str]:
    home = toolchain.trino_home()
    # Spelled out, because the order of a wildcard may change, and Java's cache of classes with it.
    classpath = os.pathsep.join(str(jar) for jar in sorted((home / "lib").glob("*.jar")))
    return [
        str(toolchain.trino_java()),
        f"-Xmx{memory_mb(parts=5, at_least=2048, at_most=4096)}m",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        *_compiler_options(os.cpu_count() or 1),
        "-Duser.timezone=UTC",
        "-Dfile.encoding=UTF-8",
        "-cp",
        classpath,
        f"-Dconfig={folder / 'etc' / 'config.properties'}",
        f"-Dlog.levels-file={folder / 'etc' / 'log.properties'}",
        f"-Dcatalog.config-dir={folder / 'etc' / 'catalog'}",
        f"-Dplugin.dir={home / 'plugin'}",
        "-Dnode.environment=trafficlake",
        f"-Dnode.id={uuid.uuid4()}",
        f"-Dnode.data-dir={folder / 'data'}",
        "io.trino.server.TrinoServer",
    ]


def _ended_with_parent(command: list[str]) -> list[str]:
    """Return the command that asks the kernel to end it when its parent is gone, and then becomes `command`.

    Asked in a program of its own, because code that runs between fork and exec waits for ever for a lock that another
    thread held at that moment.
    """
    if sys.platform != "linux":
        return command
    # A parent that was gone before the kernel was asked is noticed too.
    ask = (
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
        "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
    )
    return [sys.executable, "-I", "-S", "-c", ask, str(os.getpid()), *command]


def _supervise(trino: Trino, command: list[str]) -> None:
    log = trino.folder / "server.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            _ended_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=trino.folder,
            env=environment,
        )
        trino._process = process
        if trino._stopping.is_set():
            process.kill()
        if _wait_until_ready(trino, process):
            trino._ready.set()
        process.wait()
    if not trino._stopping.is_set():
        words = [line for line in log.read_text(errors="replace").splitlines() if "ERROR" in line or "Error" in line]
        trino._failure = f"Trino ended with code {process.returncode}: {' '.join(words[-2:])[:500]} (log: {log})"
    else:
        trino._failure = "Trino was stopped."
    trino._ready.set()


def _wait_until_ready(trino: Trino, process: subprocess.Popen[bytes]) -> bool:
    client = urllib3.PoolManager(retries=False, timeout=2)
    while process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
            if client.request("GET", f"{trino.url}/v1/info").json().get("starting") is False:
                return True
        time.sleep(0.05)
    return False
