"""Specs name what exists, and a wrong one is refused with its file and field."""

import shutil
from pathlib import Path

import pytest
import yaml

from dashboards import spec
from dashboards.page.cubes import columns_of_days
from dashboards.tables import tables

MARTS = Path(__file__).parents[2] / "dbt" / "models" / "marts" / "_marts.yml"


@pytest.fixture
def folder(tmp_path):
    """A copy of the specs to break."""
    shutil.copytree(spec.FOLDER / "datasets", tmp_path / "datasets")
    for path in spec.FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_columns_of_congestion_datasets_are_those_that_the_marts_declare():
    declared = {
        f"marts.{model['name']}": {column["name"] for column in model["columns"]}
        for model in yaml.safe_load(MARTS.read_text())["models"]
    }
    for dataset in spec.load().datasets.values():
        if dataset.mart in declared:
            assert {column.name for column in dataset.columns} <= declared[dataset.mart], dataset.name


def test_every_dataset_with_a_zone_is_secured_by_it():
    for dataset in spec.load().datasets.values():
        assert (dataset.row_security == "zone_id") == ("zone_id" in dataset.all_columns), dataset.name


def test_every_dashboard_filters_by_day_and_by_what_its_datasets_have():
    """By zone, corridor and day type, and holidays can be left out: wherever there is such a column."""
    by_column = {
        ("choice", "zone_id", None),
        ("choice", "corridor_id", None),
        ("choice", "day_type", None),
        ("leave_out", "day_type", "holiday"),
    }
    specs = spec.load()
    for dashboard in specs.dashboards:
        columns = {name for visual in dashboard.visuals for name in specs.datasets[visual.dataset].all_columns}
        kinds = {(control.kind, control.column, control.value) for control in dashboard.controls}
        assert kinds == {("date_range", None, None)} | {each for each in by_column if each[1] in columns}


def test_what_controls_ask_of_days_is_what_the_table_of_days_declares():
    declared = {column.name for column in tables()[spec.DAYS].columns}
    assert {"local_date", *columns_of_days(spec.load())} <= declared


def test_congestion_is_coloured_by_a_scale_without_grey_which_means_doubtful():
    assert {visual.colors.scale for one in spec.load().dashboards for visual in one.visuals if visual.colors} == {
        "viridis"
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("today.yaml", "position: 1", "position: 1\ncolour: red", ["today.yaml", "colour"]),
        ("today.yaml", "kind: map", "kind: globe", ["today.yaml", "sheets.0.visuals.1.kind"]),
        ("today.yaml", "place: segment_id", "x: segment_id", ["today.yaml", "place"]),
        ("datasets/segment_hours.yaml", "name: latitude", "name: lat", ["congestion_map.kind", "latitude"]),
        ("today.yaml", "column: zone_id", "column: zone_id\n    default_days: 2", ["controls.1", "default_days"]),
        ("today.yaml", "x: local_hour", "x: minute", ["today.yaml", "segment_heat", "minute"]),
        ("today.yaml", "dataset: episodes", "dataset: nothing", ["today.yaml", "episode_figures.dataset", "nothing"]),
        ("planning.yaml", "sort: {by: delay}", "sort: {by: vehicles}", ["planning.yaml", "sort.by", "vehicles"]),
        ("planning.yaml", "{measure: delay, over", "{measure: pain, over", ["planning.yaml", "trend.measure", "pain"]),
        ("planning.yaml", "column: corridor_id", "column: road",
         ["planning.yaml: controls.corridor: no dataset of this dashboard has the column road"]),
        ("planning.yaml", "id: delay_by_day", "id: congestion_map", ["congestion_map", "more than once"]),
        ("planning.yaml", "{cells} days;", "{days} days;", ["planning.yaml", "text_alternative", "days"]),
        ("trust.yaml", "name: trust", "name: faith", ["trust.yaml", "name"]),
        ("datasets/feed.yaml", "formula: count()", "formula: avg(ts)", ["feed.yaml", "formula", "avg(ts)"]),
        ("datasets/feed.yaml", "date: arrival_hour", "date: hour", ["feed.yaml", "date", "hour"]),
        ("datasets/feed.yaml", "date: arrival_hour\n", "", ["feed.yaml", "date: a dataset of Athena has one"]),
        ("datasets/active_alerts.yaml", "measures:", "date: since\nmeasures:", ["active_alerts.yaml", "has neither"]),
        ("datasets/segment_days.yaml", "unit: \"%\"", "unit: \"\"", ["segment_days.yaml", "observed_share.unit"]),
        ("datasets/segment_days.yaml", "mode: spice", "mode: direct_query", ["segment_days.yaml", "incremental"]),
        ("datasets/episodes.yaml", "marts.congestion_episodes", "x; drop table y", ["episodes.yaml", "mart"]),
        ("datasets/episodes.yaml", "sum(delay_veh_h)", "sum(delay)", ["episodes.yaml", "measures.delay.formula"]),
    ],
)  # fmt: skip
def test_a_wrong_spec_is_refused_with_file_and_field(folder, file, old, new, named):
    change(folder / file, old, new)
    with pytest.raises(spec.SpecError) as refused:
        spec.load(folder)
    for part in named:
        assert part in str(refused.value)
