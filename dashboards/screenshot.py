"""`python -m dashboards.screenshot PAGE PICTURE`: the picture of a page for the README, by a headless browser."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 1120, "height": 1240}
ALL_DAYS = "#days=all"  # the latest two may be of a weekend
# A rush hour tells more than the hour at which the demo happened to be run.
RUSH_HOUR = "17:00"
TO_RUSH_HOUR = """hour => {
    const map = trafficlakePage.shown().find((one) => one.visual.kind === "map");
    const labels = map.view.cube.dimensions[map.visual.slider].values;
    const steps = map.view.steps.filter((code) => labels[code].includes(` ${hour}`));
    const weekday = steps.filter((code) => !/^(Sat|Sun)/.test(labels[code]));
    map.own[map.visual.slider] = (weekday.length ? weekday : steps).at(-1);
    map.draw();
}"""


def take(page: Path, picture: Path) -> None:
    """Write the first sheet, with the map at the latest rush hour of a weekday, as PNG.

    Raises FileNotFoundError where there is no page or no Chromium.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("no chromium on this machine")
    if not page.exists():
        raise FileNotFoundError(f"{page} does not exist: run `make demo` first")
    picture.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        window = browser.new_page(viewport=SIZE, color_scheme="light")
        window.goto(page.resolve().as_uri() + ALL_DAYS)
        window.evaluate(TO_RUSH_HOUR, RUSH_HOUR)
        window.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
