"""The page's files: one entry page, style, scripts, Plotly, and the data as a script, since a file cannot fetch."""

import shutil
from importlib.resources import files
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

import orjson
import plotly.colors
from plotly.offline import get_plotlyjs

from dashboards.page.cells import NOWHERE, PageData, attributes, encoded, of_days
from dashboards.page.cubes import shown_measures, visual_sql
from dashboards.spec import Dataset, Specs

ENTRY = "index.html"
STATIC = ("cells.js", "figures.js", "tables.js", "words.js", "views.js", "controls.js", "page.js", "page.css")


def write(folder: Path, specs: Specs, data: PageData) -> Path:
    """Write the page into a folder, over what an earlier build left, and return its entry page."""
    folder.mkdir(parents=True, exist_ok=True)
    static = files("dashboards.page") / "static"
    for name in STATIC:
        _replace(folder / name, (static / name).read_bytes())
    if not (folder / "plotly.js").exists() or (folder / "plotly.js").stat().st_size != len(get_plotlyjs().encode()):
        _replace(folder / "plotly.js", get_plotlyjs().encode())
    _replace(folder / "data.js", b"window.trafficlakeData = " + orjson.dumps(document(specs, data)) + b";\n")
    entry = Template((static / "index.html").read_text(encoding="utf-8"))
    _replace(folder / ENTRY, entry.substitute(built_at=_local(data)).encode())
    return folder / ENTRY


def document(specs: Specs, data: PageData) -> dict[str, object]:
    """Return all that the scripts read: specs, cells and what is said of them."""
    cubes = {name: encoded(cube, data.time_zone) for name, cube in data.cubes.items()}
    visuals = {visual.id: visual for dashboard in specs.dashboards for visual in dashboard.visuals}
    return {
        "built_at": _local(data),
        "time_zone": data.time_zone,
        "refresh_s": data.refresh_s,
        "nowhere": NOWHERE,
        "scales": {name: getattr(plotly.colors.sequential, name.capitalize()) for name in ("cividis", "viridis")},
        "dashboards": [dashboard.model_dump(mode="json") for dashboard in specs.dashboards],
        "datasets": {name: _described(dataset) for name, dataset in specs.datasets.items()},
        "cube_of": data.of_visual,
        "needed": {name: shown_measures(specs.datasets[one.dataset], one) for name, one in visuals.items()},
        "sql": {
            name: visual_sql(specs.datasets[one.dataset], one)
            for name, one in visuals.items()
            if specs.datasets[one.dataset].mart
        },
        "cubes": cubes,
        "attributes": {name: attributes(rows, specs.datasets[name]) for name, rows in data.attributes.items()},
        "of_days": of_days(data.days, cubes.values()),
    }


def _described(dataset: Dataset) -> dict[str, object]:
    described = dataset.model_dump(mode="json", include={"title", "mart", "source", "source_reason", "latest_days"})
    described["measures"] = {name: measure.model_dump(mode="json") for name, measure in dataset.measures.items()}
    described["reliability"] = dataset.reliability and dataset.reliability.model_dump(mode="json")
    described["titles"] = {name: column.title for name, column in dataset.all_columns.items()}
    return described


def _local(data: PageData) -> str:
    return f"{data.built_at.astimezone(ZoneInfo(data.time_zone)):%a %Y-%m-%d %H:%M %Z}"


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step, so that a browser never reads half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    shutil.move(part, path)
