"""Drift: what the local home makes by the API, and what templates make on AWS, have the same names and settings.

Both are made of the same settings and definitions; here a home of stage prod's city is compared with its templates, so
that what one of them says by itself is found. Roles, and policies of resources, are not compared: at home everybody may
do everything.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from unittest.mock import patch

import boto3
import jmespath
import pytest

from infra import alert_definitions as definitions
from infra.aws.stages import STAGES
from infra.home.environment import use_local_home
from infra.home.resources import create_resources
from tests.infra.aws.described import compared, described
from tests.infra.aws.references import StageTemplates

CITY = STAGES["prod"].city


class Kind(NamedTuple):
    """How to list a type: a call, where the names are in its answer, and where a template has the name."""

    type: str
    service: str
    call: str
    names: str
    named: str = "Name"
    arguments: Mapping[str, str] = MappingProxyType({})


AT_HOME = (
    Kind("AWS::Athena::WorkGroup", "athena", "list_work_groups", "WorkGroups[?Name!='primary'].Name"),
    Kind("AWS::CodeBuild::Project", "codebuild", "list_projects", "projects"),
    Kind("AWS::DynamoDB::Table", "dynamodb", "list_tables", "TableNames", "TableName"),
    Kind("AWS::Events::ApiDestination", "events", "list_api_destinations", "ApiDestinations[].Name"),
    Kind("AWS::Events::Archive", "events", "list_archives", "Archives[].ArchiveName", "ArchiveName"),
    Kind("AWS::Events::Connection", "events", "list_connections", "Connections[].Name"),
    Kind("AWS::Events::EventBus", "events", "list_event_buses", "EventBuses[?Name!='default'].Name"),
    Kind("AWS::Events::Rule", "events", "list_rules", "Rules[].Name"),
    Kind("AWS::Events::Rule", "events", "list_rules", "Rules[].Name", arguments={"EventBusName": CITY.alert_bus}),
    Kind("AWS::Glue::Database", "glue", "get_databases", "DatabaseList[].Name", "DatabaseInput.Name"),
    Kind("AWS::Glue::Job", "glue", "get_jobs", "Jobs[].Name"),
    Kind("AWS::Glue::Table", "glue", "get_tables", "TableList[].Name", "TableInput.Name", {"DatabaseName": "raw"}),
    Kind("AWS::IoT::Policy", "iot", "list_policies", "policies[].policyName", "PolicyName"),
    Kind("AWS::IoT::ThingType", "iot", "list_thing_types", "thingTypes[].thingTypeName", "ThingTypeName"),
    Kind("AWS::IoT::TopicRule", "iot", "list_topic_rules", "rules[].ruleName", "RuleName"),
    Kind("AWS::KMS::Alias", "kms", "list_aliases", "Aliases[].AliasName", "AliasName"),
    Kind("AWS::Kinesis::Stream", "kinesis", "list_streams", "StreamNames"),
    Kind(
        "AWS::KinesisFirehose::DeliveryStream",
        "firehose",
        "list_delivery_streams",
        "DeliveryStreamNames",
        "DeliveryStreamName",
    ),
    Kind(
        "AWS::Lambda::EventSourceMapping",
        "lambda",
        "list_event_source_mappings",
        "EventSourceMappings[].EventSourceArn",
        "EventSourceArn",
    ),
    Kind("AWS::Lambda::Function", "lambda", "list_functions", "Functions[].FunctionName", "FunctionName"),
    Kind("AWS::Pipes::Pipe", "pipes", "list_pipes", "Pipes[].Name"),
    # Without the one that the endpoint's own delivery keeps its state in.
    Kind("AWS::S3::Bucket", "s3", "list_buckets", "Buckets[?Name!='firehose-delivery-state'].Name", "BucketName"),
    Kind("AWS::SNS::Subscription", "sns", "list_subscriptions", "Subscriptions[].Endpoint", "Endpoint"),
    Kind("AWS::SNS::Topic", "sns", "list_topics", "Topics[].TopicArn", "TopicName"),
    Kind("AWS::SQS::Queue", "sqs", "list_queues", "QueueUrls[]", "QueueName"),
    Kind("AWS::SecretsManager::Secret", "secretsmanager", "list_secrets", "SecretList[].Name"),
    Kind(
        "AWS::StepFunctions::StateMachine",
        "stepfunctions",
        "list_state_machines",
        "stateMachines[].name",
        "StateMachineName",
    ),
)
_DELIVERY = "ExtendedS3DestinationConfiguration"
_ENCRYPTION = "ServerSideEncryptionConfiguration.ServerSideEncryptionByDefault.SSEAlgorithm"
# What is meant to differ, with its reason. A setting that only one of both states is no difference.
MEANT = {
    ("AWS::CodeBuild::Project", "EncryptionKey"): "keys of our own; at home nothing is encrypted",
    ("AWS::CodeBuild::Project", "Environment.Image"): "a build at home is a process of this machine",
    ("AWS::CodeBuild::Project", "Source.Type"): "and works on the checkout",
    ("AWS::CodeBuild::Project", "Tags"): "only a stage has tags",
    ("AWS::DynamoDB::Table", "DeletionProtectionEnabled"): "a home is deleted with its folder",
    ("AWS::Events::Rule", "Targets.Id"): "the CDK numbers the targets of a schedule",
    ("AWS::Glue::Job", "Command.ScriptLocation"): "a script on AWS has the name of its hash",
    ("AWS::Glue::Job", "SecurityConfiguration"): "at home nothing is encrypted",
    ("AWS::Kinesis::Stream", "RetentionPeriodHours"): "a laptop need not outlast a weekend",
    ("AWS::Kinesis::Stream", "ShardCount"): "one shard takes what a laptop can send",
    ("AWS::S3::Bucket", f"BucketEncryption.{_ENCRYPTION}"): "keys of our own; at home nothing is encrypted",
    ("AWS::SNS::Topic", "KmsMasterKeyId"): "the same key, by its alias",
    ("AWS::SecretsManager::Secret", "Tags"): "only a stage has tags",
    ("AWS::StepFunctions::StateMachine", "DefinitionString.States.data sets.Result"): "QuickSight is on AWS only",
}
if f"python{sys.version_info.major}.{sys.version_info.minor}" != definitions.RUNTIME:
    MEANT["AWS::Lambda::Function", "Runtime"] = "the package at home holds what this machine's Python imports"
# So that nothing is left uncompared because one of both no longer states it.
SURELY_COMPARED = {
    ("AWS::Athena::WorkGroup", "WorkGroupConfiguration.EnforceWorkGroupConfiguration"),
    ("AWS::Athena::WorkGroup", "WorkGroupConfiguration.ResultConfiguration.OutputLocation"),
    ("AWS::DynamoDB::Table", "GlobalSecondaryIndexes.Projection.NonKeyAttributes"),
    ("AWS::DynamoDB::Table", "KeySchema.AttributeName"),
    ("AWS::DynamoDB::Table", "TimeToLiveSpecification.AttributeName"),
    ("AWS::Events::Archive", "RetentionDays"),
    ("AWS::Events::Rule", "EventPattern.detail.level"),
    ("AWS::Glue::Database", "DatabaseInput.LocationUri"),
    ("AWS::Glue::Job", "GlueVersion"),
    ("AWS::Glue::Job", "Timeout"),
    ("AWS::Glue::Table", "TableInput.Parameters.projection.dt.range"),
    ("AWS::Glue::Table", "TableInput.StorageDescriptor.Columns.Name"),
    ("AWS::Glue::Table", "TableInput.StorageDescriptor.Columns.Type"),
    ("AWS::IoT::Policy", "PolicyDocument.Statement.Resource"),
    ("AWS::IoT::TopicRule", "TopicRulePayload.Sql"),
    ("AWS::KinesisFirehose::DeliveryStream", f"{_DELIVERY}.BufferingHints.IntervalInSeconds"),
    ("AWS::KinesisFirehose::DeliveryStream", f"{_DELIVERY}.BufferingHints.SizeInMBs"),
    ("AWS::KinesisFirehose::DeliveryStream", f"{_DELIVERY}.ErrorOutputPrefix"),
    ("AWS::KinesisFirehose::DeliveryStream", f"{_DELIVERY}.Prefix"),
    ("AWS::KinesisFirehose::DeliveryStream", f"{_DELIVERY}.S3BackupConfiguration.Prefix"),
    ("AWS::Lambda::EventSourceMapping", "MaximumBatchingWindowInSeconds"),
    ("AWS::Lambda::Function", "Environment.Variables.THRESHOLDS"),
    ("AWS::Lambda::Function", "MemorySize"),
    ("AWS::Pipes::Pipe", "SourceParameters.FilterCriteria.Filters.Pattern"),
    ("AWS::SQS::Queue", "MessageRetentionPeriod"),
    ("AWS::StepFunctions::StateMachine", "DefinitionString.States.roll up.Parameters.JobName"),
}


@pytest.fixture(scope="module")
def city_at_home(tmp_path_factory, run_endpoint):
    """A home of stage prod's city."""
    with run_endpoint(tmp_path_factory.mktemp("prod_at_home"), "--no-athena") as (url, _), patch.dict("os.environ"):
        use_local_home(url)
        create_resources(CITY)
        yield
    boto3.DEFAULT_SESSION = None


