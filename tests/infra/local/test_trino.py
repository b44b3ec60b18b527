"""The engine is reachable from this machine only, and never outlives the endpoint."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from infra.local import toolchain, trino


def _properties(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_the_configuration_stays_on_loopback_and_on_the_endpoint(tmp_path: Path):
    trino.write_configuration(tmp_path, 12345, "http://127.0.0.1:4000")
    server = _properties(tmp_path / "etc" / "config.properties")
    assert (server["node.bind-ip"], server["http-server.http.port"]) == ("127.0.0.1", "12345")
    for catalog in (trino.HIVE_CATALOG, trino.ICEBERG_CATALOG):
        found = _properties(tmp_path / "etc" / "catalog" / f"{catalog}.properties")
        assert found["s3.endpoint"] == found["hive.metastore.glue.endpoint-url"] == "http://127.0.0.1:4000"
        assert found["hive.metastore.glue.aws-access-key"] == "trafficlake-trino"


def test_without_the_download_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRAFFICLAKE_CACHE", str(tmp_path))
    with pytest.raises(toolchain.ToolchainError, match="make install"):
        trino.start(tmp_path, "http://127.0.0.1:4000")


def test_a_server_that_ends_at_once_is_reported_with_its_words(tmp_path: Path):
    handle = trino.Trino("http://127.0.0.1:9", tmp_path)
    trino._supervise(handle, [sys.executable, "-c", "print('ERROR no memory'); raise SystemExit(3)"])
    with pytest.raises(trino.TrinoError, match=r"code 3.*no memory"):
        handle.wait(1)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends a child with its parent on Linux only")
def test_it_dies_with_its_parent(tmp_path: Path):
    script = textwrap.dedent(
        f"""
        import sys, threading, time
        from pathlib import Path
        from infra.local import trino
        handle = trino.Trino("http://127.0.0.1:9", Path({str(tmp_path)!r}))
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        threading.Thread(target=trino._supervise, args=(handle, command), daemon=True).start()
        while handle._process is None:
            time.sleep(0.01)
        print(handle._process.pid, flush=True)
        time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{child}").exists():
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()
