"""Series of lines and bars, and what is made of a measure: reliable and doubtful cells, earlier weeks, change."""

from typing import Any

from dashboards import formula
from dashboards.quicksight import colors, controls, days, expressions, fields
from dashboards.quicksight.fields import Source
from dashboards.spec import Trend, Visual

Definition = dict[str, Any]
_WEEK_DAYS = 7


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
            shown = fields.measure_field(source, name)["Name"]
            palette.append(_color_of_field(shown, f"{visual.id}.{name}", hue))
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


def change(trend: Trend, source: Source) -> Definition:
    """Return the change of a measure's mean per day, in percent, that `change_in_words` tells of."""
    measure = source.dataset.measures[trend.measure]
    column = formula.summed_column(formula.parse(measure.formula))
    per_day = formula.parse(f"sum({column}) / distinct({trend.over}, when=known({column}))")
    chosen, today = f"${{{controls.DATE_TO}}}", days.today(source.time_zone)
    end = f"ifelse({chosen} < {today}, addDateTime(1, 'DD', {chosen}), {today})"
    start, end_before, start_before = (
        f"addDateTime(-{ago}, 'DD', {end})" for ago in (trend.days, _WEEK_DAYS, _WEEK_DAYS + trend.days)
    )
    # Rows of days that are not chosen are not there, so that a part of the days would be taken for all.
    all_chosen = f"${{{controls.DATE_FROM}}} <= {start_before}"
    last = _within(trend.over, start, end)
    before = f"{_within(trend.over, start_before, end_before)} AND {all_chosen}"
    now, earlier = (
        expressions.aggregated(per_day, counted=source.counted, only_where=window) for window in (last, before)
    )
    name = f"{measure.title} per day, {trend.days} whole days against a week before (%)"
    return fields.calculated(source, name, f"(100.0 * {now} / nullIf({earlier}, 0) - 100.0)")


def _within(column: str, start: str, end: str) -> str:
    return f"{{{column}}} >= {start} AND {{{column}}} < {end}"


def change_in_words(trend: Trend, source: Source) -> str:
    """Return what `change` computes: the page alone compares day with day."""
    measure = source.dataset.measures[trend.measure].title.lower()
    return (
        f"Trend: mean {measure} per day of the last {trend.days} whole days up to the chosen end, against the same"
        " weekdays a week before. Here each side has all of its days with a figure, whether or not the other side has"
        " their partners, and doubtful ones too; there is no trend unless the chosen days hold both sides."
    )
