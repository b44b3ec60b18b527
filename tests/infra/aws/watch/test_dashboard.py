"""The dashboard shows what is emitted, with units and thresholds, in the order of the flow, and nothing overlaps."""

import json

import pytest

from infra.aws.stages import STAGES
from infra.aws.watch.alarm_list import alarms, composites
from infra.aws.watch.dashboard import body
from tests.infra.aws.templates import of_type, resolved
from tests.infra.aws.watch.emitted import emitted
from tests.infra.aws.watch.test_alarms import ACCOUNT, function_metrics, run_published

PROD = STAGES["prod"]


@pytest.fixture(scope="module")
def shown(watch):
    """The body as CloudWatch gets it: the template's JSON, with the account in place."""
    (board,) = of_type(watch, "AWS::CloudWatch::Dashboard")
    assert board["Properties"]["DashboardName"] == "trafficlake-prod"
    return json.loads(resolved(board["Properties"]["DashboardBody"], {"AWS::AccountId": ACCOUNT}))


def graphs(shown):
    return [each["properties"] for each in shown["widgets"] if each["type"] == "metric"]


def test_every_metric_is_one_that_a_resource_of_the_stage_emits(shown, prod):
    known = emitted(prod, ACCOUNT) | function_metrics(prod) | run_published()
    for graph in graphs(shown):
        for metric in graph["metrics"]:
            if isinstance(metric[0], dict):
                continue
            namespace, name, *dimensions, _ = metric
            pairs = frozenset(zip(dimensions[::2], dimensions[1::2], strict=True))
            assert (namespace, name, pairs) in known, graph["title"]


def test_segments_in_alert_are_searched_for_under_the_dimensions_that_the_functions_write(shown, prod):
    searches = [metric[0]["expression"] for graph in graphs(shown) for metric in graph["metrics"] if len(metric) == 1]
    ((_, _, service),) = {(*each[:2], dict(each[2])["service"]) for each in function_metrics(prod) if "Lag" in each[1]}
    wanted = f'{{trafficlake,service,zone_id}} MetricName="ActiveAlerts" service="{service}"'
    assert searches == [f"SUM(SEARCH('{wanted}', 'Maximum', 300))"]


def test_the_rows_follow_the_flow(shown):
    headings = [
        each["properties"]["markdown"].removeprefix("## ")
        for each in sorted(shown["widgets"], key=lambda each: each["y"])
        if each["type"] == "text" and each["properties"]["markdown"].startswith("## ")
    ]
    flow = ("Devices", "Streams", "Delivery to the lake", "Alerts", "Hourly run", "Reconciliation", "Cost")
    assert headings == list(flow)


def test_the_state_of_every_alarm_is_at_the_top(shown):
    top = min(shown["widgets"], key=lambda each: each["y"])
    names = {arn.rpartition(":alarm:")[2] for arn in top["properties"]["alarms"]}
    assert top["type"] == "alarm"
    assert names == {f"trafficlake-prod-{each.name}" for each in (*alarms(PROD, ACCOUNT), *composites(PROD))}


def test_every_graph_has_a_title_a_unit_and_labels(shown):
    for graph in graphs(shown):
        assert graph["title"]
        assert graph["yAxis"]["left"]["label"]
        assert all(metric[-1]["label"] for metric in graph["metrics"])


def test_a_threshold_is_drawn_on_the_metric_of_its_alarm_at_its_value_and_period(shown):
    listed = {each.name: each for each in alarms(PROD, ACCOUNT)}
    drawn = 0
    for graph in graphs(shown):
        for level in graph.get("annotations", {"horizontal": []})["horizontal"]:
            alarm = listed.get(level["label"].split()[0])
            if alarm is None:
                continue
            drawn += 1
            assert level["value"] == alarm.threshold
            names = {(metric[1], metric[-1]["stat"], metric[-1]["period"]) for metric in graph["metrics"]}
            assert (alarm.metric.name, alarm.metric.statistic, alarm.metric.period_s) in names
    assert drawn > 0


def test_nothing_lies_on_anything_else_or_beside_the_grid(shown):
    taken = set()
    for each in shown["widgets"]:
        assert each["x"] + each["width"] <= 24
        cells = {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        assert not cells & taken
        taken |= cells


def test_thresholds_on_the_dashboard_move_with_the_stage():
    def floor(stage):
        (graph,) = (each for each in graphs(body(stage, ACCOUNT)) if each["title"] == "Readings arriving")
        return graph["annotations"]["horizontal"][0]["value"]

    assert floor(PROD.model_copy(update={"sensors": 100_000})) == 2 * floor(PROD)
