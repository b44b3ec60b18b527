"""The page in use: playing, going back, loading itself anew, and taking rows away as a file."""

import dataclasses
from pathlib import Path

import hand_made_lake as hand_made
import pytest

from dashboards import spec
from dashboards.page import site

pytestmark = pytest.mark.slow


def at_slider(opened) -> str:
    return opened.page.get_attribute("#congestion_map-slider", "aria-valuetext")


def test_play_works_again_after_a_filter_has_changed_what_is_played(window, entry):
    with window() as opened:
        opened.go(entry)
        opened.page.click("button:text-is('Play')")
        opened.page.click("text=latest day")
        before = at_slider(opened)
        opened.page.click("button:text-is('Play')")
        opened.page.wait_for_function(
            "before => document.querySelector('#congestion_map-slider').ariaValueText !== before", arg=before
        )
        opened.page.click("button:text-is('Pause')")
        assert opened.problems == []


def test_back_returns_to_the_sheet_and_the_filter_that_it_had(window, entry):
    with window() as opened:
        opened.go(entry, "#sheet=cost")
        delay = opened.figure("cost_figures", "delay")
        opened.sheet("coverage")
        opened.page.click("#control-holidays")
        opened.sheet("corridors")
        opened.page.go_back()
        assert opened.page.text_content("h2") == "Observed and imputed"
        assert opened.page.is_checked("#control-holidays")
        opened.page.go_back()
        assert opened.page.text_content("h2") == "What it costs"
        assert not opened.page.is_checked("#control-holidays")
        assert opened.figure("cost_figures", "delay") == delay
        opened.page.go_forward()
        assert opened.page.text_content("h2") == "Observed and imputed"
        assert opened.problems == []


def test_a_page_that_loads_itself_anew_keeps_what_was_looked_at(window, lake, tmp_path):
    specs = spec.load()
    data = dataclasses.replace(hand_made.page_data(lake, specs), refresh_s=5)
    with window() as opened:
        opened.go(site.write(tmp_path, specs, data), "#zone=old-town")
        opened.page.click("text=Table of “Congestion by segment, hour by hour”")
        opened.page.select_option("#visual-segment_heat select", label="N-2")
        with opened.page.expect_event("load"):
            opened.page.locator("#congestion_map-slider").press("ArrowLeft")
        # Not once more while it is looked at.
        opened.page.evaluate("() => { for (let id = setTimeout(() => {}); id; id--) clearTimeout(id); }")
        assert at_slider(opened) == "Fri 2026-03-27 10:00 PDT"
        assert {row["segment_id"] for row in opened.rows("segment_heat")} == {"N-2"}
        assert opened.page.locator("#visual-segment_heat select option:checked").text_content() == "N-2"
        assert opened.page.locator("#visual-congestion_map details.rows tbody tr").count() == 2
        assert opened.page.get_attribute("#visual-segment_heat details.rows", "open") is None
        assert {row["segment_id"] for row in opened.rows("congestion_map")} == {"N-1", "N-2"}
        assert opened.problems == []


def test_who_looks_at_the_newest_hour_is_shown_the_newest_after_a_reload(window, tmp_path):
    specs = spec.load()
    lake = hand_made.lake(days=2)
    data = dataclasses.replace(hand_made.page_data(lake, specs), refresh_s=3)
    with window() as opened:
        opened.go(site.write(tmp_path, specs, data))
        assert at_slider(opened) == "Fri 2026-03-27 11:00 PDT"
        lake.execute(
            "insert into marts.congestion_hourly"
            " select * replace (hour_start + interval 1 hour as hour_start, local_hour + 1 as local_hour)"
            " from marts.congestion_hourly where hour_start = (select max(hour_start) from marts.congestion_hourly)"
        )
        site.write(tmp_path, specs, hand_made.page_data(lake, specs))
        opened.page.wait_for_selector("#congestion_map-slider[aria-valuetext='Fri 2026-03-27 12:00 PDT']")


def test_who_has_not_moved_the_slider_is_shown_the_hour_that_has_filled_up_after_a_reload(window, tmp_path):
    specs = spec.load()
    lake = hand_made.lake(days=2)
    newest = "hour_start = (select max(hour_start) from marts.congestion_hourly)"
    lake.execute(f"update marts.congestion_hourly set samples_observed = 1 where {newest}")
    data = dataclasses.replace(hand_made.page_data(lake, specs), refresh_s=3)
    with window() as opened:
        opened.go(site.write(tmp_path, specs, data))
        assert at_slider(opened) == "Fri 2026-03-27 10:00 PDT"
        lake.execute(f"update marts.congestion_hourly set samples_observed = samples_expected where {newest}")
        site.write(tmp_path, specs, hand_made.page_data(lake, specs))
        opened.page.wait_for_selector("#congestion_map-slider[aria-valuetext='Fri 2026-03-27 11:00 PDT']")


def test_the_file_of_rows_tells_the_two_hours_of_the_autumn_change_apart(window, tmp_path):
    lake = hand_made.with_episodes(hand_made.lake(days=1))
    for number in (8, 9):
        at = f"timestamp '2026-11-01 0{number}:30:00'"
        lake.execute(
            f"insert into marts.congestion_episodes values ('S-1', 'harbor', 'WARNING', {at}, {at}, 85.0, 1.0)"
        )
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=happening&days=all")
        with opened.page.expect_download() as download:
            opened.page.click("#visual-episode_list button:has-text('CSV')")
        lines = Path(download.value.path()).read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:3]] == ["2026-11-01T01:30:00-08:00", "2026-11-01T01:30:00-07:00"]
