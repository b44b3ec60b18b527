"""A mart that no dashboard shows yet gets its dataset and its sheet on QuickSight from specs alone."""

import shutil

import pytest
import yaml
from quicksight_api import bodies, refused

from dashboards import spec
from dashboards.quicksight.datasets import data_set
from dashboards.quicksight.definition import definition

DATASET = """
name: zone_hours
title: Congestion by zone and hour
mart: marts.zone_congestion_hourly
grain: [zone_id, hour_start]
columns:
  - {name: zone_id, type: text, title: zone}
  - {name: hour_start, type: instant, title: hour}
  - {name: local_date, type: date, title: day}
  - {name: local_hour, type: integer, title: hour of the day}
  - {name: delay_veh_h, type: number, title: delay (veh·h)}
  - {name: samples_observed, type: number, title: samples observed}
  - {name: samples_expected, type: number, title: samples expected}
mode: direct_query
mode_reason: It is small.
date: local_date
latest_days: 35
row_security: zone_id
reliability: {measure: observed, at_least: 80}
measures:
  delay: {title: Delay, formula: sum(delay_veh_h), unit: veh·h, worse: high, description: Lost time.}
  observed:
    {title: Observed, formula: 100 * sum(samples_observed) / sum(samples_expected), unit: "%", description: How much.}
"""
COMMON = {"description": "How to read it.", "dataset": "zone_hours", "text_alternative": "{title}: {top}."}
VISUALS = [
    {"id": "total", "title": "In figures", "kind": "kpi", "measures": ["delay", "observed"]},
    {"id": "by_day", "title": "By day", "kind": "line", "x": "local_date", "measures": ["delay"], "compare_weeks": 2},
    {"id": "zones", "title": "Zones", "kind": "bar", "x": "zone_id", "measures": ["delay"], "sort": {"by": "delay"}},
    {"id": "ranking", "title": "Ranking", "kind": "table", "rows": ["zone_id"], "measures": ["delay"],
     "trend": {"measure": "delay", "over": "local_date"}},
    {"id": "heat", "title": "Hours", "kind": "heat_map", "x": "local_hour", "y": "zone_id", "measures": ["delay"],
     "colors": {"scale": "viridis", "low": 0, "high": 100}},
]  # fmt: skip
ALERTS = {"id": "alerts", "title": "Alerts", "kind": "table", "rows": ["segment_id"], "measures": ["congestion_index"]}
CONTROLS = [
    {"id": "dates", "kind": "date_range", "title": "Days"},
    {"id": "zone", "kind": "choice", "title": "Zone", "column": "zone_id"},
    {"id": "level", "kind": "choice", "title": "Level", "column": "level"},
]


@pytest.fixture
def specs(tmp_path):
    """Specs of a single dashboard without corridors, and of alerts, which QuickSight cannot read."""
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "zone_hours.yaml").write_text(DATASET)
    shutil.copy(spec.FOLDER / "datasets" / "active_alerts.yaml", tmp_path / "datasets")
    visuals = [{**COMMON, **each} for each in VISUALS] + [{**COMMON, **ALERTS, "dataset": "active_alerts"}]
    dashboard = {
        "name": "zones",
        "title": "Zones",
        "description": "Zones by hour.",
        "position": 1,
        "controls": [{"description": "What it does.", **each} for each in CONTROLS],
        "sheets": [{"id": "zones", "title": "Zones", "question": "Which zones?", "visuals": visuals}],
    }
    (tmp_path / "zones.yaml").write_text(yaml.safe_dump(dashboard))
    return spec.load(tmp_path)


def test_a_new_mart_gets_its_dataset_and_sheet_on_quicksight_from_specs_alone(specs):
    (dashboard,) = specs.dashboards
    rows = data_set(
        specs, specs.datasets["zone_hours"], prefix="p", data_source_arn="arn:aws:quicksight:::datasource/d"
    )
    made = definition(specs, dashboard, lambda name: f"arn:aws:quicksight:r:111122223333:dataset/{name}")
    account = {"AwsAccountId": "111122223333"}
    assert refused("CreateDataSet", {**account, **rows}) == []
    assert refused("CreateDashboard", {**account, "DashboardId": "d", "Name": "n", "Definition": made}) == []
    (shown,) = bodies(rows, "ProjectedColumns")
    known = {*shown, *(field["Name"] for field in made["CalculatedFields"])}
    assert {column["ColumnName"] for column in bodies(made, "Column")} <= known
    (sheet,) = made["Sheets"]
    ids = {body["VisualId"].partition("-")[0] for each in sheet["Visuals"] for body in each.values()}
    assert ids == {each["id"] for each in VISUALS}


def test_a_control_that_filters_nothing_on_quicksight_is_not_there(specs):
    """Only alerts have a level."""
    (dashboard,) = specs.dashboards
    made = definition(specs, dashboard, lambda name: f"arn:aws:quicksight:r:111122223333:dataset/{name}")
    (sheet,) = made["Sheets"]
    titles = [body["Title"] for each in sheet["ParameterControls"] for body in each.values()]
    assert titles == ["Days, from", "Days, to", "Zone"]
    declared = {body["Name"] for each in made["ParameterDeclarations"] for body in each.values()}
    assert declared == {"DateFrom", "DateTo", "Zone"}
    assert not [text for text in bodies(made, "PlainText") if "Not filtered by" in text]
