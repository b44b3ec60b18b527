"""What is less observed than the bound can be told from the rest, on every colour and without colours."""

from itertools import pairwise

import hand_made_lake as hand_made
import pytest
from seen_colors import channels, contrast

from dashboards import spec

pytestmark = pytest.mark.slow


def colors_of(scale: list[tuple[float, str]]) -> list[str]:
    """Every colour of a scale, those between its stops included."""
    stops = [channels(color) for _, color in scale]
    found = []
    for one, other in pairwise(stops):
        for share in range(10):
            mixed = [round(a + (b - a) * share / 10) for a, b in zip(one, other, strict=True)]
            found.append("rgb({}, {}, {})".format(*mixed))
    return [*found, scale[-1][1]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hatching_stands_out_from_every_colour_of_a_heat_map(window, entry, scheme):
    with window(color_scheme=scheme) as opened:
        opened.go(entry)
        opened.page.select_option("#visual-segment_heat select", label="N-3")
        scale = opened.drawn("segment_heat")[0]["colorscale"]
        strokes = opened.page.locator("#visual-segment_heat .scatterlayer .trace").evaluate_all(
            """traces => traces.map((trace) => {
                const style = getComputedStyle(trace.querySelector("path.point"));
                return [style.stroke, parseFloat(style.strokeWidth)];
            })"""
        )
    widths = [width for _, width in strokes]
    assert all(under > over for under, over in pairwise(widths))  # none is covered
    for color in colors_of(scale):
        assert max(contrast(stroke, color) for stroke, _ in strokes) > 4.5, color


def lines_of_the_map(opened) -> dict[str, dict]:
    """The lines of the map by their colour, without the outline that lies under them."""
    drawn = [trace for trace in opened.drawn("congestion_map") if trace["mode"] == "lines"]
    return {trace["line"]["color"]: trace for trace in drawn if "dash" in trace["line"]}


@pytest.mark.parametrize("segments", [30, 810])  # as a small city is drawn, and as a large one
def test_doubtful_segments_are_told_from_others_without_colours(window, tmp_path, segments):
    city = tuple(
        hand_made.Segment(f"S-{n}", f"road-{n // 10}", "zone", float(n % 10), observed=0.5 if n % 10 in (3, 4) else 1.0)
        for n in range(segments)
    )
    with window() as opened:
        opened.go(hand_made.write_page(hand_made.lake(city, days=1), tmp_path))
        lines = lines_of_the_map(opened)
        outline = opened.drawn("congestion_map")[0]
        marks = opened.drawn("congestion_map")[-2]
        drawn = opened.page.locator("#visual-congestion_map .js-line").evaluate_all(
            "lines => lines.map((line) => getComputedStyle(line).strokeDasharray)"
        )
        note = opened.page.text_content("#visual-congestion_map .note")
        assert opened.problems == []
    doubtful = lines.pop("#8c8c8c")
    assert {trace["line"]["dash"] for trace in lines.values()} == {"solid"}
    assert len(drawn) - drawn.count("none") == segments / 5
    # Three points and a gap for each: nothing lies under the gaps of their lines.
    assert doubtful["x"].count(None) == segments / 5
    assert outline["x"].count(None) == segments * 4 / 5
    assert marks["marker"]["symbol"].count("diamond") == segments / 5
    assert "Grey, dotted lines and diamonds are less than 80 % observed" in note


def with_bound(specs: spec.Specs, at_least: float) -> spec.Specs:
    """The same dashboards, where all that is doubtful is so below another bound."""
    datasets = {
        name: one.model_copy(update={"reliability": one.reliability.model_copy(update={"at_least": at_least})})
        if one.reliability
        else one
        for name, one in specs.datasets.items()
    }
    return specs.model_copy(update={"datasets": datasets})


def test_the_bound_of_doubt_is_told_as_the_spec_has_it(window, lake, tmp_path):
    entry = hand_made.write_page(lake, tmp_path, with_bound(spec.load(), 95))
    with window() as opened:
        opened.go(entry, "#sheet=cost&zone=harbor&corridor=north")  # the half observed segment
        figures = opened.page.text_content("#visual-cost_figures .mark")
        table = opened.page.text_content("#visual-cost_table tr.doubtful .mark")
        hover = opened.drawn("delay_by_day")[0]["text"][0]
        footer = opened.page.text_content("footer")
    assert figures == "These figures are less than 95 % observed: take them as doubtful."
    assert table == " (less than 95 % observed)"
    assert hover.endswith("<br>less than 95 % observed")
    assert "Anything less than 95 % observed is grey" in footer
    assert "80 %" not in footer


def test_what_no_dataset_doubts_is_not_explained(window, lake, tmp_path):
    specs = spec.load()
    sure = {name: one.model_copy(update={"reliability": None}) for name, one in specs.datasets.items()}
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path, specs.model_copy(update={"datasets": sure})))
        assert "observed" not in opened.page.text_content("footer")
        assert "dotted" not in opened.page.text_content("#visual-congestion_map .note")
        assert opened.problems == []
