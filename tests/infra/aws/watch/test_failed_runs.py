"""Of a run that fails the operators read a sentence, and of one that succeeds nothing."""

import json
import time

import boto3
import pytest

from infra.aws.stages import STAGES
from infra.aws.watch.failed_runs import pattern, target
from infra.settings import CitySettings
from tests.infra.aws.templates import of_type, resolved

CITY = CitySettings(stage="failing")
ACCOUNT = "000000000000"


@pytest.fixture
def told(endpoint):
    """A topic under the stage's rule, and the queue that gets what the topic gets."""
    sns, sqs, events = boto3.client("sns"), boto3.client("sqs"), boto3.client("events")
    topic = sns.create_topic(Name=CITY.operators_topic)["TopicArn"]
    queue = sqs.create_queue(QueueName="told-operators")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    rule = f"{CITY.state_machine}-failed"
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern(CITY, ACCOUNT)))
    events.put_targets(Rule=rule, Targets=[target(CITY, topic)])
    yield queue
    events.remove_targets(Rule=rule, Ids=["operators"])
    events.delete_rule(Name=rule)
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)


def run_to_the_end(machine, name, given):
    steps = boto3.client("stepfunctions")
    execution = steps.start_execution(stateMachineArn=machine, name=name, input=given)["executionArn"]
    deadline = time.monotonic() + 30
    while steps.describe_execution(executionArn=execution)["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return execution


def test_a_failed_run_is_told_with_its_name_and_where_to_look_and_one_that_succeeds_is_not(told):
    definition = {
        "StartAt": "Choose",
        "States": {
            "Choose": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.good", "BooleanEquals": True, "Next": "Done"}],
                "Default": "Failed",
            },
            "Done": {"Type": "Succeed"},
            "Failed": {"Type": "Fail", "Error": "dbt", "Cause": '{"a": "cause with \\"quotes\\""}'},
        },
    }
    steps = boto3.client("stepfunctions")
    machine = steps.create_state_machine(
        name=CITY.state_machine, definition=json.dumps(definition), roleArn=f"arn:aws:iam::{ACCOUNT}:role/r"
    )["stateMachineArn"]
    run_to_the_end(machine, "good", '{"good": true}')
    failed = run_to_the_end(machine, "bad", '{"good": false}')
    sqs = boto3.client("sqs")
    first = sqs.receive_message(QueueUrl=told, WaitTimeSeconds=20)["Messages"]
    assert sqs.receive_message(QueueUrl=told).get("Messages", []) == []
    (message,) = (each["Body"].strip('"') for each in first)
    assert message.startswith("The hourly run bad of trafficlake-failing ended as FAILED at 2")
    assert f"#/v2/executions/details/{failed} " in message
    assert "<" not in message
    steps.delete_state_machine(stateMachineArn=machine)


def test_the_rule_of_the_stage_is_that_one(watch):
    city = STAGES["prod"].city
    (rule,) = of_type(watch, "AWS::Events::Rule")
    found = resolved(rule["Properties"], {"AWS::AccountId": ACCOUNT} | {name: name for name in watch})
    (topic,) = (name for name, each in watch.items() if each["Type"] == "AWS::SNS::Topic")
    assert found["EventPattern"] == pattern(city, ACCOUNT)
    assert found["Targets"] == [target(city, topic)]
    assert set(found["EventPattern"]["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
