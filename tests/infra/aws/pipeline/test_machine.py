"""The state machine on AWS is the one that runs at home, and its role may do what its states do."""

import json

import pytest

from infra.aws.pipeline.machine import HourlyMachine
from infra.aws.storage.buckets import Buckets
from infra.state_machine import definition
from tests.infra.aws.templates import allowed, named, of_type, resolved

HERE = "us-east-1:<AWS::AccountId>"
TOPIC = f"arn:aws:sns:{HERE}:trafficlake-test-operators"
DATASETS = {"congestion": "INCREMENTAL_REFRESH"}


@pytest.fixture(scope="module")
def resources(resources_of, stage):
    def make(stack):
        HourlyMachine(stack, "Hourly", stage=stage, buckets=Buckets(stack, "Buckets", stage=stage), datasets=DATASETS)

    return resources_of(make)


@pytest.fixture(scope="module")
def machine(resources):
    (found,) = of_type(resources, "AWS::StepFunctions::StateMachine")
    return found["Properties"]


def test_its_definition_is_that_of_the_local_home(machine, stage):
    account = "<AWS::AccountId>"
    text = resolved(machine["DefinitionString"], {"AWS::AccountId": account})
    assert json.loads(text) == definition(stage.city, account=account, topic_arn=TOPIC, datasets=DATASETS)


def test_every_event_is_logged_and_traced(machine, resources):
    (group,) = (each["Properties"] for each in of_type(resources, "AWS::Logs::LogGroup"))
    assert (group["LogGroupName"], group["RetentionInDays"]) == ("/aws/vendedlogs/states/trafficlake-test-hourly", 7)
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_it_may_do_what_its_states_do_and_nothing_else(resources):
    granted = named(resources, allowed(resources, "HourlyRole"))
    anywhere = {action for action, where in granted.items() if "*" in where}
    assert all(action.startswith(("logs:", "xray:")) for action in anywhere)
    jobs = {f"arn:aws:glue:{HERE}:job/trafficlake-test-{name}" for name in ("curate-readings", "rollup-5min")}
    project = {f"arn:aws:codebuild:{HERE}:project/trafficlake-test-steps"}
    rule = {f"arn:aws:events:{HERE}:rule/StepFunctionsGetEventForCodeBuildStartBuildRule"}
    topic_key = f"arn:aws:kms:{HERE}:key/*"
    assert {action: where for action, where in granted.items() if action not in anywhere} == {
        "states:ListExecutions": {f"arn:aws:states:{HERE}:stateMachine:trafficlake-test-hourly"},
        **{f"glue:{action}": jobs for action in ("BatchStopJobRun", "GetJobRun", "GetJobRuns", "StartJobRun")},
        **{f"codebuild:{action}": project for action in ("BatchGetBuilds", "StartBuild", "StopBuild")},
        **{f"events:{action}": rule for action in ("DescribeRule", "PutRule", "PutTargets")},
        "s3:GetObject": {"arn:aws:s3:::trafficlake-test-lake-example-city/runs/plans/*.json"},
        "kms:Decrypt": {"alias/trafficlake-test-lake", topic_key},
        "kms:GenerateDataKey": {topic_key},
        "sns:Publish": {TOPIC},
        "quicksight:CreateIngestion": {f"arn:aws:quicksight:{HERE}:dataset/congestion/ingestion/*"},
    }


def test_of_all_keys_only_that_of_the_operators_topic_is_for_it(resources):
    (statement,) = (
        statement
        for policy in of_type(resources, "AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "key/*" in json.dumps(statement["Resource"])
    )
    alias = "alias/trafficlake-test-operators"
    assert statement["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
