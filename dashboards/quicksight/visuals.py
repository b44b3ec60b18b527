"""Visuals of the specs as those of QuickSight.

QuickSight has neither hatching nor hollow marks. What is observed too little is light grey: a series of its own beside
lines and bars, a cell without colour, a grey row, a grey point.
"""

from collections.abc import Callable
from typing import Any

from dashboards import formula
from dashboards.quicksight import colors, controls, expressions, fields, series
from dashboards.quicksight.fields import Source
from dashboards.quicksight.parts import Parts, together
from dashboards.spec import Dashboard, Sheet, Visual

Definition = dict[str, Any]
_LONGEST_TEXT = 1024
_HALF, _WHOLE = (18, 10), (36, 12)
_FIGURE = (6, 4)
_SEVERAL = "several"


def visual_parts(dashboard: Dashboard, sheet: Sheet, visual: Visual, source: Source) -> Parts:
    """Return a visual of the spec with all that it needs declared, and the controls that only it has."""
    notes = _notes(dashboard, visual, source)
    parts = [_declared(visual, source), controls.choose(sheet, visual, source)]
    if visual.kind == "kpi":
        parts.append(_figures(visual, source, notes))
    else:
        chart = _CHARTS[visual.kind](visual, source)
        for definition, _, _ in chart.visuals:
            (body,) = definition.values()
            body.update(_texts(visual, source, notes))
        parts.append(chart)
    if visual.slider:
        parts.append(controls.slider(sheet, visual, source))
    if visual.kind == "table" and visual.limit and visual.sort and visual.sort.by in source.dataset.measures:
        by = fields.measure_field(source, visual.sort.by)["Name"]
        parts.append(controls.first_rows(sheet, visual, source, by))
    return together(parts)


def _declared(visual: Visual, source: Source) -> Parts:
    """Return the calculated fields that all visuals of a kind have: measures, what makes doubtful, local hours."""
    names = dict.fromkeys(visual.measures)
    if source.dataset.reliability:
        names[source.dataset.reliability.measure] = None
    if visual.sort and visual.sort.by in source.dataset.measures:
        names[visual.sort.by] = None
    hours = (fields.local_hour(source),) if source.has_local_hours else ()
    return Parts(calculated=(*hours, *(fields.measure_field(source, name) for name in names)))


def _texts(visual: Visual, source: Source, notes: str) -> Definition:
    """Return title, subtitle and text alternative: how to read it, its units, and the notes."""
    units = dict.fromkeys(fields.measure_name(source.dataset.measures[name]) for name in visual.measures)
    return _text(visual.title, f"{visual.description} Shown: {', '.join(units)}. {notes}")


def _notes(dashboard: Dashboard, visual: Visual, source: Source) -> str:
    """Say what is other than on the local page, and which controls do not work on a visual."""
    says = []
    if source.dataset.reliability:
        says.append(f"Grey here, in place of hatching and hollow marks: {fields.doubt(source)}.")
    if visual.choose:
        title = fields.column_title(source, visual.choose)
        says.append(f"Here all are shown together until one {title} is picked in the list of this visual.")
    if visual.slider:
        says.append(_slider_in_words(source))
    if visual.kind == "map":
        place = fields.column_title(source, str(visual.place))
        says.append(
            f"A brown mark has no figure. Point at a mark to read its {place}; “{_SEVERAL}” means more than one with"
            " this place and colour."
        )
    if visual.trend:
        says.append(series.change_in_words(visual.trend, source))
    if visual.compare_weeks:
        says.append("Here earlier weeks are shown as far as the chosen days hold them.")
    if fields.date_is_instant(source):
        says.append("Times are UTC; chosen days are those of the city's standard time.")
    if unused := controls.not_applied(visual, dashboard, source):
        says.append(f"Not filtered by: {', '.join(unused)}.")
    return " ".join(says)


def _slider_in_words(source: Source) -> str:
    if source.dataset.reliability is None:
        return "The slider counts hours back from the newest."
    enough = f"{source.dataset.reliability.at_least:g} % observed"
    return f"Here the slider counts hours back from the newest in which any place of the city was {enough}."


def _text(title: str, says: str) -> Definition:
    return {
        "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": title}},
        "Subtitle": {"Visibility": "VISIBLE", "FormatText": {"PlainText": says.strip()[:_LONGEST_TEXT]}},
        "VisualContentAltText": f"{title}. {says.strip()}"[:_LONGEST_TEXT],
    }


def _dimension(visual: Visual, source: Source, column: str) -> Definition:
    return fields.dimension(source, f"{visual.id}.{column}", column)


