"""The recipes of docs/operate.md that can run here do what they say, as they are written there."""

import base64
import json
import re
import shutil
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


def test_what_the_recipes_for_aws_ask_the_shell_for_is_set_by_them():
    blocks = "\n".join(re.findall(r"^```bash aws\n(.*?)^```$", RECIPES, re.MULTILINE | re.DOTALL))
    given = {"TRAFFICLAKE_STAGE", *re.findall(r"^([A-Z_]+)=", blocks, re.MULTILINE)}
    assert set(re.findall(r"\$([A-Z_]+)", blocks)) <= given


def kept(topic, payload, **more):
    """Return an object under `device-errors/` ("Error action message format")."""
    return json.dumps({"topic": topic, "base64OriginalPayload": base64.b64encode(payload).decode(), **more})


@pytest.mark.skipif(shutil.which("jq") is None, reason="the recipe is a call of jq")
def test_readings_that_a_rule_could_not_pass_on_are_decoded_with_the_id_that_the_rule_would_give(tmp_path):
    failed = {"failures": [{"failedAction": "KinesisAction", "errorMessage": "throttled"}]}
    objects = {
        "own": kept("traffic/sensors/s-1", b'{"sensor_id": "another", "vehicle_count": 1}', **failed),
        "telemetry": kept("device/s-2/telemetry", b'{"vehicle_count": 2}', **failed),
        "older": kept("traffic/data", b'{"sensor_id": "s-3", "vehicle_count": 3}', **failed),
        "presence": kept("$aws/events/presence/connected/s-4", b'{"eventType": "connected"}', **failed),
        "bytes": kept("traffic/sensors/s-5", b"no JSON", **failed),
        "a-list": kept("traffic/sensors/s-6", b"[6]", **failed),
        "no-reading": kept("traffic/sensors/s-7", b'{"hello": 7}'),
    }
    (tmp_path / "device-errors").mkdir()
    for name, text in objects.items():
        (tmp_path / "device-errors" / name).write_text(text)
    (recipe,) = re.findall(r"^(find device-errors .*?> readings\.jsonl)$", RECIPES, re.MULTILINE | re.DOTALL)
    subprocess.run(["bash", "-euo", "pipefail", "-c", recipe], cwd=tmp_path, check=True)
    lines = (tmp_path / "readings.jsonl").read_text().splitlines()
    readings = sorted(map(json.loads, lines), key=lambda reading: reading["vehicle_count"])
    assert [(reading["sensor_id"], reading["vehicle_count"]) for reading in readings] == [
        ("s-1", 1),
        ("s-2", 2),
        ("s-3", 3),
    ]


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
