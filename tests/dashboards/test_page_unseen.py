"""What those hear who do not see the page."""

import re

import pytest

from dashboards import spec

pytestmark = pytest.mark.slow

KPIS = [
    (sheet.id, visual)
    for dashboard in spec.load().dashboards
    for sheet in dashboard.sheets
    for visual in sheet.visuals
    if visual.kind == "kpi"
]


def test_every_kpi_is_described_by_its_text_which_is_not_seen(window, entry):
    with window() as opened:
        opened.go(entry)
        for sheet, visual in KPIS:
            opened.sheet(sheet)
            figure = opened.page.locator(f"#visual-{visual.id} figure")
            said = opened.page.locator(f"#{figure.get_attribute('aria-describedby')}")
            item = figure.locator(f"[data-measure={visual.measures[0]}]")
            heading = spec.load().datasets[visual.dataset].measures[visual.measures[0]].title
            value = item.locator("strong").text_content()
            assert re.fullmatch(rf"{visual.title}: {heading} {re.escape(value)}( \D+)?\.", said.text_content())
            assert said.bounding_box()["width"] <= 1
            assert said.is_visible()  # for readers: not display: none
        assert len(KPIS) > 5
