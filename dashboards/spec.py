"""What a dashboard is: the model of `dashboards/*.yaml` (one dashboard each) and `dashboards/datasets/*.yaml`.

From these come the local page and the QuickSight definitions; neither has a list of its own.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from dashboards import formula

FOLDER = Path(__file__).parent
DAYS = "marts.dim_date"  # what is known of a day, by local_date

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1), BeforeValidator(lambda text: " ".join(text.split()))]
Kind = Literal["map", "heat_map", "line", "bar", "table", "kpi"]
ColumnType = Literal["text", "number", "integer", "flag", "date", "instant"]
ON_A_MAP = {"latitude", "longitude", "position_km"}
PLACEHOLDERS = ("title", "measure", "unit", "cells", "unreliable", "top", "top_value", "bottom", "bottom_value")


class SpecError(ValueError):
    """A spec that cannot be used; the message names file and field."""


class Part(BaseModel):
    """A part of a spec: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Part):
    """A column of a dataset; what it means is told by the mart's own documentation."""

    name: Name
    type: ColumnType
    title: Text = Field(description="as a planner reads it, with the unit")


Model = TypeVar("Model", bound=Part)


class Join(Part):
    """Columns from another table, whose key is one row there; rows without a partner are kept."""

    mart: str = Field(pattern=r"^[a-z]+\.[a-z0-9_]+$")
    key: Name
    columns: tuple[Column, ...]


class Incremental(Part):
    """What a refresh reads again: rows whose column lies in the last `days`."""

    column: Name
    days: int = Field(ge=1)


class Measure(Part):
    """A figure over the rows of a cell; a ratio is a ratio of sums."""

    title: Text
    formula: str
    unit: Text = Field(description="`1` for a plain ratio, `%`, or the unit of metrics.md")
    digits: int = Field(1, ge=0, le=3)
    description: Text
    worse: Literal["high", "low", "neither"] = Field("neither", description="which end a planner should worry about")

    @field_validator("formula")
    @classmethod
    def _is_of_the_language(cls, text: str) -> str:
        formula.parse(text)
        return text


class Reliability(Part):
    """What makes a cell doubtful: the measure (in %) below its bound. Such cells are greyed or hatched everywhere."""

    measure: Name
    at_least: float


class Dataset(Part):
    """Rows that visuals are made of."""

    name: Name
    title: Text
    source: Literal["athena", "alert_table"] = Field("athena", description="alert_table: the alerts' DynamoDB table")
    source_reason: Text | None = Field(None, description="why it is not of Athena")
    mart: str | None = Field(None, pattern=r"^[a-z]+\.[a-z0-9_]+$", description="table: database.name")
    days_of: str | None = Field(
        None, pattern=r"^[a-z]+\.[a-z0-9_]+$", description="of a view: the table whose files tell the days of its rows"
    )
    absent: Text | None = Field(None, description="what to say where the table does not exist yet; else it must")
    grain: tuple[Name, ...] = Field(min_length=1, description="columns that make a row unique")
    columns: tuple[Column, ...]
    join: Join | None = None
    mode: Literal["spice", "direct_query"]
    mode_reason: Text
    incremental: Incremental | None = None
    row_security: Name | None = Field(None, description="zone column by which people see only their rows")
    date: Name | None = Field(
        None,
        description="column of the local day, or the instant, that the date control works on; none where rows are of "
        "the moment of the build, which the date control leaves alone",
    )
    latest_days: int | None = Field(None, ge=1, description="days that the local page holds at most, by its date")
    reliability: Reliability | None = None
    measures: dict[Name, Measure]

    @property
    def all_columns(self) -> dict[str, Column]:
        """Columns by name, those that are joined included."""
        return {column.name: column for column in (*self.columns, *(self.join.columns if self.join else ()))}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.source == "athena") != (self.mart is not None):
            raise ValueError("mart: a dataset of Athena names its table, another does not")
        if (self.source == "athena") != (self.source_reason is None):
            raise ValueError("source_reason: say why it is not of Athena, and only then")
        known = set(self.all_columns)
        named = {"grain": set(self.grain), "date": {self.date} - {None}}
        named["row_security"] = {self.row_security} - {None}
        named["incremental"] = {self.incremental.column} if self.incremental else set()
        named["join.key"] = {self.join.key} if self.join else set()
        for name, measure in self.measures.items():
            named[f"measures.{name}.formula"] = formula.columns(formula.parse(measure.formula))
        _refuse_unknown(named, known, "column")
        if (self.date is None) != (self.source == "alert_table") or (self.date is None) != (self.latest_days is None):
            raise ValueError("date: a dataset of Athena has one, with latest_days; the alerts' table has neither")
        if self.date is not None and self.all_columns[self.date].type not in ("date", "instant"):
            raise ValueError(f"date: {self.date} is neither a date nor an instant")
        if self.incremental and self.mode != "spice":
            raise ValueError("incremental: only SPICE is refreshed")
        of_reliability = {self.reliability.measure} if self.reliability else set()
        _refuse_unknown({"reliability.measure": of_reliability}, set(self.measures), "measure")
        return self