def _figures(visual: Visual, source: Source, notes: str) -> Parts:
    """Return one visual for each figure: QuickSight has one in each."""
    made = []
    for visual_id, name in zip(controls.visual_ids(visual), visual.measures, strict=True):
        measure = source.dataset.measures[name]
        chart: Definition = {"FieldWells": {"Values": [series.value(visual, source, name)]}}
        body: Definition = {"VisualId": visual_id, "ChartConfiguration": chart}
        if series.marks_doubt(source, name) and not fields.measure_is_time(source, name):
            _add_share_observed(visual_id, body, source)
        says = f"{measure.description} {visual.title}: {visual.description} {notes}"
        body |= _text(fields.measure_name(measure), says)
        made.append(({"KPIVisual": body}, *_FIGURE))
    return Parts(visuals=tuple(made))


def _add_share_observed(visual_id: str, body: Definition, source: Source) -> None:
    """Show the share observed below a figure, which is grey by it: a rule can only ask for what is in the visual."""
    if source.dataset.reliability is None:
        return
    name = source.dataset.reliability.measure
    field, measure = fields.measure_field(source, name), source.dataset.measures[name]
    hidden = {"Visibility": "HIDDEN"}
    chart = body["ChartConfiguration"]
    chart["FieldWells"]["TargetValues"] = [fields.value(source, f"{visual_id}.observed", field, measure)]
    chart["KPIOptions"] = {
        "ProgressBar": hidden,
        "TrendArrows": hidden,
        "SecondaryValue": {"Visibility": "VISIBLE"},
        "PrimaryValueDisplayType": "ACTUAL",
    }
    grey = {"TextColor": {"Solid": {"Expression": fields.is_doubtful(source), "Color": colors.DOUBTFUL_TEXT}}}
    body["ConditionalFormatting"] = {"ConditionalFormattingOptions": [{"PrimaryValue": grey}]}


def _band(visual: Visual, source: Source) -> tuple[Definition, Definition]:
    """Return the class of congestion of a row of a map, as text, and the colour of each class.

    A point's colour can only be one of a dimension, so the measure is that of the row: place and slider make a row.
    Raises ValueError for a map of a dataset whose grain is another.
    """
    if set(source.dataset.grain) != {visual.place, visual.slider} or visual.colors is None:
        raise ValueError(f"{visual.id}: place and slider are not the grain of {source.dataset.name}")
    name = visual.measures[0]
    measure = source.dataset.measures[name]
    figure = expressions.of_one_row(formula.parse(measure.formula))
    palette = colors.steps(visual.colors, measure)
    step = (visual.colors.high - visual.colors.low) / len(palette)
    bounds = [visual.colors.low + step * each for each in range(len(palette) + 1)]
    # Numbered, so that the legend is in order.
    labels = [f"{n + 1}: {bounds[n]:g} to {bounds[n + 1]:g}" for n in range(len(palette))]
    unknown, doubtful = f"{len(palette) + 2}: unknown", f"{len(palette) + 1}: {fields.doubt(source)}"
    cases = [f"isNull({figure})", f"'{unknown}'"]
    coloured = {unknown: colors.NO_FIGURE_MARK}
    if source.dataset.reliability:
        cases += [f"{fields.row_observed(source)} < {source.dataset.reliability.at_least:g}", f"'{doubtful}'"]
        coloured[doubtful] = colors.DOUBTFUL
    for label, bound in zip(labels[:-1], bounds[1:-1], strict=True):
        cases += [f"{figure} < {bound:g}", f"'{label}'"]
    field = fields.calculated(source, f"{measure.title}, class", f"ifelse({', '.join(cases)}, '{labels[-1]}')")
    return field, {**dict(zip(labels, palette, strict=True)), **coloured}


def _map(visual: Visual, source: Source) -> Parts:
    band, coloured = _band(visual, source)
    color_id = f"{visual.id}.class"
    color = {"FieldId": color_id, "Column": fields.identifier(source, band["Name"])}
    places = [
        {
            "NumericalDimensionField": {
                "FieldId": f"{visual.id}.{column}",
                "Column": fields.identifier(source, column),
            }
        }
        for column in ("latitude", "longitude")
    ]
    # A measure in the well of values is the size of a mark, and what has no figure would have none.
    wells = {"Geospatial": places, "Colors": [{"CategoricalDimensionField": color}]}
    color_map = [
        {"Element": {"FieldId": color_id, "FieldValue": label}, "Color": each} for label, each in coloured.items()
    ]
    chart = {
        "FieldWells": {"GeospatialMapAggregatedFieldWells": wells},
        "Legend": {"Visibility": "VISIBLE", "Position": "BOTTOM"},
        "Tooltip": _named_points(visual, source, color_id),
        "MapStyleOptions": {"BaseMapStyle": "LIGHT_GRAY"},
        "PointStyleOptions": {"SelectedPointStyle": "POINT"},
        "VisualPalette": {"ColorMap": color_map},
    }
    body = {"VisualId": visual.id, "ChartConfiguration": chart}
    return Parts(visuals=(({"GeospatialMapVisual": body}, *_WHOLE),), calculated=(band,))


