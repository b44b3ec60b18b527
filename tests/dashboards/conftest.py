"""What the dashboards' tests share: dbt's own view of the project, parsed once, hand-made marts, and a browser."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

# Tests are imported by file, so a helper beside them is found only by its folder.
sys.path.append(str(Path(__file__).parent))

import hand_made_lake as hand_made
from headless import browser, window  # noqa: F401 — fixtures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `dbt parse` makes of the project; it asks no database."""
    target = tmp_path_factory.mktemp("dbt")
    environment = {**os.environ, "DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target)}
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "parse"]
    command += ["--project-dir", "dbt", "--profiles-dir", "dbt"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return json.loads((target / "manifest.json").read_text())


@pytest.fixture(scope="module")
def lake() -> duckdb.DuckDBPyConnection:
    """Hand-made marts, to be read."""
    return hand_made.with_episodes(hand_made.lake())


@pytest.fixture(scope="module")
def entry(lake: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The entry page of those marts."""
    return hand_made.write_page(lake, tmp_path_factory.mktemp("page"))
