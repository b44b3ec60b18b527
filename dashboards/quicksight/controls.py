"""What filters a dashboard: parameters, their controls on each sheet, and a filter for every dataset."""

from collections.abc import Sequence
from typing import Any

from dashboards.quicksight import days, fields
from dashboards.quicksight.datasets import choice_name
from dashboards.quicksight.fields import Source
from dashboards.quicksight.parts import Parts
from dashboards.spec import Control, Dashboard, Sheet, Visual

Definition = dict[str, Any]
DATE_FROM, DATE_TO = "DateFrom", "DateTo"
_DAYS_SHOWN = 28
HOURS_BEFORE = "hours before the newest"
MOST_HOURS_BEFORE = 167
_KEEP, _LEAVE_OUT = "Keep", "Leave out"
_TITLE = {"TitleOptions": {"Visibility": "VISIBLE"}}


def controls_of(dashboard: Dashboard, sources: dict[str, Source]) -> Parts:
    """Return parameters and filters of a dashboard's controls, for each dataset that its visuals use."""
    parameters: list[Definition] = []
    groups: list[Definition] = []
    calculated: list[Definition] = []
    for control, filtered in _applied(dashboard, sources):
        parameters += _parameters(control, dashboard, filtered[0].time_zone)
        for source in filtered:
            if control.kind == "leave_out":
                calculated.append(_left_out(control, source))
            if control.kind == "date_range" and (by_time := fields.local_date(source)):
                calculated.append(by_time)
            scope = _scope(dashboard, source, dates=control.kind == "date_range")
            if scope:
                groups.append(_group(f"{control.id}-{source.dataset.name}", _filter(control, source), scope))
    return Parts(parameters=tuple(parameters), calculated=tuple(calculated), filter_groups=tuple(groups))


def shown_on(sheet: Sheet, dashboard: Dashboard, sources: dict[str, Source]) -> list[Definition]:
    """Return the controls of a sheet; each sheet has them all, and they hold the same values."""
    shown: list[Definition] = []
    for control, filtered in _applied(dashboard, sources):
        if control.kind == "date_range":
            picker = {"DisplayOptions": {**_TITLE, "DateTimeFormat": "YYYY-MM-DD"}}
            for name, end in ((DATE_FROM, "from"), (DATE_TO, "to")):
                shown.append({"DateTimePicker": {**_control(sheet, name, f"{control.title}, {end}"), **picker}})
        elif control.kind == "leave_out":
            shown.append(_dropdown(sheet, control, {"Values": [_KEEP, _LEAVE_OUT]}, multiple=False))
        else:
            values = {"LinkToDataSetColumn": fields.identifier(filtered[0], choice_name(str(control.column)))}
            shown.append(_dropdown(sheet, control, values, multiple=True))
    return shown


def choose(sheet: Sheet, visual: Visual, source: Source) -> Parts:
    """Return the list from which the viewer picks the one value that a visual is of; all, until one is picked."""
    if visual.choose is None:
        return Parts()
    name = _parameter_name(visual.id)
    title = f"{source.dataset.all_columns[visual.choose].title.capitalize()} of “{visual.title}”"
    column = fields.identifier(source, choice_name(visual.choose))
    control = {
        "Dropdown": {
            **_control(sheet, name, title),
            "DisplayOptions": {**_TITLE, "SelectAllOptions": {"Visibility": "VISIBLE"}},
            "Type": "SINGLE_SELECT",
            "SelectableValues": {"LinkToDataSetColumn": column},
        }
    }
    group = _group(f"choose-{visual.id}", _equals_parameter(f"choose-{visual.id}", column, name), _only(sheet, visual))
    return Parts(parameters=(_text_parameter(name),), controls=(control,), filter_groups=(group,))


def slider(sheet: Sheet, visual: Visual, source: Source) -> Parts:
    """Return the slider of a map: hours before the newest one, so that it starts at the newest in every time zone."""
    name = f"{_parameter_name(visual.id)}HoursBefore"
    before = fields.calculated(source, HOURS_BEFORE, f"dateDiff({{{visual.slider}}}, {_newest(visual, source)}, 'HH')")
    control = {
        "Slider": {
            **_control(sheet, name, f"Hours before the newest, of “{visual.title}” (24 is a day)"),
            "DisplayOptions": _TITLE,
            "MinimumValue": 0,
            "MaximumValue": MOST_HOURS_BEFORE,
            "StepSize": 1,
        }
    }
    parameter = {
        "IntegerParameterDeclaration": {
            "Name": name,
            "ParameterValueType": "SINGLE_VALUED",
            "DefaultValues": {"StaticValues": [0]},
        }
    }
    at = {
        "NumericEqualityFilter": {
            "FilterId": f"slider-{visual.id}",
            "Column": fields.identifier(source, HOURS_BEFORE),
            "MatchOperator": "EQUALS",
            "ParameterName": name,
            "NullOption": "NON_NULLS_ONLY",
        }
    }
    group = _group(f"slider-{visual.id}", at, _only(sheet, visual))
    return Parts(calculated=(before,), parameters=(parameter,), controls=(control,), filter_groups=(group,))


