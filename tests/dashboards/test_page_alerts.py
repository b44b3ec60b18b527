"""What is in alert now is shown as it was when the page was built, whatever days are chosen."""

import dataclasses

import hand_made_lake as hand_made
import pytest

from dashboards import spec
from dashboards.page import site
from infra.current_alerts import CurrentAlert
from infra.dashboard_data import alert_cells

pytestmark = pytest.mark.slow

# Longer ago than the first day of the marts, newer than their last, and between.
ALERTS = [
    CurrentAlert(segment_id=segment, zone_id=zone, level=level, since=since, congestion_index=index)
    for segment, zone, level, since, index in (
        ("N-1", "old-town", "WARNING", "2026-02-01T08:00:00.000000Z", 83.0),
        ("S-1", "harbor", "CRITICAL", "2026-03-29T15:30:00.000000Z", 97.5),
        ("S-2", None, "CRITICAL", "2026-03-20T15:30:00.000000Z", 91.0),
    )
]


@pytest.fixture
def in_alert(lake, tmp_path):
    """The entry page of a city in which three segments are in alert."""
    specs = spec.load()
    data = hand_made.page_data(lake, specs)
    held = data.cubes["active_alerts.fine"]
    data.cubes["active_alerts.fine"] = dataclasses.replace(held, rows=alert_cells(held.cube, ALERTS))
    return site.write(tmp_path, specs, data)


def shown(opened) -> list[tuple[str, str, str, float]]:
    rows = opened.rows("alerts_now")
    return [(row["segment_id"], row["level"], row["since"], row["congestion_index"]) for row in rows]


S_1 = ("S-1", "CRITICAL", "Sun 2026-03-29 08:30 PDT", 97.5)
S_2 = ("S-2", "CRITICAL", "Fri 2026-03-20 08:30 PDT", 91)
N_1 = ("N-1", "WARNING", "Sun 2026-02-01 00:00 PST", 83)


def test_alerts_are_listed_with_the_worst_first_whatever_days_are_chosen(window, in_alert):
    with window() as opened:
        opened.go(in_alert, "#sheet=happening")
        assert shown(opened) == [S_1, S_2, N_1]
        opened.page.click("text=latest day")
        assert shown(opened) == [S_1, S_2, N_1]
        assert opened.page.locator("#visual-alerts_now .empty").is_hidden()
        note = opened.page.text_content("#visual-alerts_now .note")
        assert note.startswith("Of the moment at which the page was built. Not filtered by: days, ")
        assert opened.problems == []


@pytest.mark.parametrize(("zone", "left"), [("harbor", [S_1]), ("unassigned", [S_2]), ("old-town", [N_1])])
def test_alerts_are_those_of_the_chosen_zone(window, in_alert, zone, left):
    with window() as opened:
        opened.go(in_alert, f"#sheet=happening&zone={zone}")
        assert shown(opened) == left
