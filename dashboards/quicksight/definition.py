"""A dashboard of the specs as QuickSight's definition; its analysis, which authors open, has the same."""

from collections.abc import Callable, Iterable
from typing import Any

from dashboards.quicksight import controls
from dashboards.quicksight.fields import Source, sources_of
from dashboards.quicksight.parts import Parts, together
from dashboards.quicksight.visuals import visual_parts
from dashboards.spec import Dashboard, Sheet, Specs

Definition = dict[str, Any]
_GRID_COLUMNS = 36
_CONTROL_COLUMNS = 6


def definition(specs: Specs, dashboard: Dashboard, data_set_arn: Callable[[str], str], *, time_zone: str) -> Definition:
    """Return what CreateDashboard and CreateAnalysis take as Definition.

    `data_set_arn` gives that of a dataset; `time_zone` is the city's, whose days it opens with.
    """
    sources = sources_of(specs, dashboard, time_zone)
    by_sheet = {sheet.id: _sheet_parts(dashboard, sheet, sources) for sheet in dashboard.sheets}
    every = together([controls.controls_of(dashboard, sources), *by_sheet.values()])
    return {
        "DataSetIdentifierDeclarations": [{"Identifier": name, "DataSetArn": data_set_arn(name)} for name in sources],
        "Sheets": [
            _sheet(specs, dashboard, sheet, by_sheet[sheet.id], sources)
            for sheet in dashboard.sheets
            if by_sheet[sheet.id].visuals
        ],
        "CalculatedFields": list(every.calculated),
        "ParameterDeclarations": list(every.parameters),
        "FilterGroups": list(every.filter_groups),
    }


def _sheet_parts(dashboard: Dashboard, sheet: Sheet, sources: dict[str, Source]) -> Parts:
    return together(
        visual_parts(dashboard, sheet, visual, sources[visual.dataset])
        for visual in sheet.visuals
        if visual.dataset in sources
    )


def _sheet(specs: Specs, dashboard: Dashboard, sheet: Sheet, parts: Parts, sources: dict[str, Source]) -> Definition:
    shown = [*controls.shown_on(sheet, dashboard, sources), *parts.controls]
    return {
        "SheetId": sheet.id,
        "Name": sheet.title,
        "Title": sheet.title,
        "Description": " ".join([sheet.question, *_left_out(specs, sheet, sources)]),
        "ContentType": "INTERACTIVE",
        "ParameterControls": shown,
        "Visuals": [visual for visual, _, _ in parts.visuals],
        "Layouts": [_grid(_placed((_visual_id(visual), wide, high) for visual, wide, high in parts.visuals))],
        "SheetControlLayouts": [_grid(_in_a_row(shown))],
    }


def _left_out(specs: Specs, sheet: Sheet, sources: dict[str, Source]) -> list[str]:
    """Say which visuals of a sheet QuickSight cannot have, and why."""
    return [
        f"Not here but on the local page: {visual.title}. {specs.datasets[visual.dataset].source_reason}"
        for visual in sheet.visuals
        if visual.dataset not in sources
    ]


def _visual_id(visual: Definition) -> str:
    (body,) = visual.values()
    return body["VisualId"]


def _placed(boxes: Iterable[tuple[str, int, int]]) -> list[Definition]:
    """Return boxes from left to right; one that does not fit begins a row below the highest of those before."""
    placed, column, row, highest = [], 0, 0, 0
    for name, wide, high in boxes:
        if column + wide > _GRID_COLUMNS:
            column, row, highest = 0, row + highest, 0
        size = {"ColumnIndex": column, "ColumnSpan": wide, "RowIndex": row, "RowSpan": high}
        placed.append({"ElementId": name, "ElementType": "VISUAL", **size})
        column, highest = column + wide, max(highest, high)
    return placed


def _in_a_row(shown: list[Definition]) -> list[Definition]:
    size = {"ElementType": "PARAMETER_CONTROL", "ColumnSpan": _CONTROL_COLUMNS, "RowSpan": 1}
    ids = [body["ParameterControlId"] for control in shown for body in control.values()]
    return [{"ElementId": name, **size} for name in ids]


def _grid(elements: list[Definition]) -> Definition:
    return {"Configuration": {"GridLayout": {"Elements": elements}}}
