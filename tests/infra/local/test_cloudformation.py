"""CloudFormation of the local endpoint: types that are made by the API of their services."""

import json
import uuid

import boto3
import pytest

from infra.settings import settings
from tests.infra.aws import deployment


def template(kind, **properties):
    return json.dumps({"Resources": {"Thing": {"Type": kind, "Properties": properties}}})


@pytest.fixture
def stack(endpoint):
    """The name of a stack that no other test has."""
    return f"stack-{uuid.uuid4().hex[:8]}"


def test_an_archive_is_made_changed_and_deleted_with_its_stack(stack):
    events = boto3.client("events")
    source = events.describe_event_bus(Name=settings().alert_bus)["Arn"]
    archive = {"kind": "AWS::Events::Archive", "ArchiveName": stack, "SourceArn": source}
    deployment.create(stack, template(**archive, RetentionDays=7))
    deployment.update(stack, template(**archive, RetentionDays=8))
    assert (found := events.describe_archive(ArchiveName=stack))["RetentionDays"] == 8
    assert found["EventSourceArn"] == source
    deployment.delete(stack)
    assert not events.list_archives(NamePrefix=stack)["Archives"]


def test_a_mapping_of_a_stack_is_the_one_that_runs_here(stack):
    """The defaults are those of the API; the base's own mapping has none of them."""
    function, stream = f"{settings().prefix}-describe", settings().stream
    arn = boto3.client("kinesis").describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    mapping = {
        "kind": "AWS::Lambda::EventSourceMapping",
        "FunctionName": function,
        "EventSourceArn": arn,
        "StartingPosition": "LATEST",
        "Enabled": False,
        "Tags": [{"Key": "stage", "Value": "test"}],
    }
    deployment.create(stack, template(**mapping))
    deployment.update(stack, template(**mapping, BatchSize=7))
    (found,) = boto3.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    assert (found["BatchSize"], found["ParallelizationFactor"], found["MaximumRetryAttempts"]) == (7, 1, -1)
    deployment.delete(stack)
    assert not boto3.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]


def test_what_the_service_refuses_fails_the_stack_with_its_reason(stack):
    pipe = {"Name": stack, "Source": "arn:aws:sqs:us-east-1:000000000000:q", "Target": "t", "RoleArn": "r"}
    with pytest.raises(RuntimeError, match="pipes from DynamoDB streams only"):
        deployment.create(stack, template("AWS::Pipes::Pipe", **pipe))


def test_a_stack_is_deleted_though_somebody_else_deleted_its_connection(stack):
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "k"}}
    connection = {"Name": stack, "AuthorizationType": "API_KEY", "AuthParameters": key}
    deployment.create(stack, template("AWS::Events::Connection", **connection))
    boto3.client("events").delete_connection(Name=stack)
    deployment.delete(stack)
