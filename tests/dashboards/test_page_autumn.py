"""The night on which the clocks go back: two hours have one name, and each is drawn."""

from itertools import pairwise

import hand_made_lake as hand_made
import pytest

pytestmark = pytest.mark.slow


def test_the_two_hours_of_one_name_have_a_bar_each(window, tmp_path):
    lake = hand_made.lake(days=1)
    lake.execute("delete from marts.reconciliation_hourly")
    for hour in range(6, 12):  # 23:00 to 03:00 local time, 01:00 twice
        at = f"timestamp '2026-11-01 {hour:02}:00:00'"
        lake.execute(f"insert into marts.reconciliation_hourly values ({at}, 10, 10, 0, 8, 1, 1, true)")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=arrival&days=all")
        opened.page.wait_for_selector("#visual-landed_by_hour .barlayer .point path")
        series = opened.page.locator("#visual-landed_by_hour .barlayer .trace").all()
        boxes = [[bar.bounding_box() for bar in one.locator(".point path").all()] for one in series]
        names = [row["arrival_hour"] for row in opened.rows("landed_by_hour")]
        assert opened.problems == []
    assert [name for name in names if "01:00" in name] == ["Sun 2026-11-01 01:00 PDT", "Sun 2026-11-01 01:00 PST"]
    assert [len(bars) for bars in boxes] == [6, 6, 6]
    for bars in boxes:
        assert all(one["x"] + one["width"] < other["x"] for one, other in pairwise(bars))
        assert {round(bar["y"]) for bar in bars} == {round(bars[0]["y"])}  # none stands on another
