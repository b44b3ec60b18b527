"""Headless Chromium: fixtures for tests that open the dashboards' page as a planner does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


class Opened:
    """A page of the browser with what went wrong on it and what it asked the network for."""

    def __init__(self, page: Page) -> None:
        """Watch a page from before it is opened."""
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self.problems.append(message.text) if message.type != "log" else None)
        page.on("request", lambda request: self.requests.append(request.url))

    def go(self, entry: Path, state: str = "") -> "Opened":
        """Open an entry page, with a state of the page in the address."""
        self.page.goto(f"{entry.as_uri()}{state}")
        return self

    def sheet(self, name: str) -> "Opened":
        """Open a sheet by its link."""
        self.page.click(f"[data-sheet={name}]")
        return self

    def figure(self, visual: str, measure: str) -> float:
        """Return a figure of a kpi to the last bit."""
        value = self.page.get_attribute(f"#visual-{visual} [data-measure={measure}]", "data-value")
        return float(value)  # type: ignore[arg-type]

    def rows(self, visual: str) -> list[dict[str, Any]]:
        """Return the rows that a visual shows: the labels of its dimensions, and its measures to the last bit."""
        return self.page.evaluate(
            """name => {
                const { view, rows } = trafficlakePage.shown().find((one) => one.visual.id === name);
                return rows.map((row) => ({
                    ...Object.fromEntries(view.dimensions.map((one) => [one, view.label(one, row)])), ...row.values,
                }));
            }""",
            visual,
        )

    def drawn(self, visual: str) -> list[dict[str, Any]]:
        """Return what Plotly was given to draw."""
        return self.page.evaluate("name => document.querySelector(`#visual-${name} .picture`).data", visual)


# Of a module: as long as it is open, Playwright's event loop runs in this thread, and no other one can.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; where there is none the test says so and is skipped."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium)
        yield found
        found.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[Any]:
    """Open windows: `with window(width=390, color_scheme="dark") as opened:`, each fresh."""

    @contextmanager
    def new(width: int = 1280, height: int = 900, **options: Any) -> Iterator[Opened]:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        yield Opened(context.new_page())
        context.close()

    return new
