"""Of a run that fails the operators read a sentence, and of one that succeeds nothing."""

import json
import time

import boto3
import pytest

from infra.aws.stages import STAGES
from infra.aws.watch.failed_runs import job_pattern, job_target, run_pattern, run_target
from infra.settings import CitySettings
from tests.infra.aws.templates import of_type, resolved

CITY = CitySettings(stage="failing")
ACCOUNT = "000000000000"
RULE = "AWS::Events::Rule"


@pytest.fixture
def told(endpoint):
    """The queue that gets what the operators' topic gets by the stage's rules."""
    sns, sqs, events = boto3.client("sns"), boto3.client("sqs"), boto3.client("events")
    topic = sns.create_topic(Name=CITY.operators_topic)["TopicArn"]
    queue = sqs.create_queue(QueueName="told-operators")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    rules = {
        "runs": (run_pattern(CITY, ACCOUNT), run_target(CITY, topic)),
        # Nobody but AWS may send under the source aws.glue, here as there.
        "jobs": (job_pattern(CITY) | {"source": ["test.glue"]}, job_target(CITY, topic)),
    }
    for name, (pattern, target) in rules.items():
        events.put_rule(Name=f"told-{name}", EventPattern=json.dumps(pattern))
        events.put_targets(Rule=f"told-{name}", Targets=[target])
    yield queue
    for name in rules:
        events.remove_targets(Rule=f"told-{name}", Ids=["operators"])
        events.delete_rule(Name=f"told-{name}")
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


def test_a_failed_daily_job_is_told_and_a_failed_job_of_a_run_is_not_told_twice(told):
    # As Glue sends it ("Glue Job State Change").
    def state_change(job):
        detail = {"jobName": job, "severity": "ERROR", "state": "FAILED", "jobRunId": "jr_1", "message": 'a "b"'}
        return {"Source": "test.glue", "DetailType": "Glue Job State Change", "Detail": json.dumps(detail)}

    jobs = [CITY.glue_job("curate_readings"), CITY.glue_job("congestion_episodes")]
    boto3.client("events").put_events(Entries=[state_change(job) for job in jobs])
    sqs = boto3.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=told, WaitTimeSeconds=20)["Messages"]
    assert sqs.receive_message(QueueUrl=told).get("Messages", []) == []
    assert message["Body"].strip('"').startswith(f"The daily job {jobs[1]} of trafficlake-failing ended as FAILED")
    assert f"#/job/{jobs[1]}/run/jr_1 " in message["Body"]


def test_the_rules_of_the_stage_are_those_and_name_what_the_pipeline_makes(watch, prod):
    city = STAGES["prod"].city
    (topic,) = (name for name, each in watch.items() if each["Type"] == "AWS::SNS::Topic")
    rules = [resolved(each["Properties"], {"AWS::AccountId": ACCOUNT, topic: topic}) for each in of_type(watch, RULE)]
    assert [(each["EventPattern"], each["Targets"]) for each in sorted(rules, key=lambda each: each["Name"])] == [
        (job_pattern(city), [job_target(city, topic)]),
        (run_pattern(city, ACCOUNT), [run_target(city, topic)]),
    ]
    assert set(run_pattern(city, ACCOUNT)["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
    (machine,) = of_type(prod, "AWS::StepFunctions::StateMachine")
    (arn,) = run_pattern(city, ACCOUNT)["detail"]["stateMachineArn"]
    assert arn.endswith(f":{machine['Properties']['StateMachineName']}")
