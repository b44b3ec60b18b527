"""What the page holds: for each dataset the terms of its measures by the dimensions of its visuals, as SQL.

The browser adds terms up over the cells that a filter leaves, and computes measures of the sums. So a figure of any
filter is the figure that Athena would give for it, and no formula is written twice. Every name in the SQL is a plain
identifier, which the spec's model sees to; texts of formulas are quoted.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from dashboards import formula
from dashboards.spec import DAYS, Control, Dataset, Specs, Visual

Node = dict[str, object]


@dataclass(frozen=True)
class Cube:
    """Cells of a dataset; `measures` are trees over the numbers of `terms` (see `_node`)."""

    name: str
    dataset: Dataset
    dimensions: tuple[str, ...]
    terms: tuple[formula.Aggregate, ...]
    measures: dict[str, Node]

    @property
    def columns(self) -> set[str]:
        """Columns of the dataset that its cells are computed from."""
        trees = [formula.parse(self.dataset.measures[name].formula) for name in self.measures]
        return set(self.dimensions).union(*map(formula.columns, trees))


def cubes(specs: Specs) -> tuple[dict[str, Cube], dict[str, str]]:
    """Return the cubes by name, and the name of each visual's cube.

    A dataset has at most two: one at its own grain for visuals that show each of its things, and a coarser one for the
    others, so that a ranking of corridors does not need every segment.
    """
    members: dict[str, list[Visual]] = {}
    dimensions: dict[str, set[str]] = {}
    of_visual = {}
    for dashboard in specs.dashboards:
        for visual in dashboard.visuals:
            dataset = specs.datasets[visual.dataset]
            fine = dataset.grain[0] in visual.dimensions
            name = f"{dataset.name}.{'fine' if fine else 'coarse'}"
            needed = needed_dimensions(dataset, visual, dashboard.controls) | (set(dataset.grain) if fine else set())
            dimensions.setdefault(name, set()).update(needed)
            members.setdefault(name, []).append(visual)
            of_visual[visual.id] = name
    made = {}
    for name, visuals in members.items():
        dataset = specs.datasets[visuals[0].dataset]
        made[name] = _cube(name, dataset, dimensions[name], visuals)
    return made, of_visual


def shown_measures(dataset: Dataset, visual: Visual) -> list[str]:
    """Return the measures that a visual needs: its own, that of its trend, that of its order, and of reliability."""
    names = [*visual.measures]
    if visual.trend:
        names.append(visual.trend.measure)
    if visual.sort and visual.sort.by in dataset.measures:
        names.append(visual.sort.by)
    if dataset.reliability:
        names.append(dataset.reliability.measure)
    return list(dict.fromkeys(names))


def needed_dimensions(dataset: Dataset, visual: Visual, controls: Iterable[Control]) -> set[str]:
    """Return the columns that a visual's cells must be by, so that its controls can filter them."""
    of_controls = {control.column for control in controls if control.column in dataset.all_columns}
    trees = [formula.parse(dataset.measures[name].formula) for name in shown_measures(dataset, visual)]
    counted = set().union(*map(formula.distinct_columns, trees))
    return {dataset.date, *visual.dimensions, *of_controls, *counted} - {None}


def _cube(name: str, dataset: Dataset, dimensions: set[str], visuals: list[Visual]) -> Cube:
    terms: dict[str, formula.Aggregate] = {}
    wanted = dict.fromkeys(measure for visual in visuals for measure in shown_measures(dataset, visual))
    measures = {measure: _node(formula.parse(dataset.measures[measure].formula), terms) for measure in wanted}
    in_order = tuple(column for column in dataset.all_columns if column in dimensions)
    return Cube(name, dataset, in_order, tuple(terms.values()), measures)


def _node(tree: ast.expr, terms: dict[str, formula.Aggregate]) -> Node:
    """Return a formula as a tree of {op, left, right}, {number}, {term: its index} and {distinct: column, where}.

    `op` is that of arithmetic, or `coalesce`.
    `where` is the index of the term that counts the rows of a cell whose value is counted; without it all cells are.
    """
    if isinstance(tree, ast.BinOp):
        sign = formula.OPERATORS[type(tree.op)]
        return {"op": sign, "left": _node(tree.left, terms), "right": _node(tree.right, terms)}
    if formula.is_coalesce(tree):
        left, right = (_node(result, terms) for result in formula.results(tree))
        return {"op": "coalesce", "left": left, "right": right}
    if isinstance(tree, ast.Constant):
        return {"number": tree.value}
    part = formula.aggregate(tree)  # type: ignore[arg-type]
    if part.function != "distinct":
        return {"term": _term(part, terms)}
    column = {"distinct": part.row.id}  # type: ignore[union-attr]
    if part.condition is None:
        return column
    return {**column, "where": _term(formula.Aggregate("count", None, part.condition), terms)}


