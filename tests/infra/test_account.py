"""What is asked of an account before the CDK toolkit works in it."""

import json

import boto3
import pytest

from infra import account
from infra.home.environment import LOCAL_REGION
from tests.infra.aws import deployment
from tests.infra.aws.references import ACCOUNT

WORKS = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "a-queue"}}}})
NO_BUS = f"arn:aws:events:{LOCAL_REGION}:{ACCOUNT}:event-bus/nobody-made-it"
FAILS = json.dumps({"Resources": {"Archive": {"Type": "AWS::Events::Archive", "Properties": {"SourceArn": NO_BUS}}}})


@pytest.fixture
def stacks(endpoint):
    """A protected stack that works, and two whose creation was rolled back, of which one is protected."""
    cloudformation = boto3.client("cloudformation")
    for name, template, protected in (("works", WORKS, True), ("failed", FAILS, True), ("open", FAILS, False)):
        cloudformation.create_stack(StackName=name, TemplateBody=template, EnableTerminationProtection=protected)
    deployment.wait_for("works", "CREATE_COMPLETE")
    for name in ("failed", "open"):
        with pytest.raises(RuntimeError, match="ROLLBACK_COMPLETE"):
            deployment.wait_for(name, "CREATE_COMPLETE")
    return ("works", "failed", "open")


def test_only_a_protected_stack_whose_first_deployment_failed_stops_the_next_one(stacks):
    assert account.protected_stacks(LOCAL_REGION, stacks) == ["failed", "works"]
    assert account.unfinished_protected_stacks(LOCAL_REGION, stacks) == ["failed"]
    assert account.unfinished_protected_stacks(LOCAL_REGION, ["works"]) == []
