"""The controls say what holds for the sheet in view."""

import hand_made_lake as hand_made
import pytest

from dashboards import spec

pytestmark = pytest.mark.slow


def test_a_date_that_was_emptied_and_left_shows_again_what_is_filtered_by(window, entry):
    with window() as opened:
        opened.go(entry, "#sheet=cost&from=2026-03-25&to=2026-03-26")
        field = opened.page.locator("#control-from")
        field.fill("")
        field.blur()
        assert field.input_value() == "2026-03-25"
        assert opened.figure("cost_figures", "days") == 2
        field.focus()
        opened.page.keyboard.press("Backspace")  # the month alone: half a date
        assert field.input_value() == ""
        opened.page.keyboard.press("Shift+Tab")
        assert field.input_value() == "2026-03-25"
        assert opened.problems == []


def test_controls_that_are_made_anew_while_a_date_is_empty_show_the_new_ones(window, entry):
    with window() as opened:
        opened.go(entry, "#sheet=cost&from=2026-03-25&to=2026-03-26")
        opened.sheet("corridors")
        opened.page.locator("#control-from").fill("")
        opened.page.evaluate("location.hash = 'sheet=cost&from=2026-03-20'")
        opened.page.wait_for_selector("h2:text-is('What it costs')")
        assert opened.page.input_value("#control-from") == "2026-03-20"
        assert opened.problems == []


def test_the_hint_of_the_days_is_that_of_the_dashboard_in_view(window, entry):
    declared = {
        sheet.id: control.description
        for dashboard in spec.load().dashboards
        for control in dashboard.controls
        for sheet in dashboard.sheets
        if control.kind == "date_range"
    }
    assert declared["now"] != declared["cost"]
    with window() as opened:
        opened.go(entry)
        for sheet in ("now", "cost", "coverage", "now"):
            opened.sheet(sheet)
            assert opened.page.get_attribute("fieldset:has(#control-from)", "title") == declared[sheet]


def test_only_controls_of_the_dashboard_in_view_are_shown_and_told_of_by_their_titles(window, lake, tmp_path):
    specs = spec.load()
    planning = next(dashboard for dashboard in specs.dashboards if dashboard.name == "planning")
    weekends = spec.Control(
        id="weekends", kind="leave_out", title="Leave out weekends", description="d", column="day_type", of_day=True,
        value="weekend",
    )  # fmt: skip
    dashboards = [
        one.model_copy(update={"controls": (*one.controls, weekends)} if one is planning else {})
        for one in specs.dashboards
    ]
    specs = specs.model_copy(update={"dashboards": tuple(dashboards)})
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path, specs), "#sheet=cost&weekends=yes")
        assert opened.page.is_checked("#control-weekends")
        assert opened.page.text_content("#status").endswith(" everything. Leave out weekends: yes.")
        (days,) = lake.execute(
            "select count(distinct local_date) from marts.congestion_daily where day_type <> 'weekend'"
        ).fetchone()
        assert opened.figure("cost_figures", "days") == days
        opened.sheet("coverage")
        assert opened.page.locator("#control-weekends").count() == 0
        assert opened.page.text_content("#status").endswith(" everything.")
        opened.sheet("cost")
        assert opened.page.is_checked("#control-weekends")
        assert opened.problems == []
