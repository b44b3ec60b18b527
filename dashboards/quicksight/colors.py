"""Colours that people with any colour vision tell apart, and the theme that uses them.

Series are Okabe and Ito's palette; scales are Matplotlib's cividis and viridis at five steps, dark to light. What is
less observed than it should be is light grey, lighter than the grey in the middle of cividis.
"""

from typing import Any

from dashboards.spec import Colors, Measure

DOUBTFUL = "#BDBDBD"
# Of text on white, where a lighter grey cannot be read.
DOUBTFUL_TEXT = "#767676"
NO_FIGURE = "#EDEDED"
# Of a mark without a figure on a light map: brown, which no scale has, in any colour vision.
NO_FIGURE_MARK = "#8B4513"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
SCALES = {
    "cividis": ("#00224E", "#434E6C", "#7D7C78", "#BCAF6F", "#FEE838"),
    "viridis": ("#440154", "#3B528B", "#21918C", "#5EC962", "#FDE725"),
}
# Light, as the maps are.
BASE_THEME = "CLASSIC"


def steps(declared: Colors, measure: Measure) -> tuple[str, ...]:
    """Return the steps of a scale from low to high. The worse end is the dark one, which stands out from the ground."""
    from_dark = SCALES[declared.scale]
    return from_dark if measure.worse == "low" else from_dark[::-1]


def scale(declared: Colors, measure: Measure) -> dict[str, Any]:
    """Return a scale of a heat map; cells without a value are of the colour for no figure."""
    colors = steps(declared, measure)
    ends = colors[0], colors[len(colors) // 2], colors[-1]
    values = declared.low, (declared.low + declared.high) / 2, declared.high
    return {
        "Colors": [{"Color": color, "DataValue": value} for color, value in zip(ends, values, strict=True)],
        "ColorFillType": "GRADIENT",
        "NullValueColor": {"Color": NO_FIGURE},
    }


def theme() -> dict[str, Any]:
    """Return the configuration of the theme."""
    return {
        "DataColorPalette": {
            "Colors": list(SERIES),
            "MinMaxGradient": [SCALES["cividis"][-1], SCALES["cividis"][0]],
            "EmptyFillColor": NO_FIGURE,
        }
    }
