"""Series of lines and bars, and what is made of a measure: reliable and doubtful cells, earlier weeks, change."""

from typing import Any

from dashboards import formula
from dashboards.quicksight import colors, controls, expressions, fields
from dashboards.quicksight.fields import Source
from dashboards.spec import Measure, Visual

Definition = dict[str, Any]


def value(visual: Visual, source: Source, name: str, field: Definition | None = None, suffix: str = "") -> Definition:
    """Return a measure, or a calculated field made of it, for a field well of a visual."""
    field = field or fields.measure_field(source, name)
    time = fields.measure_is_time(source, name)
    measure = source.dataset.measures[name]
    return fields.value(source, f"{visual.id}.{name}{suffix}", field, measure, time=time)


def only_if(source: Source, name: str, *, doubtful: bool) -> Definition:
    """Return a measure of the cells that are observed enough, or of the others; elsewhere it is unknown."""
    measure = fields.measure_field(source, name)
    whole = f"{{{measure['Name']}}}"
    kept = f"NULL, {whole}" if not doubtful else f"{whole}, NULL"
    described = f"{measure['Name']}, {fields.doubt(source)}" if doubtful else f"{measure['Name']}, where reliable"
    return fields.calculated(source, described, f"ifelse({fields.is_doubtful(source)}, {kept})")


def marks_doubt(source: Source, name: str) -> bool:
    """Tell whether cells of a measure can be doubtful: the share observed itself never is."""
    return source.dataset.reliability is not None and source.dataset.reliability.measure != name


def series_of(
    visual: Visual, source: Source
) -> tuple[list[Definition], list[Definition], list[Definition], Definition]:
    """Return values, colour dimensions, calculated fields and palette of a line or bar chart."""
    if visual.series is not None:
        field = _series_with_doubt(visual, source)
        color = {"FieldId": f"{visual.id}.series", "Column": fields.identifier(source, field["Name"])}
        first = visual.measures[0]
        return [value(visual, source, first)], [{"CategoricalDimensionField": color}], [field], {}
    values, made, palette = [], [], []
    for number, name in enumerate(visual.measures):
        hue = colors.SERIES[number % len(colors.SERIES)]
        if marks_doubt(source, name):
            for doubtful, suffix, color in ((False, "", hue), (True, ".doubtful", colors.DOUBTFUL)):
                field = only_if(source, name, doubtful=doubtful)
                values.append(value(visual, source, name, field, suffix))
                made.append(field)
                palette.append(_color_of_field(field["Name"], f"{visual.id}.{name}{suffix}", color))
        else:
            values.append(value(visual, source, name))
            palette.append(_color_of_field(name, f"{visual.id}.{name}", hue))
        for weeks in range(1, visual.compare_weeks + 1):
            field = _earlier(visual, source, name, weeks)
            values.append(value(visual, source, name, field, f".{weeks}"))
            made.append(field)
            later = colors.SERIES[(number + weeks) % len(colors.SERIES)]
            palette.append(_color_of_field(field["Name"], f"{visual.id}.{name}.{weeks}", later))
    return values, [], made, {"VisualPalette": {"ColorMap": palette}}


def _color_of_field(name: str, field_id: str, color: str) -> Definition:
    return {"Element": {"FieldId": field_id, "FieldValue": name}, "Color": color}


def _earlier(visual: Visual, source: Source, name: str, weeks: int) -> Definition:
    """Return a measure of the same weekday so many weeks before, of days that the chosen ones hold."""
    measure = fields.measure_field(source, name)["Name"]
    expression = f"periodOverPeriodLastValue({{{measure}}}, {{{visual.x}}}, WEEK, {weeks})"
    return fields.calculated(source, f"{measure}, {weeks} week{'s' * (weeks > 1)} earlier", expression)


def _series_with_doubt(visual: Visual, source: Source) -> Definition:
    """Return the series of a row, with a series of its own for cells that are observed too little."""
    series = fields.column_shown(source, str(visual.series))
    title = fields.column_title(source, str(visual.series))
    reliability = source.dataset.reliability
    if reliability is None:
        return fields.calculated(source, f"{title}, shown", f"{{{series}}}")
    cell = [fields.column_shown(source, str(visual.x)), series]
    tree = formula.parse(source.dataset.measures[reliability.measure].formula)
    observed = expressions.over(tree, cell, counted=source.counted)
    marked = f"concat({{{series}}}, ', {fields.doubt(source)}')"
    return fields.calculated(
        source, f"{title}, shown", f"ifelse({observed} < {reliability.at_least:g}, {marked}, {{{series}}})"
    )


def change(visual: Visual, source: Source) -> Definition:
    """Return the change of a measure, in percent, that `change_in_words` tells of."""
    if visual.trend is None:
        raise ValueError(f"{visual.id} has no trend")
    measure = source.dataset.measures[visual.trend.measure]
    tree = formula.parse(measure.formula)
    # The last of the chosen days is today at first, which is not over.
    end = f"${{{controls.DATE_TO}}}"
    middle, start = (f"addDateTime(-{days}, 'DD', {end})" for days in (7, 14))
    last, before = (
        expressions.aggregated(
            tree,
            counted=source.counted,
            only_where=f"{{{visual.trend.over}}} >= {first} AND {{{visual.trend.over}}} < {after}",
        )
        for first, after in ((middle, end), (start, middle))
    )
    name = f"{measure.title}, 7 whole days against the 7 before (%)"
    return fields.calculated(source, name, f"(100.0 * ({last} - {before}) / nullIf({before}, 0))")


def change_in_words(measure: Measure) -> str:
    """Return what `change` computes, which is other than on the local page."""
    days = "of the 7 days before the last chosen day, against the 7 days before those"
    return f"Here, on QuickSight, the trend is {measure.title.lower()} {days}."