def _newest(visual: Visual, source: Source) -> str:
    """Return the newest hour that a row is observed well enough in, or the newest of all where none is.

    The hour that runs has hardly begun. The page asks for the share of all places together, which would be a window of
    a window.
    """
    hour = f"{{{visual.slider}}}"
    newest = f"maxOver({hour}, [], PRE_FILTER)"
    reliability, observed = source.dataset.reliability, fields.row_observed(source)
    if reliability is None or observed is None:
        return newest
    reliable = f"ifelse({observed} >= {reliability.at_least:g}, {hour}, NULL)"
    return f"coalesce(maxOver({reliable}, [], PRE_FILTER), {newest})"


def first_rows(sheet: Sheet, visual: Visual, source: Source, measure: str) -> Parts:
    """Return the filter that leaves a table the rows that come first by a measure."""
    descending = visual.sort is None or visual.sort.descending
    by = fields.identifier(source, measure)
    top = {
        "TopBottomFilter": {
            "FilterId": f"first-{visual.id}",
            "Column": fields.identifier(source, fields.column_shown(source, visual.rows[0])),
            "Limit": visual.limit,
            "AggregationSortConfigurations": [{"Column": by, "SortDirection": "DESC" if descending else "ASC"}],
        }
    }
    return Parts(filter_groups=(_group(f"first-{visual.id}", top, _only(sheet, visual)),))


def not_applied(visual: Visual, dashboard: Dashboard, source: Source) -> list[str]:
    """Return the titles of the controls that do not work on a visual."""
    applied = _applied(dashboard, fields.sources_of(source.specs, dashboard, source.time_zone))
    titles = [control.title for control, _ in applied if not _has_column(control, source)]
    dates = [control.title for control in dashboard.controls if control.kind == "date_range" and visual.slider]
    return [*dates, *titles]


def _applied(dashboard: Dashboard, sources: dict[str, Source]) -> list[tuple[Control, list[Source]]]:
    """Return the controls with the datasets that they filter, without those that filter none of QuickSight's."""
    by_control = [
        (control, [source for source in sources.values() if _has_column(control, source)])
        for control in dashboard.controls
    ]
    return [(control, filtered) for control, filtered in by_control if filtered]


def _has_column(control: Control, source: Source) -> bool:
    """Tell whether a control can filter a dataset; each has days."""
    return control.column is None or control.column in source.dataset.all_columns


def _default_days(control: Control, dashboard: Dashboard) -> int:
    """Return how many days a dashboard opens with: those to look at, and before them the weeks to compare with.

    A line finds earlier weeks only among the days that the filter leaves it.
    """
    return (control.default_days or _DAYS_SHOWN) + 7 * max(visual.compare_weeks for visual in dashboard.visuals)


def _parameters(control: Control, dashboard: Dashboard, time_zone: str) -> list[Definition]:
    if control.kind == "date_range":
        today = days.today(time_zone)
        first = f"addDateTime(-{_default_days(control, dashboard) - 1}, 'DD', {today})"
        return [_date_parameter(DATE_FROM, first), _date_parameter(DATE_TO, today)]
    name = _parameter_name(control.id)
    if control.kind == "leave_out":
        return [
            {
                "StringParameterDeclaration": {
                    "Name": name,
                    "ParameterValueType": "SINGLE_VALUED",
                    "DefaultValues": {"StaticValues": [_KEEP]},
                }
            }
        ]
    return [_text_parameter(name, "MULTI_VALUED")]


def _date_parameter(name: str, expression: str) -> Definition:
    rolling = {"RollingDate": {"Expression": expression}}
    return {"DateTimeParameterDeclaration": {"Name": name, "TimeGranularity": "DAY", "DefaultValues": rolling}}


def _text_parameter(name: str, kind: str = "SINGLE_VALUED") -> Definition:
    """Return a parameter that stands for all values as long as none is picked."""
    return {
        "StringParameterDeclaration": {
            "Name": name,
            "ParameterValueType": kind,
            "DefaultValues": {"StaticValues": []},
            "ValueWhenUnset": {"ValueWhenUnsetOption": "RECOMMENDED_VALUE"},
        }
    }