def _named_points(visual: Visual, source: Source, color_id: str) -> Definition:
    """Return what pointing at a mark of a map tells: the name of its place, its class, and the measures.

    A map's rows are by coordinates and class, and its wells take no name. A column that is in no well can be shown by
    its unique value ("ColumnTooltipItem" and "AttributeAggregationFunction" of the API reference), a measure as it is:
    it aggregates by itself.
    """
    unique = {"SimpleAttributeAggregation": "UNIQUE_VALUE", "ValueForMultipleValues": _SEVERAL}
    place = {
        "Column": fields.identifier(source, fields.column_shown(source, str(visual.place))),
        "Label": fields.column_title(source, str(visual.place)),
        "Visibility": "VISIBLE",
        "Aggregation": {"AttributeAggregationFunction": unique},
    }
    band = {"FieldId": color_id, "Visibility": "VISIBLE"}
    names = [fields.measure_field(source, name)["Name"] for name in visual.measures]
    figures = [{"Column": fields.identifier(source, name), "Label": name, "Visibility": "VISIBLE"} for name in names]
    items = [{"ColumnTooltipItem": place}, {"FieldTooltipItem": band}]
    items += [{"ColumnTooltipItem": figure} for figure in figures]
    shown = {"TooltipTitleType": "NONE", "TooltipFields": items}
    return {"TooltipVisibility": "VISIBLE", "SelectedTooltipType": "DETAILED", "FieldBasedTooltip": shown}


def _heat_map(visual: Visual, source: Source) -> Parts:
    name = visual.measures[0]
    field = fields.measure_field(source, name)
    if series.marks_doubt(source, name):
        field = series.only_if(source, name, doubtful=False)
    shown = series.value(visual, source, name, field)
    wells = {
        "Rows": [_dimension(visual, source, str(visual.y))],
        "Columns": [_dimension(visual, source, str(visual.x))],
        "Values": [shown],
    }
    by_columns = [_sort(f"{visual.id}.{visual.x}", descending=False)]
    descending = bool(visual.sort and visual.sort.descending)
    by_rows = f"{visual.id}.{name}" if visual.sort else f"{visual.id}.{visual.y}"
    sort: Definition = {
        "HeatMapRowSort": [_sort(by_rows, descending=descending)],
        "HeatMapColumnSort": by_columns,
        "HeatMapRowItemsLimitConfiguration": {"ItemsLimit": visual.limit or 100, "OtherCategories": "EXCLUDE"},
        "HeatMapColumnItemsLimitConfiguration": {"ItemsLimit": 100, "OtherCategories": "EXCLUDE"},
    }
    if visual.colors is None:
        raise ValueError(f"{visual.id}: a heat map has colours")
    chart = {
        "FieldWells": {"HeatMapAggregatedFieldWells": wells},
        "SortConfiguration": sort,
        "RowLabelOptions": _labels(fields.column_title(source, str(visual.y))),
        "ColumnLabelOptions": _labels(fields.column_title(source, str(visual.x))),
        "ColorScale": colors.scale(visual.colors, source.dataset.measures[name]),
        "Legend": {"Visibility": "VISIBLE"},
    }
    body = {"VisualId": visual.id, "ChartConfiguration": chart}
    return Parts(visuals=(({"HeatMapVisual": body}, *_HALF),), calculated=(field,))


def _line(visual: Visual, source: Source) -> Parts:
    values, by_color, made, palette = series.series_of(visual, source)
    wells = {"Category": [_dimension(visual, source, str(visual.x))], "Values": values, "Colors": by_color}
    # A gap stays a gap.
    missing = {"MissingDataConfigurations": [{"TreatmentOption": "SHOW_AS_BLANK"}]}
    chart = {
        "FieldWells": {"LineChartAggregatedFieldWells": wells},
        "SortConfiguration": {"CategorySort": [_sort(f"{visual.id}.{visual.x}", descending=False)]},
        "Type": "LINE",
        "XAxisLabelOptions": _labels(fields.column_title(source, str(visual.x))),
        "PrimaryYAxisLabelOptions": _labels(_axis_title(visual, source)),
        "PrimaryYAxisDisplayOptions": missing,
        "DefaultSeriesSettings": {"MarkerStyleSettings": {"MarkerVisibility": "VISIBLE"}},
        "Legend": {"Visibility": "VISIBLE", "Position": "BOTTOM"},
        **palette,
    }
    body = {"VisualId": visual.id, "ChartConfiguration": chart}
    return Parts(visuals=(({"LineChartVisual": body}, *_HALF),), calculated=tuple(made))


