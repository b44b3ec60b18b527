"""What `trafficlake alerts` shows: the alerts that are open in the table, and what changes between two looks."""

import json
import os
from unittest.mock import patch

import boto3
import pytest
from rich.text import Text
from typer.testing import CliRunner

from infra.cli import app as cli
from infra.current_alerts import CurrentAlert, changed
from infra.home.environment import use_local_home
from infra.home.resources import create_resources
from infra.settings import settings
from ingestion.alerts import items, store

START_US = 1_772_438_400_000_000


@pytest.fixture(scope="module")
def own_home(run_endpoint, tmp_path_factory):
    """A home of this module's own, which commands find by its folder."""
    folder = tmp_path_factory.mktemp("alerts").resolve()
    with run_endpoint(folder, "--no-athena") as (url, _), patch.dict(os.environ):
        use_local_home(url)
        os.environ["TRAFFICLAKE_STATE_DIR"] = str(folder)
        create_resources()
        yield store.Table(boto3.client("dynamodb"), settings().state_table)
    boto3.DEFAULT_SESSION = None


@pytest.fixture
def shown(own_home):
    """Run a command; returns what it wrote to stdout."""

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli.app, [*arguments], env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def in_alert(segment_id, zone_id, level, mean_index):
    alert = {"in_alert": zone_id, "zone_id": zone_id, "level": level, "since_us": START_US, "mean_index": mean_index}
    return {"segment_id": segment_id, "ts": items.CURRENT, "watermark_us": START_US} | alert


def test_the_list_names_the_alerts_that_are_open_the_worst_first(shown, own_home):
    assert shown("alerts", "list") == "no segment is in alert\n"
    for item in (
        in_alert("s[1]", "Z", "WARNING", 85),
        in_alert("t", items.NO_ZONE, "CRITICAL", 91.25),
        in_alert("u", "Z", "WARNING", 89.5),
    ):
        store.put_once(own_home, item)
    store.put_once(own_home, {"segment_id": "v", "ts": items.CURRENT, "zone_id": "Z", "watermark_us": START_US})
    since = "2026-03-02T08:00:00.000000Z"
    names = ("segment_id", "zone_id", "level", "since", "congestion_index")
    assert json.loads(shown("alerts", "list", "--output", "json")) == [
        dict(zip(names, values, strict=True))
        for values in (
            ("t", None, "CRITICAL", since, 91.25),
            ("u", "Z", "WARNING", since, 89.5),
            ("s[1]", "Z", "WARNING", since, 85),
        )
    ]
    lines = shown("alerts", "list").splitlines()
    shown_first = [next(at for at, line in enumerate(lines) if f" {name} " in line) for name in ("t", "u", "s[1]")]
    assert shown_first == sorted(shown_first)


def alert(segment_id="s", zone_id="Z", level="WARNING", since="08:00", index=85.4):
    return CurrentAlert(
        segment_id=segment_id,
        zone_id=zone_id,
        level=level,
        since=f"2026-03-02T{since}:00.000000Z",
        congestion_index=index,
    )


STARTED = "started s in Z: WARNING since 2026-03-02T08:00:00Z, index 85"


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([], [], []),
        ([alert()], [alert(index=88.8)], []),
        ([], [alert()], [STARTED]),
        ([], [alert(zone_id=None)], [STARTED.replace(" in Z", "")]),
        ([], [alert("s[/red]")], [STARTED.replace("s in", "s[/red] in")]),
        (
            [alert()],
            [alert(level="CRITICAL", index=93)],
            ["escalated s in Z: CRITICAL since 2026-03-02T08:00:00Z, index 93"],
        ),
        ([alert()], [], [STARTED.replace("started", "cleared")]),
        (
            [alert(level="CRITICAL")],
            [alert(since="09:30", index=90)],
            [
                "cleared s in Z: CRITICAL since 2026-03-02T08:00:00Z, index 85",
                "started s in Z: WARNING since 2026-03-02T09:30:00Z, index 90",
            ],
        ),
        (
            [alert("b")],
            [alert("a"), alert("c")],
            [
                STARTED.replace("s in", "a in"),
                STARTED.replace("started s", "cleared b"),
                STARTED.replace("s in", "c in"),
            ],
        ),
    ],
    ids=["none", "same", "started", "no zone", "odd name", "escalated", "cleared", "restarted", "several"],
)
def test_a_watch_says_what_has_changed_between_two_looks(before, now, expected):
    found = changed(*({each.segment_id: each for each in alerts} for alerts in (before, now)))
    assert [Text.from_markup(line).plain for line in found] == expected