class Control(Part):
    """What filters all visuals of a dashboard whose dataset has the column, or, `of_day`, a day to know it by."""

    id: Name
    kind: Literal["date_range", "choice", "leave_out"]
    title: Text
    description: Text
    column: Name | None = Field(None, description="none for date_range, which works on each dataset's date")
    value: str | None = Field(None, description="of leave_out: the value of the column that is left out")
    of_day: bool = Field(
        False, description="the column is one of DAYS: the page filters a dataset without it by its date"
    )
    default_days: int | None = Field(
        None, ge=1, description="of date_range: days up to the newest of traffic that are shown where none are chosen"
    )

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        if (self.column is None) != (self.kind == "date_range"):
            raise ValueError("column: a date_range has none, the others have one")
        if (self.value is None) != (self.kind != "leave_out"):
            raise ValueError("value: a leave_out has one, the others have none")
        if self.of_day and self.column is None:
            raise ValueError("of_day: a date_range works on days anyway")
        if self.default_days is not None and self.kind != "date_range":
            raise ValueError("default_days: only a date_range has them")
        return self


class Colors(Part):
    """A colour-blind safe scale from a value to another, in the measure's unit."""

    scale: Literal["cividis", "viridis"]
    low: float
    high: float


class Trend(Part):
    """The change of a measure's mean per day against the same weekdays a week before, and its course over the days.

    The days that are compared are the last `days` whole ones up to the chosen end, whatever the chosen start is.
    """

    measure: Name = Field(description="the sum of a column, of which there can be a mean per day")
    over: Name = Field(description="column of the local day, by which the dataset is filtered")
    days: int = Field(7, ge=1, le=7, description="a week at most, so that no day is on both sides")


class Sort(Part):
    """Order of the cells."""

    by: Name = Field(description="a measure, or a dimension of the visual")
    descending: bool = True