def _parameter_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _left_out_name(control: Control) -> str:
    return f"{control.title}?"


def _left_out(control: Control, source: Source) -> Definition:
    asked = f"${{{_parameter_name(control.id)}}} = '{_LEAVE_OUT}'"
    is_it = f"{{{control.column}}} = '{control.value}'"
    return fields.calculated(source, _left_out_name(control), f"ifelse({asked} AND {is_it}, '{_LEAVE_OUT}', '{_KEEP}')")


def _filter(control: Control, source: Source) -> Definition:
    filter_id = f"{control.id}-{source.dataset.name}"
    if control.kind == "date_range":
        by_time = fields.local_date(source)
        return {
            "TimeRangeFilter": {
                "FilterId": filter_id,
                "Column": fields.identifier(source, by_time["Name"] if by_time else source.dataset.date),
                "IncludeMinimum": True,
                "IncludeMaximum": True,
                "RangeMinimumValue": {"Parameter": DATE_FROM},
                "RangeMaximumValue": {"Parameter": DATE_TO},
                "NullOption": "NON_NULLS_ONLY",
                "TimeGranularity": "DAY",
            }
        }
    if control.kind == "leave_out":
        kept = {"MatchOperator": "EQUALS", "CategoryValue": _KEEP, "NullOption": "NON_NULLS_ONLY"}
        column = fields.identifier(source, _left_out_name(control))
        configuration = {"CustomFilterConfiguration": kept}
        return {"CategoryFilter": {"FilterId": filter_id, "Column": column, "Configuration": configuration}}
    column = fields.identifier(source, choice_name(str(control.column)))
    return _equals_parameter(filter_id, column, _parameter_name(control.id))


def _equals_parameter(filter_id: str, column: Definition, parameter: str) -> Definition:
    equal = {"MatchOperator": "EQUALS", "ParameterName": parameter, "NullOption": "NON_NULLS_ONLY"}
    configuration = {"CustomFilterConfiguration": equal}
    return {"CategoryFilter": {"FilterId": filter_id, "Column": column, "Configuration": configuration}}


def _group(group_id: str, definition: Definition, scope: Sequence[Definition]) -> Definition:
    return {
        "FilterGroupId": group_id,
        "Filters": [definition],
        "ScopeConfiguration": {"SelectedSheets": {"SheetVisualScopingConfigurations": list(scope)}},
        "Status": "ENABLED",
        "CrossDataset": "SINGLE_DATASET",
    }


def _only(sheet: Sheet, visual: Visual) -> list[Definition]:
    return [{"SheetId": sheet.id, "Scope": "SELECTED_VISUALS", "VisualIds": [visual.id]}]


def _scope(dashboard: Dashboard, source: Source, *, dates: bool) -> list[Definition]:
    """Return the visuals of a dataset by sheet. One with a slider of its own is not filtered by the dates."""
    scope = []
    for sheet in dashboard.sheets:
        on_it = [visual for visual in sheet.visuals if visual.dataset == source.dataset.name]
        names = [name for visual in on_it if not (dates and visual.slider) for name in visual_ids(visual)]
        if names:
            scope.append({"SheetId": sheet.id, "Scope": "SELECTED_VISUALS", "VisualIds": names})
    return scope


def visual_ids(visual: Visual) -> list[str]:
    """Return the ids of what a visual of the spec becomes: figures are one visual each."""
    if visual.kind == "kpi":
        return [f"{visual.id}-{measure}" for measure in visual.measures]
    return [visual.id]


def _control(sheet: Sheet, parameter: str, title: str) -> Definition:
    return {"ParameterControlId": f"{sheet.id}-{parameter}", "Title": title, "SourceParameterName": parameter}


def _dropdown(sheet: Sheet, control: Control, values: Definition, *, multiple: bool) -> Definition:
    # QuickSight shows at most 100 characters behind the sign for information.
    hint = {"InfoIconLabelOptions": {"Visibility": "VISIBLE", "InfoIconText": control.description[:100]}}
    everything = {"SelectAllOptions": {"Visibility": "VISIBLE" if multiple else "HIDDEN"}}
    return {
        "Dropdown": {
            **_control(sheet, _parameter_name(control.id), control.title),
            "DisplayOptions": {**_TITLE, **everything, **hint},
            "Type": "MULTI_SELECT" if multiple else "SINGLE_SELECT",
            "SelectableValues": values,
        }
    }
