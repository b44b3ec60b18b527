"""A month may cost what the plan says, with the stage's margin, and the operators hear of it in time."""

import json

import pytest
from typer.testing import CliRunner

from infra.aws.stages import STAGES
from infra.aws.watch.budget import MonthlyBudget
from infra.cli import app as cli
from tests.infra.aws.templates import of_type

TOPIC = "arn:aws:sns:us-east-1:123456789012:trafficlake-test-operators"
STAGE = STAGES["test"]


def budget(resources_of, stage):
    made = resources_of(lambda stack: MonthlyBudget(stack, "Budget", stage=stage, topic_arn=TOPIC))
    (found,) = of_type(made, "AWS::Budgets::Budget")
    return found["Properties"]


def test_the_limit_is_the_sum_of_the_plan_command_times_the_margin(resources_of):
    asked = ["plan", "--sensors", str(STAGE.sensors), "--interval", f"{STAGE.interval_s}s", "--output", "json"]
    usd_per_day = json.loads(CliRunner().invoke(cli.app, asked).stdout)["usd_per_day"]
    for margin in (1.0, 2.0):
        limit = budget(resources_of, STAGE.model_copy(update={"budget_margin": margin}))["Budget"]["BudgetLimit"]
        assert limit["Unit"] == "USD"
        assert limit["Amount"] == pytest.approx(usd_per_day * 365 / 12 * margin, abs=1)


def test_it_counts_what_has_the_tag_of_the_stage_each_month(resources_of):
    found = budget(resources_of, STAGE)["Budget"]
    assert found["CostFilters"] == {"TagKeyValue": ["user:stage$test"]}
    assert (found["BudgetType"], found["TimeUnit"]) == ("COST", "MONTHLY")


def test_the_operators_hear_at_80_percent_forecast_and_at_100_percent_spent(resources_of):
    notices = budget(resources_of, STAGE)["NotificationsWithSubscribers"]
    said = {(each["Notification"]["NotificationType"], each["Notification"]["Threshold"]) for each in notices}
    assert said == {("FORECASTED", 80), ("ACTUAL", 100)}
    assert {each["Notification"]["ThresholdType"] for each in notices} == {"PERCENTAGE"}
    for each in notices:
        assert each["Subscribers"] == [{"SubscriptionType": "SNS", "Address": TOPIC}]


def test_the_topic_that_the_budget_tells_is_the_one_of_the_watch(prod, watch):
    (found,) = of_type(prod, "AWS::Budgets::Budget")
    told = found["Properties"]["NotificationsWithSubscribers"][0]["Subscribers"][0]["Address"]
    (topic,) = of_type(watch, "AWS::SNS::Topic")
    begin, account, end = told["Fn::Join"][1]
    assert (begin, account) == ("arn:aws:sns:us-east-1:", {"Ref": "AWS::AccountId"})
    assert end == f":{topic['Properties']['TopicName']}"