def _bar(visual: Visual, source: Source) -> Parts:
    values, by_color, made, palette = series.series_of(visual, source)
    category = _dimension(visual, source, str(visual.x))
    wells = {"Category": [category], "Values": values, "Colors": by_color}
    sort: Definition = {"CategorySort": [_sort(f"{visual.id}.{visual.x}", descending=False)]}
    if visual.sort:
        by = {"SortBy": fields.identifier(source, fields.measure_field(source, visual.sort.by)["Name"])}
        direction = {"Direction": "DESC" if visual.sort.descending else "ASC"}
        sort = {"CategorySort": [{"ColumnSort": {**by, **direction}}]}
    if visual.limit:
        sort["CategoryItemsLimit"] = {"ItemsLimit": visual.limit, "OtherCategories": "EXCLUDE"}
    chart = {
        "FieldWells": {"BarChartAggregatedFieldWells": wells},
        "SortConfiguration": sort,
        "Orientation": "HORIZONTAL" if "CategoricalDimensionField" in category else "VERTICAL",
        # A single measure has a part that is reliable and one that is not, of which each bar has one.
        "BarsArrangement": "STACKED" if visual.stacked or len(visual.measures) == 1 else "CLUSTERED",
        "CategoryLabelOptions": _labels(fields.column_title(source, str(visual.x))),
        "ValueLabelOptions": _labels(_axis_title(visual, source)),
        "Legend": {"Visibility": "VISIBLE", "Position": "BOTTOM"},
        **palette,
    }
    body = {"VisualId": visual.id, "ChartConfiguration": chart}
    return Parts(visuals=(({"BarChartVisual": body}, *_HALF),), calculated=tuple(made))


def _table(visual: Visual, source: Source) -> Parts:
    names = list(visual.measures)
    reliability = source.dataset.reliability
    if reliability and reliability.measure not in names:
        names.append(reliability.measure)
    values = [series.value(visual, source, name) for name in names]
    labels = {f"{visual.id}.{column}": fields.column_title(source, column) for column in visual.rows}
    made: list[Definition] = []
    inline: Definition = {}
    if visual.trend:
        name = visual.trend.measure
        change = series.change(visual.trend, source)
        made.append(change)
        percent = source.dataset.measures[name].model_copy(update={"unit": "%", "digits": 0})
        values.append(fields.value(source, f"{visual.id}.change", change, percent))
        spark = series.value(visual, source, name, suffix=".course")
        values.append(spark)
        labels[f"{visual.id}.{name}.course"] = f"{fields.measure_name(source.dataset.measures[name])}, day by day"
        course = {"FieldId": f"{visual.id}.{name}.course", "VisualType": "LINE"}
        axis = fields.dimension(source, f"{visual.id}.over", visual.trend.over)
        inline = {"TableInlineVisualizations": [{"Sparklines": {**course, "XAxisField": axis}}]}
        made.append(fields.measure_field(source, name))
    chart = {
        "FieldWells": {
            "TableAggregatedFieldWells": {
                "GroupBy": [_dimension(visual, source, column) for column in visual.rows],
                "Values": values,
            }
        },
        "FieldOptions": {
            "SelectedFieldOptions": [{"FieldId": name, "CustomLabel": label} for name, label in labels.items()]
        },
        **inline,
    }
    if visual.sort:
        chart["SortConfiguration"] = {
            "RowSort": [_sort(f"{visual.id}.{visual.sort.by}", descending=visual.sort.descending)]
        }
    body: Definition = {"VisualId": visual.id, "ChartConfiguration": chart}
    if doubtful := fields.is_doubtful(source):
        grey = {"BackgroundColor": {"Solid": {"Expression": doubtful, "Color": colors.NO_FIGURE}}}
        body["ConditionalFormatting"] = {"ConditionalFormattingOptions": [{"Row": grey}]}
    return Parts(visuals=(({"TableVisual": body}, *_WHOLE),), calculated=tuple(made))


def _axis_title(visual: Visual, source: Source) -> str:
    return ", ".join(fields.measure_name(source.dataset.measures[name]) for name in visual.measures)


def _labels(text: str) -> Definition:
    return {"Visibility": "VISIBLE", "AxisLabelOptions": [{"CustomLabel": text}]}


def _sort(field_id: str, *, descending: bool) -> Definition:
    return {"FieldSort": {"FieldId": field_id, "Direction": "DESC" if descending else "ASC"}}


_CHARTS: dict[str, Callable[[Visual, Source], Parts]] = {
    "map": _map,
    "heat_map": _heat_map,
    "line": _line,
    "bar": _bar,
    "table": _table,
}