@pytest.mark.usefixtures("city_at_home")
def test_the_home_has_what_the_templates_have_with_the_same_settings(synthesized):
    templates = StageTemplates(synthesized)
    only_at_home, told = set(), {"equal": set(), "different": set(), "missing": set()}
    for kind in AT_HOME:
        for name in listed(kind):
            if logical_id := resource_of(templates, kind, name):
                properties = templates.properties(logical_id)
                found = described(kind.type, templates.identity(logical_id), properties)
                for path, how in compared(properties, found):
                    told[how].add((kind.type, path))
            else:
                only_at_home.add((kind.type, name))
    assert only_at_home == set()
    assert told["different"] == MEANT.keys()
    assert told["equal"] >= SURELY_COMPARED


def listed(kind: Kind) -> list[str]:
    """Return the names, or addresses, of what the home has of a type; there is some of each."""
    client = boto3.client(kind.service)
    answer = getattr(client, kind.call)(**kind.arguments)
    names = jmespath.search(kind.names, answer)
    assert names, kind
    return names


def resource_of(templates: StageTemplates, kind: Kind, name: str) -> str | None:
    """Return the logical ID of the resource that has a name, or an address that ends in it."""
    for logical_id, resource in templates.resources.items():
        if resource["Type"] == kind.type:
            value = jmespath.search(kind.named, templates.properties(logical_id))
            if value == name or name.endswith((f":{value}", f"/{value}")):
                return logical_id
    return None
