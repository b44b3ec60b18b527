"""What the local page shows, read through Athena; the alerts that are open come from their own table."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
from pyiceberg.catalog import Catalog

from dashboards.page.cells import CubeRows, PageData
from dashboards.page.cubes import Cube, attributes_sql, cells_by_day_sql, cells_sql, columns_of_days, cubes, days_sql
from dashboards.spec import Specs
from infra.athena import answer, start
from infra.current_alerts import CurrentAlert, current_alerts
from infra.errors import FailedError
from infra.newest import file_bounds
from infra.settings import settings

# Cells of one cube: room for two days of 5,000 segments, hour by hour, which are 245,000 when the clocks go back, and
# for segments that change their zone. Many more would make a page that a phone cannot open.
MAX_CELLS = 300_000

Advance = Callable[[int], None]


class NoMartsError(FailedError):
    """A table that the dashboards need is not there; the message says what makes it."""


def read(specs: Specs, catalog: Catalog, advance: Advance, refresh_s: int | None = None) -> PageData:
    """Read what the dashboards show; `advance` is called once for each of `steps(specs)`.

    Queries run side by side. Where a cube would have more than MAX_CELLS cells, its oldest days are left out. Raises
    NoMartsError, infra.athena.QueryError.
    """
    made, of_visual = cubes(specs)
    windows = {cube.name: days_held(cube, catalog) for cube in made.values() if cube.dataset.source == "athena"}
    counted = {
        name: start(cells_by_day_sql(made[name], window[0]))
        for name, window in windows.items()
        # A view has rows of which its table's files do not tell.
        if window and (window[1] > MAX_CELLS or made[name].dataset.days_of)
    }
    first = {name: window[0] for name, window in windows.items() if window}
    thinned = set()
    for name, query_id in counted.items():
        kept = first_kept(answer(query_id).rows, first[name])
        if kept != first[name]:
            thinned.add(name)
            first[name] = kept
    queries = {name: start(cells_sql(made[name], since)) for name, since in first.items()}
    placed = {visual.dataset for dashboard in specs.dashboards for visual in dashboard.visuals if visual.kind == "map"}
    joined = {
        name: start(attributes_sql(specs.datasets[name]))
        for name in placed
        if specs.datasets[name].join and f"{name}.fine" in first
    }
    days = _start_days(specs, [_local_day(since) for since in first.values()])
    held = {}
    for name, cube in made.items():
        if cube.dataset.source == "alert_table":
            held[name] = CubeRows(cube, alert_cells(cube, current_alerts()))
        elif name in queries:
            held[name] = CubeRows(cube, answer(queries[name]).rows, _local_day(first[name]), name in thinned)
        else:
            held[name] = CubeRows(cube, _no_rows(cube), missing=_why(cube, windows))
        advance(1)
    attributes = {name: answer(query_id).rows for name, query_id in joined.items()}
    of_days = answer(days).rows if days else pd.DataFrame(columns=["local_date"])
    return PageData(held, of_visual, attributes, of_days, settings().city_time_zone, datetime.now(UTC), refresh_s)


def steps(specs: Specs) -> int:
    """Return how often read() calls `advance`."""
    return len(cubes(specs)[0])


def days_held(cube: Cube, catalog: Catalog) -> tuple[date | datetime, int] | None:
    """Return the start of the latest days that a cube holds, and how many rows its files may have since.

    None where there are no rows, or no table and the dataset says what that means.
    """
    dataset = cube.dataset
    table = dataset.days_of or str(dataset.mart)
    files = file_bounds(catalog, table, str(dataset.date))
    if files is None and dataset.absent is None:
        raise NoMartsError(f"there is no {table} yet: run `make demo`, or `trafficlake run` on what has landed.")
    if not files:
        return None
    newest = max(latest for latest, _ in files)
    days: int = dataset.latest_days  # type: ignore[assignment]
    since = first_of_latest(newest, days, settings().city_time_zone)
    return since, sum(rows for latest, rows in files if latest >= since)


def first_of_latest(newest: date | datetime, days: int, time_zone: str) -> date | datetime:
    """Return the start of as many local days, the last of which holds `newest` (naive UTC): a date for a date."""
    if not isinstance(newest, datetime):
        return newest - timedelta(days=days - 1)
    local = newest.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone))
    first = local.date() - timedelta(days=days - 1)
    return datetime.combine(first, time.min, ZoneInfo(time_zone)).astimezone(UTC).replace(tzinfo=None)


def first_kept(cells: pd.DataFrame, since: date | datetime) -> date | datetime:
    """Return the first of the latest days whose cells are at most MAX_CELLS together; at least the last day.

    That is `since` where nothing has to be left out.
    """
    if cells["cells"].sum() <= MAX_CELLS:
        return since
    by_day = cells.assign(day=pd.to_datetime(cells["day"])).sort_values("day", ascending=False)
    kept = by_day[(by_day["cells"].cumsum() <= MAX_CELLS)]["day"]
    earliest = kept.min() if len(kept) else by_day["day"].max()
    if isinstance(since, datetime):
        return max(since, earliest.to_pydatetime())
    return max(since, earliest.date())


def _start_days(specs: Specs, first_days: list[date]) -> str | None:
    """Start the query of what controls ask of days, up to the last that has begun; None where no day is held."""
    columns = columns_of_days(specs)
    if not columns or not first_days:
        return None
    return start(days_sql(columns, min(first_days), datetime.now(UTC).date() + timedelta(days=1)))


def _local_day(since: date | datetime) -> date:
    if not isinstance(since, datetime):
        return since
    return since.replace(tzinfo=UTC).astimezone(ZoneInfo(settings().city_time_zone)).date()


def _why(cube: Cube, windows: dict[str, object]) -> str | None:
    """Return why a cube has no rows, None where its table is merely empty."""
    return cube.dataset.absent if windows.get(cube.name) is None else None


def _no_rows(cube: Cube) -> pd.DataFrame:
    return pd.DataFrame(columns=[*cube.dimensions, *(f"t{index}" for index in range(len(cube.terms)))])


def alert_cells(cube: Cube, alerts: list[CurrentAlert]) -> pd.DataFrame:
    """Return open alerts as cells, one each: a term that counts is 1, another the value of its column."""
    if not alerts:
        return _no_rows(cube)
    rows = pd.DataFrame([asdict(alert) for alert in alerts])
    rows["since"] = pd.to_datetime(rows["since"], utc=True).dt.tz_localize(None)
    terms = {
        f"t{index}": 1.0 if part.row is None else rows[part.row.id]  # type: ignore[attr-defined]
        for index, part in enumerate(cube.terms)
    }
    return rows[list(cube.dimensions)].assign(**terms)
