"""A tiny city in a real lake, built by the real dbt on the real engine; every expected figure is worked by hand."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Tests are imported by file, so a helper beside them is found only by its folder.
sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def dbt(athena_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run dbt against the endpoint, `dbt("build", "--full-refresh")`; return its output, fail where dbt fails."""
    target = tmp_path_factory.mktemp("dbt")
    environment = {
        **os.environ,
        "DBT_TARGET_PATH": str(target / "target"),
        "DBT_LOG_PATH": str(target / "logs"),
        "TRAFFICLAKE_CITY_TIME_ZONE": "America/Los_Angeles",
    }

    def run(verb: str, *arguments: str) -> str:
        command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *verb.split(), *arguments]
        command += ["--project-dir", "dbt", "--profiles-dir", "dbt"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    return run
