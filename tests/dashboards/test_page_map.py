"""The map can be seen at both ends of its scale, moved with a finger or by buttons, and its legend is whole."""

import hand_made_lake as hand_made
import pytest
from seen_colors import contrast

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_and_lines_stand_out_from_the_ground_whatever_their_colour(window, entry, scheme):
    with window(color_scheme=scheme) as opened:
        opened.go(entry)
        traces = opened.drawn("congestion_map")
        ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    outline, *lines = [trace for trace in traces if trace["mode"] == "lines"]
    assert contrast(outline["line"]["color"], ground) > 3
    assert lines and all(line["line"]["width"] < outline["line"]["width"] for line in lines)
    assert contrast(traces[-2]["marker"]["line"]["color"], ground) > 3


def width_shown(opened) -> float:
    first, last = opened.page.evaluate("document.querySelector('#visual-congestion_map .picture').layout.xaxis.range")
    return last - first


def test_the_map_is_zoomed_by_labelled_buttons(window, entry):
    with window() as opened:
        opened.go(entry)
        buttons = opened.page.locator("#visual-congestion_map .modebar-btn")
        assert [one.get_attribute("aria-label") for one in buttons.all()] == ["Zoom in", "Zoom out", "Reset axes"]
        whole = width_shown(opened)
        buttons.nth(0).press("Enter")
        assert width_shown(opened) < whole
        opened.page.locator("#congestion_map-slider").press("ArrowLeft")
        assert width_shown(opened) < whole  # the next hour is looked at as near
        buttons.nth(2).press("Enter")
        assert width_shown(opened) == pytest.approx(whole)
        assert opened.page.locator("#visual-segment_heat .modebar-btn").count() == 0


def test_a_finger_on_the_map_scrolls_the_page(window, entry):
    with window(width=390, has_touch=True, is_mobile=True) as opened:
        opened.go(entry)
        opened.page.locator("#visual-congestion_map .picture").scroll_into_view_if_needed()
        before = opened.page.evaluate("scrollY")
        box = opened.page.locator("#visual-congestion_map .picture").bounding_box()
        x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
        session = opened.page.context.new_cdp_session(opened.page)

        def touch(kind: str, *points: dict[str, float]) -> None:
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", {"x": x, "y": y})
        for moved in range(10, 160, 10):
            touch("touchMove", {"x": x, "y": y - moved})
        touch("touchEnd")
        opened.page.wait_for_function("before => scrollY > before + 50", arg=before)


def test_the_title_of_the_colours_is_whole_beside_a_short_heat_map(window, tmp_path):
    with window() as opened:
        opened.go(hand_made.write_page(hand_made.lake(days=1), tmp_path))
        for visual in ("congestion_map", "segment_heat", "corridor_heat"):
            boxes = opened.page.locator(f"#visual-{visual} .main-svg:first-child, #visual-{visual} .cbtitle")
            picture, title = (one.bounding_box() for one in boxes.all())
            assert picture["y"] <= title["y"], visual
            assert title["y"] + title["height"] <= picture["y"] + picture["height"], visual


def test_the_map_starts_at_the_newest_hour_that_is_observed_well_enough(window, tmp_path):
    lake = hand_made.lake()
    # The hour that runs: expected whole, and hardly begun.
    newest = "select max(hour_start) from marts.congestion_hourly"
    lake.execute(f"update marts.congestion_hourly set samples_observed = 1 where hour_start = ({newest})")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path))
        slider = opened.page.locator("#congestion_map-slider")
        assert slider.get_attribute("aria-valuetext") == "Fri 2026-03-27 10:00 PDT"
        slider.press("End")
        assert slider.get_attribute("aria-valuetext") == "Fri 2026-03-27 11:00 PDT"
        note = opened.page.text_content("#visual-congestion_map .note")
        assert note.startswith("Shows Fri 2026-03-27 11:00 PDT, which is less than 80 % observed. ")


@pytest.mark.parametrize(
    ("hours_back", "start", "says"),
    [
        (3, "Fri 2026-03-27 08:00 PDT", "Shows Fri 2026-03-27 08:00 PDT. "),
        (4, "Fri 2026-03-27 11:00 PDT", "Shows Fri 2026-03-27 11:00 PDT, which is less than 80 % observed. "),
    ],
)
def test_an_hour_long_gone_is_not_shown_as_now(window, tmp_path, hours_back, start, says):
    lake = hand_made.lake()
    # One hour of them all was observed well.
    lake.execute(
        "update marts.congestion_hourly set samples_observed = if(hour_start = (select max(hour_start) from"
        f" marts.congestion_hourly) - interval {hours_back} hour, samples_expected, 0.5 * samples_expected)"
    )
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path))
        assert opened.page.get_attribute("#congestion_map-slider", "aria-valuetext") == start
        assert opened.page.text_content("#visual-congestion_map .note").startswith(says)
