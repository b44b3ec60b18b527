"""From rows to what the browser reads: dimensions as codes of their values, terms as doubles, both in base64."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from dashboards.page.cubes import Cube
from dashboards.spec import Column, Dataset

NOWHERE = "unassigned"
SHORT_CODES = 65_536  # values that two bytes can count; cells.js knows it too


@dataclass(frozen=True)
class CubeRows:
    """The cells of a cube as Athena gave them, with what is to be said of them.

    `since` is the first day that is held, `thinned` that older ones were left out because there were too many cells;
    `missing` says why there can be none.
    """

    cube: Cube
    rows: pd.DataFrame
    since: date | None = None
    thinned: bool = False
    missing: str | None = None


@dataclass(frozen=True)
class PageData:
    """Everything that a page shows.

    `attributes` are the joined columns by dataset, `days` what is known of each day by `local_date`; `built_at` is UTC
    with zone.
    """

    cubes: dict[str, CubeRows]
    of_visual: dict[str, str]
    attributes: dict[str, pd.DataFrame]
    days: pd.DataFrame
    time_zone: str
    built_at: datetime
    refresh_s: int | None = None


def encoded(held: CubeRows, time_zone: str) -> dict[str, object]:
    """Return a cube as the browser reads it."""
    cube, rows = held.cube, held.rows
    columns = cube.dataset.all_columns
    return {
        "dataset": cube.dataset.name,
        "cells": len(rows),
        "date": cube.dataset.date,
        "since": held.since and held.since.isoformat(),
        "thinned": held.thinned,
        "missing": held.missing,
        "dimensions": {name: dimension(rows[name], columns[name], time_zone) for name in cube.dimensions},
        "terms": [
            {
                "merge": part.function if part.function in ("min", "max") else "sum",
                "values": _doubles(rows[f"t{index}"]),
            }
            for index, part in enumerate(cube.terms)
        ],
        "measures": cube.measures,
    }


def dimension(values: pd.Series, column: Column, time_zone: str) -> dict[str, object]:
    """Return the distinct values in order, as labels, and the code of each row; days have their weekday beside them.

    An instant is told in local time; `moments` hold its offset too, `times` are its places in pictures.
    """
    made: dict[str, list] = {}
    if column.type == "instant":
        codes, found = pd.factorize(pd.to_datetime(values), sort=True)
        local = pd.DatetimeIndex(found).tz_localize("UTC").tz_convert(ZoneInfo(time_zone))
        made["values"] = [f"{moment:%a %Y-%m-%d %H:%M %Z}" for moment in local]
        made["days"] = [f"{moment:%Y-%m-%d}" for moment in local]
        made["moments"] = [moment.isoformat() for moment in local]
        made["times"] = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in _places(local)]
    elif column.type == "date":
        codes, found = pd.factorize(pd.to_datetime(values), sort=True)
        made["values"] = [f"{day:%a %Y-%m-%d}" for day in pd.DatetimeIndex(found)]
        made["days"] = [f"{day:%Y-%m-%d}" for day in pd.DatetimeIndex(found)]
    elif column.type == "text":
        codes, found = pd.factorize(values.astype(object).where(values.notna(), NOWHERE).astype(str), sort=True)
        made["values"] = list(found)
    else:
        codes, found = pd.factorize(values.astype(float), sort=True)
        made["values"] = [int(value) if float(value).is_integer() else float(value) for value in found]
    if (codes < 0).any():  # NULL, which only text has a name for
        codes = np.where(codes < 0, len(made["values"]), codes)
        made = {name: [*known, NOWHERE if name == "values" else ""] for name, known in made.items()}
    width = "<u4" if len(made["values"]) > SHORT_CODES else "<u2"
    return {"type": column.type, "title": column.title, "codes": _base64(codes.astype(width)), **made}


def attributes(rows: pd.DataFrame, dataset: Dataset) -> dict[str, object]:
    """Return joined columns by their key: `keys`, and a list for each column, null where unknown."""
    join = dataset.join
    names = [column.name for column in join.columns]  # type: ignore[union-attr]
    values = {name: [None if pd.isna(value) else value for value in rows[name].tolist()] for name in names}
    return {"keys": rows[join.key].astype(str).tolist(), **values}  # type: ignore[union-attr]


def of_days(rows: pd.DataFrame, cubes: Iterable[dict]) -> dict[str, dict[str, object]]:
    """Return, for each column but `local_date`, its value by ISO day, for the days of encoded cubes."""
    held = {day for cube in cubes for one in cube["dimensions"].values() for day in one.get("days", ())}
    by_day = rows.assign(day=[f"{day:%Y-%m-%d}" for day in pd.to_datetime(rows["local_date"])]).set_index("day")
    by_day = by_day[by_day.index.isin(held)].drop(columns="local_date")
    return {name: by_day[name].to_dict() for name in by_day.columns}


def _places(local: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return where instants lie on an axis of local time: of two hours of the same name the later is half an hour on.

    At one place their bars would be stacked to one that is twice as high.
    """
    shown = local.tz_localize(None)
    return shown.where(~shown.duplicated(), shown + pd.Timedelta(minutes=30))


def _doubles(values: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(values):  # ms since 1970, which is what the browser counts in
        moments = values.to_numpy(dtype="datetime64[us]")
        numbers = np.where(np.isnat(moments), np.nan, moments.astype("int64") / 1000)
    else:
        numbers = pd.to_numeric(values).to_numpy(dtype="float64", na_value=np.nan)
    return _base64(numbers.astype("<f8"))


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
