"""Each alarm looks at a metric that something of the stage emits, says what to do, and reaches the operators."""

import ast
import json
from pathlib import Path

import pytest

from infra.aws.stages import STAGES, Stage
from infra.aws.watch.alarm_list import NO_DATA, alarms, composites
from infra.aws.watch.alarm_table import alarms_table
from infra.runners import metrics as run_metrics
from infra.settings import CitySettings
from infra.sizing import measured
from tests.infra.aws.templates import of_type, properties, resolved
from tests.infra.aws.watch.emitted import emitted

ACCOUNT = "123456789012"
PROD = STAGES["prod"]
OUR_NAMESPACE = "trafficlake"
ALERTS = Path(__file__).parents[4] / "ingestion" / "alerts"


def single(watch):
    return [each["Properties"] for each in of_type(watch, "AWS::CloudWatch::Alarm")]


def composite(watch):
    return [each["Properties"] for each in of_type(watch, "AWS::CloudWatch::CompositeAlarm")]


def by_name(stage):
    return {each.name: each for each in alarms(stage, ACCOUNT)}


def changed(**fields):
    return PROD.model_copy(update=fields)


def looked_at(alarm):
    dimensions = resolved(alarm["Dimensions"], {"AWS::AccountId": ACCOUNT})
    pairs = frozenset((each["Name"], each["Value"]) for each in dimensions)
    return (alarm["Namespace"], alarm["MetricName"], pairs)