def _term(part: formula.Aggregate, terms: dict[str, formula.Aggregate]) -> int:
    sql = formula.aggregate_sql(part)
    terms.setdefault(sql, part)
    return list(terms).index(sql)


def cells_sql(cube: Cube, since: date | datetime) -> str:
    """Return the query of a cube's cells: its dimensions, then its terms as t0, t1, …"""
    terms = [f"{formula.aggregate_sql(part)} as t{index}" for index, part in enumerate(cube.terms)]
    rows, dimensions = _rows_sql(cube.dataset, cube.columns), ", ".join(cube.dimensions)
    columns = ", ".join((*cube.dimensions, *terms))
    return f"select {columns} from {rows} where {_since(cube.dataset, since)} group by {dimensions}"  # noqa: S608


def cells_by_day_sql(cube: Cube, since: date | datetime) -> str:
    """Return the query of how many cells a cube has on each day (UTC where its date is an instant)."""
    rows, dimensions = _rows_sql(cube.dataset, cube.columns), ", ".join(cube.dimensions)
    found = f"select distinct {dimensions} from {rows} where {_since(cube.dataset, since)}"  # noqa: S608
    return f"select cast({cube.dataset.date} as date) as day, count(*) as cells from ({found}) as found group by 1"  # noqa: S608


def attributes_sql(dataset: Dataset) -> str:
    """Return the query of the joined columns by their key."""
    join = dataset.join
    columns = ", ".join((join.key, *(column.name for column in join.columns)))  # type: ignore[union-attr]
    return f"select {columns} from {join.mart}"  # type: ignore[union-attr]  # noqa: S608


def columns_of_days(specs: Specs) -> list[str]:
    """Return the columns of the table of days that controls filter by."""
    controls = [control for dashboard in specs.dashboards for control in dashboard.controls]
    return sorted({str(control.column) for control in controls if control.of_day})


def days_sql(columns: Iterable[str], first: date, last: date) -> str:
    """Return the query of what is known of the days from first to last, as `local_date` and the columns."""
    names = ", ".join(("local_date", *columns))
    return f"select {names} from {DAYS} where local_date between date '{first}' and date '{last}'"  # noqa: S608


def visual_sql(dataset: Dataset, visual: Visual) -> str:
    """Return the query that gives a visual's figures of all days, for whoever wants to ask Athena the same."""
    trees = {name: formula.parse(dataset.measures[name].formula) for name in visual.measures}
    measures = [f"{formula.to_sql(tree)} as {name}" for name, tree in trees.items()]
    dimensions = list(dict.fromkeys(visual.dimensions))
    grouped = f"\ngroup by {', '.join(dimensions)}" if dimensions else ""
    columns = ",\n  ".join((*dimensions, *measures))
    read = set(dimensions).union(*map(formula.columns, trees.values()))
    return f"select\n  {columns}\nfrom {_rows_sql(dataset, read)}{grouped}"


def _rows_sql(dataset: Dataset, columns: Iterable[str]) -> str:
    """Return the mart, joined where one of the columns is of the other table."""
    if dataset.join is None or not {column.name for column in dataset.join.columns} & set(columns):
        return str(dataset.mart)
    names = ", ".join(f"other.{column.name}" for column in dataset.join.columns)
    key = dataset.join.key
    tables = f"{dataset.mart} as own left join {dataset.join.mart} as other on own.{key} = other.{key}"
    return f"(select own.*, {names} from {tables}) as joined_rows"  # noqa: S608


def _since(dataset: Dataset, since: date | datetime) -> str:
    if isinstance(since, datetime):
        return f"{dataset.date} >= timestamp '{since:%Y-%m-%d %H:%M:%S}'"
    return f"{dataset.date} >= date '{since:%Y-%m-%d}'"
