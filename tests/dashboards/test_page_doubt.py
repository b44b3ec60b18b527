"""What is less observed than the bound can be told from the rest, on every colour and without colours."""

from itertools import pairwise

import pytest
from seen_colors import channels, contrast

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
