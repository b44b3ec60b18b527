"""The small line of a ranking goes through the days that its trend compares, each at its date."""

import re

import hand_made_lake as hand_made
import pytest

pytestmark = pytest.mark.slow


def runs(path: str) -> list[list[tuple[float, float]]]:
    """The points of an SVG path, one list for each part that is drawn without a gap."""
    parts = [re.findall(r"([\d.]+),([\d.]+)", part) for part in path.split("M")[1:]]
    return [[(float(x), float(y)) for x, y in part] for part in parts]


def test_the_small_line_has_gaps_at_missing_and_doubtful_days_and_none_of_the_unfinished_one(window, tmp_path):
    lake = hand_made.lake()
    doubtful = f"local_date in ('2026-03-24', '{hand_made.LAST_DAY}')"
    lake.execute(f"update marts.congestion_daily set samples_expected = 2 * samples_expected where {doubtful}")
    lake.execute("delete from marts.congestion_daily where local_date in ('2026-03-20', '2026-03-21')")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=corridors&from=2026-03-18&to=2026-03-27")
        row = opened.page.locator("#visual-corridor_ranking tbody tr:has(th:text-is('south'))")
        drawn = runs(row.locator(".sparkline path").get_attribute("d"))
        width, height = (float(one) for one in row.locator("svg").get_attribute("viewBox").split()[2:])
    delays = dict(
        lake.execute(
            "select day(local_date), sum(delay_veh_h) from marts.congestion_daily"
            " where corridor_id = 'south' and local_date >= '2026-03-18' group by 1"
        ).fetchall()
    )
    days = [[18, 19], [22, 23], [25, 26]]
    most = max(delays[day] for part in days for day in part)
    first, last = days[0][0], days[-1][-1]
    assert [len(part) for part in drawn] == [len(part) for part in days]
    for part, points in zip(days, drawn, strict=True):
        for day, (x, y) in zip(part, points, strict=True):
            assert (x - 2) / (width - 4) == pytest.approx((day - first) / (last - first), abs=0.001)
            assert (height - 2 - y) / (height - 4) == pytest.approx(delays[day] / most, abs=0.005)


def test_a_day_without_neighbours_is_a_dot(window, tmp_path):
    lake = hand_made.lake()
    lake.execute("delete from marts.congestion_daily where local_date in ('2026-03-24', '2026-03-26')")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=corridors&from=2026-03-22&to=2026-03-26")
        row = opened.page.locator("#visual-corridor_ranking tbody tr:has(th:text-is('south'))")
        path = row.locator(".sparkline path")
        assert [len(part) for part in runs(path.get_attribute("d"))] == [2, 1]
        assert path.get_attribute("d").endswith("h0")
        assert path.evaluate("path => getComputedStyle(path).strokeLinecap") == "round"
