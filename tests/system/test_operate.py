"""The recipes of docs/operate.md that can run here do what they say, as they are written there."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.aws.stages import STAGES
from infra.aws.watch.alarm_table import alarms_table

CHECKOUT = Path(__file__).resolve().parents[2]
RECIPES = (CHECKOUT / "docs" / "operate.md").read_text(encoding="utf-8")
HEADING, BLOCK = (
    re.compile(r"^## (.+)$", re.MULTILINE),
    re.compile(r"^```bash local\n(.*?)^```$", re.MULTILINE | re.DOTALL),
)


def local_blocks():
    """Yield each recipe's title with its blocks for this machine, in order."""
    titles = [(found.start(), found.group(1)) for found in HEADING.finditer(RECIPES)]
    for block in BLOCK.finditer(RECIPES):
        yield [title for start, title in titles if start < block.start()][-1], block.group(1)


@pytest.fixture
def small_city(home, tmp_path):
    """A folder with the registry and an hour of readings of a small city, and the end of that hour."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    command = [sys.executable, "-m", "ingestion.simulator", "--sensors", "6", "--registry", tmp_path / "registry.csv"]
    command += ["--from", (end - timedelta(hours=1)).isoformat(), "--to", end.isoformat(), "--without-received-at"]
    command += ["--out", tmp_path / "readings.jsonl"]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    return tmp_path, end


def test_every_recipe_has_a_command():
    titles = [found.group(1) for found in HEADING.finditer(RECIPES)]
    parts = HEADING.split(RECIPES)[2::2]
    assert [title for title, part in zip(titles, parts, strict=True) if "```" not in part and "|" not in part] == []


def test_the_table_of_alarms_is_that_of_the_alarms():
    table = alarms_table(STAGES["prod"])
    assert table in RECIPES, f"put this in place of the table in docs/operate.md:\n{table}"


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_the_recipes_for_this_machine_run_as_written(home, small_city):
    folder, hour = small_city
    environment = home.environment | {
        "PATH": f"{Path(sys.executable).parent}:{home.environment['PATH']}",
        "FIRST_READING": (hour - timedelta(hours=1)).isoformat(),
        "FIRST_HOUR": hour.isoformat(),
        "NEXT_HOUR": (hour + timedelta(hours=2)).isoformat(),
    }
    said = {}
    for title, block in local_blocks():
        if "$SNAPSHOT" in block:
            snapshots = home.query('select snapshot_id from "marts"."congestion_daily$snapshots" order by committed_at')
            environment["SNAPSHOT"] = str(snapshots["snapshot_id"].iloc[0])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{title}:\n{block}\n{done.stdout}\n{done.stderr}"
        said[title] = done.stdout
    assert "published in" in said["First data"]
    assert "published in" in said["Reprocess hours"]
    assert f"marts.congestion_daily is at snapshot {environment['SNAPSHOT']}" in said["Restore a table to a snapshot"]
    assert "has begun" in said["Replay the archive of alerts"]
    assert "revoked sensor-17" in said["Rotate a device's certificate"]
    states = {row["status"] for row in home.aws("iot").list_certificates()["certificates"]}
    assert states == {"ACTIVE", "REVOKED"}
