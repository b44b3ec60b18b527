"""The operators' dashboard: the state of all alarms, then a row for each part of the way that data takes.

It is made as the JSON that CloudWatch reads ("Dashboard body structure and syntax").
"""

import json
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.aws.stages import Stage, plan_of
from infra.aws.watch.alarm import Alarm
from infra.aws.watch.alarm_list import alarms, composites
from infra.aws.watch.budget import monthly_limit_usd
from infra.aws.watch.dashboard_rows import Graph, Line, rows
from infra.sizing.plan import MONTH_DAYS

GRID, GRAPHS_A_ROW = 24, 3
_GRAPH_WIDTH = GRID // GRAPHS_A_ROW
_GRAPH_HEIGHT, _HEADING_HEIGHT, _STATUS_HEIGHT, _TEXT_HEIGHT = 6, 1, 5, 6
_THRESHOLD, _PLANNED = "#d62728", "#7f7f7f"


def dashboard(scope: Construct, construct_id: str, *, stage: Stage) -> cloudwatch.CfnDashboard:
    """Make the dashboard `trafficlake-<stage>`."""
    return cloudwatch.CfnDashboard(
        scope,
        construct_id,
        dashboard_name=stage.city.prefix,
        dashboard_body=json.dumps(body(stage, Aws.ACCOUNT_ID)),
    )


def body(stage: Stage, account: str) -> dict[str, Any]:
    """Return the dashboard of a stage in an account."""
    listed = {each.name: each for each in alarms(stage, account)}
    widgets = [_at(0, 0, GRID, _STATUS_HEIGHT) | _status(stage, account)]
    top = _STATUS_HEIGHT
    for heading, graphs in rows(stage, account).items():
        widgets.append(_at(0, top, GRID, _HEADING_HEIGHT) | _text(f"## {heading}"))
        top += _HEADING_HEIGHT
        for first in range(0, len(graphs), GRAPHS_A_ROW):
            for column, graph in enumerate(graphs[first : first + GRAPHS_A_ROW]):
                place = _at(column * _GRAPH_WIDTH, top, _GRAPH_WIDTH, _GRAPH_HEIGHT)
                widgets.append(place | _graph(graph, listed, stage.city.region))
            top += _GRAPH_HEIGHT
    widgets.append(_at(0, top, GRID, _TEXT_HEIGHT) | _text(_costs(stage)))
    return {"start": "-PT12H", "periodOverride": "inherit", "widgets": widgets}


def _at(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"x": x, "y": y, "width": width, "height": height}


def _text(markdown: str) -> dict[str, Any]:
    return {"type": "text", "properties": {"markdown": markdown}}


def _status(stage: Stage, account: str) -> dict[str, Any]:
    city = stage.city
    names = [each.name for each in (*composites(stage), *alarms(stage, account))]
    arns = [f"arn:aws:cloudwatch:{city.region}:{account}:alarm:{city.prefix}-{name}" for name in names]
    return {"type": "alarm", "properties": {"title": f"Alarms of {city.prefix}", "alarms": arns}}


def _graph(graph: Graph, listed: dict[str, Alarm], region: str) -> dict[str, Any]:
    thresholds = [_level(f"{name} {listed[name].fires}", listed[name].threshold, _THRESHOLD) for name in graph.alarms]
    planned = [_level(label, value, _PLANNED) for label, value in graph.planned]
    properties = {
        "title": graph.title,
        "region": region,
        "view": "timeSeries",
        "metrics": [_metric(line) for line in graph.lines],
        "yAxis": {"left": {"min": 0, "label": graph.unit, "showUnits": False}},
    }
    if thresholds or planned:
        properties["annotations"] = {"horizontal": [*thresholds, *planned]}
    return {"type": "metric", "properties": properties}


def _level(label: str, value: float, colour: str) -> dict[str, Any]:
    return {"label": label, "value": value, "color": colour}


def _metric(line: Line) -> list[Any]:
    if isinstance(line.shows, str):
        return [{"expression": line.shows, "label": line.label}]
    shown = line.shows
    dimensions = [text for pair in shown.dimensions for text in pair]
    how = {"label": line.label, "stat": shown.statistic, "period": shown.period_s}
    return [shown.namespace, shown.name, *dimensions, how]


def _costs(stage: Stage) -> str:
    """Return what the plan says of a month, by group of lines, and what the budget allows."""
    groups: dict[str, float] = {}
    for line in plan_of(stage).lines:
        groups[line.group] = groups.get(line.group, 0) + (line.usd_per_day or 0) * MONTH_DAYS
    table = "\n".join(f"| {group} | {usd:,.0f} |" for group, usd in groups.items())
    return (
        f"Planned for {stage.sensors:,} sensors, a reading every {stage.interval_s} s; "
        f"the budget of a month is **${monthly_limit_usd(stage):,}**.\n\n| part | $ a month |\n|---|---:|\n{table}\n"
    )
