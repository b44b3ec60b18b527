"""Fields of visuals: dimensions, measures as calculated fields, and the format of their figures."""

from dataclasses import dataclass
from typing import Any

from dashboards import formula
from dashboards.quicksight import datasets, days, expressions
from dashboards.spec import Dashboard, Dataset, Measure, Specs

Definition = dict[str, Any]
HOUR = "hour (local)"
_LOCAL_TIME = "time (local, standard time)"
_TIMES = ("date", "instant")
# A column of hours, as instants, and those that say the same in local time.
_HOUR_START, _LOCAL = "hour_start", ("local_date", "local_hour")


@dataclass(frozen=True)
class Source:
    """A dataset as visuals use it, of a city in a time zone."""

    specs: Specs
    dataset: Dataset
    time_zone: str

    @property
    def counted(self) -> str:
        """A column that no row lacks."""
        return self.dataset.grain[0]

    @property
    def has_local_hours(self) -> bool:
        """Whether its hours can be shown in local time: QuickSight itself knows no zone of a column.

        Its zone of a whole dashboard (`AssetOptions.Timezone`) converts every date-time, and a day is one at midnight:
        west of Greenwich each would be the day before ("Setting custom time zones in an analysis").
        """
        return {_HOUR_START, *_LOCAL} <= self.dataset.all_columns.keys()


def sources_of(specs: Specs, dashboard: Dashboard, time_zone: str) -> dict[str, Source]:
    """Return the datasets by name that a dashboard's visuals use and QuickSight can read."""
    return {
        visual.dataset: Source(specs, specs.datasets[visual.dataset], time_zone)
        for visual in dashboard.visuals
        if specs.datasets[visual.dataset].source == "athena"
    }


def identifier(source: Source, name: str) -> Definition:
    """Return what names a column or calculated field of a dataset."""
    return {"DataSetIdentifier": source.dataset.name, "ColumnName": name}


def calculated(source: Source, name: str, expression: str) -> Definition:
    """Return a calculated field."""
    return {"DataSetIdentifier": source.dataset.name, "Name": name, "Expression": expression}


def local_hour(source: Source) -> Definition:
    """Return the start of a row's hour in local time; where clocks go back, two hours become one."""
    return calculated(source, HOUR, "addDateTime({local_hour}, 'HH', {local_date})")


def date_is_instant(source: Source) -> bool:
    """Tell whether a dataset is filtered by an instant, which is UTC, and not by a local day."""
    return source.dataset.all_columns[str(source.dataset.date)].type == "instant"


def local_date(source: Source) -> Definition | None:
    """Return the field that chosen days filter a dataset by where that is no column of it."""
    if not date_is_instant(source):
        return None
    return calculated(source, _LOCAL_TIME, days.local(f"{{{source.dataset.date}}}", source.time_zone))


def column_shown(source: Source, column: str) -> str:
    """Return the field that stands for a column: never empty where it is chosen by, local where it is an hour."""
    if column == _HOUR_START and source.has_local_hours:
        return HOUR
    if column in datasets.choice_columns(source.specs, source.dataset):
        return datasets.choice_name(column)
    return column


def column_title(source: Source, column: str) -> str:
    """Return what a planner reads for a column; instants say that they are UTC."""
    if column_shown(source, column) == HOUR:
        return HOUR
    declared = source.dataset.all_columns[column]
    return f"{declared.title} (UTC)" if declared.type == "instant" else declared.title


def dimension(source: Source, field_id: str, column: str) -> Definition:
    """Return a dimension for a field well: dates by day, hours by hour, other instants by minute."""
    kind = source.dataset.all_columns[column].type
    field = {"FieldId": field_id, "Column": identifier(source, column_shown(source, column))}
    if kind in _TIMES:
        granularity = "DAY" if kind == "date" else "HOUR" if "hour" in column else "MINUTE"
        return {"DateDimensionField": {**field, "DateGranularity": granularity}}
    return {"CategoricalDimensionField" if kind == "text" else "NumericalDimensionField": field}


def measure_name(measure: Measure) -> str:
    """Return what a planner reads for a measure, with its unit."""
    return measure.title if measure.unit == "1" else f"{measure.title} ({measure.unit})"


def measure_field(source: Source, name: str) -> Definition:
    """Return a measure as a calculated field."""
    measure = source.dataset.measures[name]
    expression = expressions.aggregated(formula.parse(measure.formula), counted=source.counted)
    if source.has_local_hours and measure_is_time(source, name):
        expression = expression.replace(f"{{{_HOUR_START}}}", f"{{{HOUR}}}")
    return calculated(source, measure_name(measure), expression)


def measure_is_time(source: Source, name: str) -> bool:
    """Tell whether a measure is a moment, such as the newest hour, and no figure."""
    tree = formula.parse(source.dataset.measures[name].formula)
    (first, *others) = formula.aggregates(tree)
    read = formula.columns(first.row) if first.row else set()
    return (
        not others
        and first.function in ("min", "max")
        and len(read) == 1
        and source.dataset.all_columns[next(iter(read))].type in _TIMES
    )


def value(source: Source, field_id: str, field: Definition, measure: Measure, *, time: bool = False) -> Definition:
    """Return a calculated field for a field well; it aggregates by itself."""
    well = {"FieldId": field_id, "Column": identifier(source, field["Name"])}
    if time:
        return {"DateMeasureField": {**well, "FormatConfiguration": {"DateTimeFormat": "YYYY-MM-DD HH:mm"}}}
    return {"NumericalMeasureField": {**well, "FormatConfiguration": number_format(measure)}}


def number_format(measure: Measure) -> Definition:
    """Return the format of a measure's figures: decimals, thousands, the unit behind, and a word for no figure."""
    unit = {} if measure.unit == "1" or "–" in measure.unit else {"Suffix": f" {measure.unit}"}
    return {
        "FormatConfiguration": {
            "NumberDisplayFormatConfiguration": {
                **unit,
                "DecimalPlacesConfiguration": {"DecimalPlaces": measure.digits},
                "NumberScale": "NONE",
                "SeparatorConfiguration": {
                    "DecimalSeparator": "DOT",
                    "ThousandsSeparator": {"Symbol": "COMMA", "Visibility": "VISIBLE"},
                },
                "NullValueFormatConfiguration": {"NullString": "unknown"},
            }
        }
    }


def is_doubtful(source: Source) -> str | None:
    """Return the condition that a cell is observed too little, or None for a dataset that cannot say."""
    reliability = source.dataset.reliability
    if reliability is None:
        return None
    measure = source.dataset.measures[reliability.measure]
    return f"{{{measure_name(measure)}}} < {reliability.at_least:g}"


def row_observed(source: Source) -> str | None:
    """Return the share of a single row that was observed, in %, or None for a dataset that cannot say."""
    reliability = source.dataset.reliability
    if reliability is None:
        return None
    return expressions.of_one_row(formula.parse(source.dataset.measures[reliability.measure].formula))


def doubt(source: Source) -> str:
    """Return in words what makes a cell doubtful."""
    reliability = source.dataset.reliability
    if reliability is None:
        return ""
    return f"under {reliability.at_least:g} % observed"