def function_metrics(prod):
    """What the functions write: names that they emit, with the service that their environment names."""
    written = {
        key.value
        for file in ALERTS.glob("*_function.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "metrics.emit"
        for key in call.args[0].keys
    }
    variables = [each["Properties"]["Environment"]["Variables"] for each in of_type(prod, "AWS::Lambda::Function")]
    (service,) = {each["POWERTOOLS_SERVICE_NAME"] for each in variables if "POWERTOOLS_SERVICE_NAME" in each}
    return {(OUR_NAMESPACE, name, frozenset({("service", service)})) for name in written}


def run_published():
    names = (run_metrics.UNBALANCED, run_metrics.FRESHNESS)
    return {(OUR_NAMESPACE, name, frozenset({("stage", "prod")})) for name in names}


@pytest.fixture(scope="module")
def known(prod):
    return emitted(prod, ACCOUNT) | function_metrics(prod) | run_published()


def test_every_alarm_looks_at_a_metric_that_a_resource_of_the_stage_emits(watch, known):
    assert {each["AlarmName"]: looked_at(each) for each in single(watch) if looked_at(each) not in known} == {}


def test_every_alarm_says_what_it_means_and_what_to_do(watch):
    for each in (*alarms(PROD, ACCOUNT), *composites(PROD)):
        for text in (each.means, each.do):
            assert text.endswith(".")
            assert len(text.split()) > 4
    for each in (*single(watch), *composite(watch)):
        assert 0 < len(each["AlarmDescription"]) <= 1024


def test_every_alarm_tells_the_operators_by_itself_or_through_another_when_it_fires_and_when_it_is_over(watch):
    (topic,) = (name for name, each in watch.items() if each["Type"] == "AWS::SNS::Topic")
    told = [{"Ref": topic}]
    rules = " ".join(each["AlarmRule"] for each in composite(watch))
    for each in composite(watch):
        assert (each["AlarmActions"], each["OKActions"]) == (told, told)
    for each in single(watch):
        if f'"{each["AlarmName"]}"' in rules:
            assert "AlarmActions" not in each
        else:
            assert (each["AlarmActions"], each["OKActions"]) == (told, told)


def test_nothing_that_arrives_is_one_message_not_five(watch):
    (found,) = composite(watch)
    assert found["AlarmName"] == f"trafficlake-prod-{NO_DATA}"
    for part in ("readings-too-few", "landing-late", "readings-write-throttled"):
        assert f'ALARM("trafficlake-prod-{part}")' in found["AlarmRule"]


def test_silence_is_an_alarm_where_something_must_come_and_none_where_trouble_is_counted(watch):
    missing = {each["AlarmName"].removeprefix("trafficlake-prod-"): each["TreatMissingData"] for each in single(watch)}
    silent = {name for name, treated in missing.items() if treated == "breaching"}
    assert silent == {"readings-too-few", "watch-not-running", "run-late"}
    # Published once a run: until the next, the last word holds.
    assert {name for name, treated in missing.items() if treated == "ignore"} == {"marts-old", "hours-unbalanced"}


def test_too_few_readings_are_a_share_of_what_the_sensors_send():
    # 50,000 sensors every 20 s are 2,500 a second, 750,000 in five minutes.
    assert by_name(PROD)["readings-too-few"].threshold == 375_000
    assert by_name(changed(sensors=100_000))["readings-too-few"].threshold == 750_000
    assert by_name(changed(interval_s=10))["readings-too-few"].threshold == 750_000
    assert by_name(changed(readings_floor_share=0.8))["readings-too-few"].threshold == 600_000


def test_too_many_readings_are_those_that_nearly_fill_the_shards(prod):
    stream = properties(prod, "AWS::Kinesis::Stream", Name="trafficlake-prod-readings")
    # A shard takes 1,000 records a second.
    assert by_name(PROD)["readings-too-many"].threshold == pytest.approx(0.9 * stream["ShardCount"] * 1000 * 300)


def test_an_on_demand_stream_is_warned_of_before_readings_double():
    assert by_name(changed(capacity="on-demand"))["readings-too-many"].threshold == pytest.approx(0.9 * 2 * 750_000)


@pytest.mark.parametrize(
    ("field", "value", "alarm", "threshold"),
    [
        ("landing_late_after_s", 900, "landing-late", 900),
        ("behind_after_s", 120, "judge-behind", 120_000),
        ("behind_after_s", 120, "track-behind", 120_000),
        ("behind_after_s", 120, "delivery-behind", 120_000),
        ("bad_readings_share", 0.1, "conversion-failures", 75_000),
        ("bad_readings_share", 0.1, "readings-rejected", 75_000),
        ("run_late_after_h", 5, "marts-old", 5),
    ],
)
def test_a_threshold_moves_with_the_field_of_the_stage_that_it_names(field, value, alarm, threshold):
    before, after = by_name(PROD)[alarm], by_name(changed(**{field: value}))[alarm]
    assert after.threshold == pytest.approx(threshold)
    assert before.threshold != after.threshold
    assert field in after.setting


def test_a_run_is_late_after_the_stage_s_hours(watch_of):
    watch = watch_of(changed(run_late_after_h=5))["watch"]
    late = properties(watch, "AWS::CloudWatch::Alarm", AlarmName="trafficlake-prod-run-late")
    assert late["Period"] * late["EvaluationPeriods"] == 5 * 3600
    assert late["DatapointsToAlarm"] == late["EvaluationPeriods"]


def test_a_function_is_slow_before_it_runs_into_its_timeout(prod, watch):
    for function in of_type(prod, "AWS::Lambda::Function"):
        name = function["Properties"]["FunctionName"]
        slow = properties(watch, "AWS::CloudWatch::Alarm", AlarmName=f"{name}-slow")
        assert slow["Threshold"] == pytest.approx(0.9 * function["Properties"]["Timeout"] * 1000)


def test_every_dead_letter_queue_of_the_stage_has_an_alarm(prod, watch):
    watched = {
        dimension["Value"]
        for each in single(watch)
        if each["Namespace"] == "AWS/SQS"
        for dimension in each["Dimensions"]
    }
    assert {each["Properties"]["QueueName"] for each in of_type(prod, "AWS::SQS::Queue")} <= watched


def test_the_plan_pays_for_every_alarm():
    assert len(alarms(PROD, ACCOUNT)) + len(composites(PROD)) == measured.ALARMS


def test_another_stage_has_names_of_its_own():
    other = Stage(city=CitySettings(stage="south", region="eu-south-1"), sensors=10, interval_s=60)
    assert "prod" not in json.dumps([[each.description, each.metric.dimensions] for each in alarms(other, ACCOUNT)])


def test_the_table_has_a_row_for_every_alarm_with_what_it_means_and_what_to_do():
    lines = alarms_table(PROD).splitlines()
    assert len({line.count(" | ") for line in lines if "---" not in line}) == 1
    rows = {line.split("`")[1]: line for line in lines[2:]}
    for each in (*alarms(PROD, ACCOUNT), *composites(PROD)):
        assert f"| {each.means} | {each.do} |" in rows[each.name]
    assert "< 375,000 records (sensors, interval_s, readings_floor_share), 3 of 3 times" in rows["readings-too-few"]