class Visual(Part):
    """One picture or table.

    map: `place` by the first measure, at each `slider`; its dataset has latitude, longitude and, for the order of the
    places of a corridor, position_km. heat_map: `x` by `y` by the first measure. line and bar: `x`,
    the measures, one line or bar for each `series`. table: a row for each combination of `rows`. kpi: measures alone.
    """

    id: Name
    title: Text
    description: Text = Field(description="how to read it")
    dataset: Name
    kind: Kind
    measures: tuple[Name, ...] = Field(min_length=1)
    place: Name | None = None
    slider: Name | None = None
    x: Name | None = None
    y: Name | None = None
    series: Name | None = None
    rows: tuple[Name, ...] = ()
    choose: Name | None = Field(None, description="a dimension of which the viewer picks one value")
    sort: Sort | None = None
    limit: int | None = Field(None, ge=1, description="cells shown, the first by `sort`")
    compare_weeks: int = Field(0, ge=0, le=8, description="of a line over days: as many earlier weeks beside it")
    trend: Trend | None = None
    stacked: bool = Field(False, description="of bars with several measures: they are parts of one whole")
    colors: Colors | None = None
    text_alternative: Text

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Columns that its cells are by."""
        named = (self.place, self.slider, self.x, self.y, self.series, *self.rows, self.choose)
        return tuple(name for name in named if name is not None)

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        needs = {"map": ("place", "slider", "colors"), "heat_map": ("x", "y", "colors"), "table": ("rows",)}
        needed = needs.get(self.kind, () if self.kind == "kpi" else ("x",))
        for field in (*needed, *(["sort"] if self.limit else [])):
            if not getattr(self, field):
                raise ValueError(f"{field}: a {self.kind} needs it")
        try:
            self.text_alternative.format(**dict.fromkeys(PLACEHOLDERS, ""))
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"text_alternative: {error} is none of {', '.join(PLACEHOLDERS)}") from error
        return self


class Sheet(Part):
    """A page of a dashboard, with the question that it answers."""

    id: Name
    title: Text
    question: Text
    visuals: tuple[Visual, ...] = Field(min_length=1)


class Dashboard(Part):
    """What a planner opens."""

    name: Name
    title: Text
    description: Text
    position: int = Field(description="place among the dashboards")
    controls: tuple[Control, ...]
    sheets: tuple[Sheet, ...] = Field(min_length=1)

    @property
    def visuals(self) -> tuple[Visual, ...]:
        """Visuals of all its sheets."""
        return tuple(visual for sheet in self.sheets for visual in sheet.visuals)


class Specs(Part):
    """All dashboards, in order, and the datasets that they share."""

    datasets: dict[str, Dataset]
    dashboards: tuple[Dashboard, ...]


@cache
def load(folder: Path = FOLDER) -> Specs:
    """Read all specs of a folder.

    Raises SpecError, with file and field, where one is not of the model, or names what no dataset has.
    """
    datasets: dict[str, Dataset] = {}
    for path in sorted((folder / "datasets").glob("*.yaml")):
        dataset = _read(path, Dataset)
        if dataset.name != path.stem:
            raise SpecError(f"{path.name}: name: must be that of the file")
        datasets[dataset.name] = dataset
    dashboards = []
    for path in sorted(folder.glob("*.yaml")):
        dashboard = _read(path, Dashboard)
        if dashboard.name != path.stem:
            raise SpecError(f"{path.name}: name: must be that of the file")
        _check(path, dashboard, datasets)
        dashboards.append(dashboard)
    ids = [visual.id for dashboard in dashboards for visual in dashboard.visuals]
    if repeated := {name for name in ids if ids.count(name) > 1}:
        raise SpecError(f"visual ids occur more than once: {', '.join(sorted(repeated))}")
    return Specs(datasets=datasets, dashboards=tuple(sorted(dashboards, key=lambda one: one.position)))


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise SpecError(f"{path.name}: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()]
        raise SpecError(f"{path.name}: {'; '.join(problems)}") from error


def _check(path: Path, dashboard: Dashboard, datasets: dict[str, Dataset]) -> None:
    """Refuse a visual or control that names a dataset, column or measure that there is none of."""
    for visual in dashboard.visuals:
        dataset = datasets.get(visual.dataset)
        if dataset is None:
            raise SpecError(f"{path.name}: {visual.id}.dataset: there is no {visual.dataset}")
        measures = {"measures": set(visual.measures)}
        measures["trend.measure"] = {visual.trend.measure} if visual.trend else set()
        sort = {visual.sort.by} - set(visual.dimensions) if visual.sort else set()
        try:
            columns = {"dimensions": set(visual.dimensions), "kind": ON_A_MAP if visual.kind == "map" else set()}
            _refuse_unknown(columns, set(dataset.all_columns), "column")
            _refuse_unknown({**measures, "sort.by": sort}, set(dataset.measures), "measure")
            if visual.trend:
                _check_trend(visual.trend, dataset)
        except ValueError as error:
            raise SpecError(f"{path.name}: {visual.id}.{error}") from error
    columns_used = {column for visual in dashboard.visuals for column in datasets[visual.dataset].all_columns}
    for control in dashboard.controls:
        if control.column is not None and control.column not in columns_used:
            raise SpecError(
                f"{path.name}: controls.{control.id}: no dataset of this dashboard has the column {control.column}"
            )


def _check_trend(trend: Trend, dataset: Dataset) -> None:
    if formula.summed_column(formula.parse(dataset.measures[trend.measure].formula)) is None:
        raise ValueError(f"trend.measure: {trend.measure} is not the sum of a column")
    if trend.over != dataset.date or dataset.all_columns[trend.over].type != "date":
        raise ValueError(f"trend.over: {trend.over} is not the local day that {dataset.name} is filtered by")


def _refuse_unknown(named: dict[str, set[str]], known: set[str], what: str) -> None:
    for field, names in named.items():
        if unknown := sorted(names - known):
            raise ValueError(f"{field}: there is no {what} {', '.join(unknown)}")
