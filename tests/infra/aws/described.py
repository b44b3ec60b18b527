"""What the API says of a resource, in the words of a template, so that both can be compared setting by setting."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

Properties = dict[str, Any]

# What differs each time that a resource is made.
_EACH_TIME = (
    (re.compile(r"arn:aws:iam::\d+:role/[\w+=,.@-]+"), "<role>"),
    (re.compile(r"arn:aws:kms:[\w-]+:\d+:key/[\w-]+|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"), "<key>"),
    (re.compile(r"(:table/[^/]+/stream)/\S+"), r"\1"),
    (re.compile(r"(:(?:connection|api-destination)/[^/]+)/[\w-]+"), r"\1"),
)


def described(kind: str, name: str, properties: Properties) -> Properties:
    """Return the properties of a resource as the API describes them; `properties` are those of its template, resolved.

    Raises ClientError or LookupError when there is no such resource.
    """
    return _READERS[kind](name, properties)


def compared(wanted: Any, found: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, "equal", "different" or "missing") of all that is wanted; what is only found does not count."""
    if isinstance(wanted, str) and isinstance(found, dict):
        wanted = json.loads(wanted)
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            below = f"{path}.{name}" if path else name
            if name in found:
                yield from compared(value, found[name], below)
            else:
                yield below, "missing"
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for one, other in zip(_ordered(wanted), _ordered(found), strict=True):
            yield from compared(one, other, path)
    else:
        yield path, "equal" if _plain(wanted) == _plain(found) else "different"


def _ordered(values: list[Any]) -> list[Any]:
    """Order lists whose order means nothing to AWS: targets, indexes, and definitions of attributes."""
    for mark, name in (("Arn", "Id"), ("IndexName", "IndexName"), ("AttributeType", "AttributeName")):
        if all(isinstance(value, dict) and mark in value for value in values):
            return sorted(values, key=lambda value: value[name])
    return values


def _plain(value: Any) -> Any:
    """Return a value as text, as some APIs have numbers and truth, without what differs each time."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True, default=str)
    text = str(value)
    for pattern, replacement in _EACH_TIME:
        text = pattern.sub(replacement, text)
    return text


def _bucket(name: str, _: Properties) -> Properties:
    s3 = boto3.client("s3")
    s3.head_bucket(Bucket=name)
    parts: dict[str, tuple[Callable[..., Properties], str]] = {
        "LifecycleConfiguration": (s3.get_bucket_lifecycle_configuration, "Rules"),
        "LoggingConfiguration": (s3.get_bucket_logging, "LoggingEnabled"),
        "MetricsConfigurations": (s3.list_bucket_metrics_configurations, "MetricsConfigurationList"),
        "OwnershipControls": (s3.get_bucket_ownership_controls, "OwnershipControls"),
        "PublicAccessBlockConfiguration": (s3.get_public_access_block, "PublicAccessBlockConfiguration"),
    }
    found: Properties = {"BucketName": name}
    for part, (get, member) in parts.items():
        try:
            answer = get(Bucket=name)
        except ClientError as error:
            # A bucket that has none is told so by an error for each kind of configuration.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
        else:
            found |= {part: answer[member]} if member in answer else {}
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    encryption = [{"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]} for rule in rules]
    found["BucketEncryption"] = {"ServerSideEncryptionConfiguration": encryption}
    if status := s3.get_bucket_versioning(Bucket=name).get("Status"):
        found["VersioningConfiguration"] = {"Status": status}
    return found


def _bucket_policy(_: str, properties: Properties) -> Properties:
    policy = boto3.client("s3").get_bucket_policy(Bucket=properties["Bucket"])["Policy"]
    return {"Bucket": properties["Bucket"], "PolicyDocument": json.loads(policy)}


def _key(name: str, _: Properties) -> Properties:
    kms = boto3.client("kms")
    key = kms.describe_key(KeyId=name)["KeyMetadata"]
    return {
        "Description": key["Description"],
        "EnableKeyRotation": kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"],
        "KeyPolicy": json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]),
    }


def _alias(name: str, _: Properties) -> Properties:
    pages = boto3.client("kms").get_paginator("list_aliases").paginate()
    found = {each["AliasName"]: each for page in pages for each in page["Aliases"]}[name]
    return {"AliasName": found["AliasName"], "TargetKeyId": found["TargetKeyId"]}


def _stream(name: str, _: Properties) -> Properties:
    summary = boto3.client("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    encrypted = {"EncryptionType": "KMS", "KeyId": summary["KeyId"]} if summary.get("EncryptionType") == "KMS" else None
    found = {
        "Name": summary["StreamName"],
        "RetentionPeriodHours": summary["RetentionPeriodHours"],
        "ShardCount": summary["OpenShardCount"],
        "StreamModeDetails": summary["StreamModeDetails"],
    }
    return found | ({"StreamEncryption": encrypted} if encrypted else {})


def _delivery_stream(name: str, _: Properties) -> Properties:
    answer = boto3.client("firehose").describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    (destination,) = answer["Destinations"]
    extended = destination["ExtendedS3DestinationDescription"]
    return {
        "DeliveryStreamName": answer["DeliveryStreamName"],
        "DeliveryStreamType": answer["DeliveryStreamType"],
        "KinesisStreamSourceConfiguration": answer["Source"]["KinesisStreamSourceDescription"],
        "ExtendedS3DestinationConfiguration": extended | {"S3BackupConfiguration": extended["S3BackupDescription"]},
    }


def _database(_: str, properties: Properties) -> Properties:
    name = properties["DatabaseInput"]["Name"]
    database = boto3.client("glue").get_database(Name=name)["Database"]
    return {"CatalogId": database["CatalogId"], "DatabaseInput": database}


def _table(_: str, properties: Properties) -> Properties:
    database, name = properties["DatabaseName"], properties["TableInput"]["Name"]
    table = boto3.client("glue").get_table(DatabaseName=database, Name=name)["Table"]
    return {"CatalogId": table["CatalogId"], "DatabaseName": table["DatabaseName"], "TableInput": table}


def _job(_: str, properties: Properties) -> Properties:
    return boto3.client("glue").get_job(JobName=properties["Name"])["Job"]


def _steps_project(_: str, properties: Properties) -> Properties:
    (project,) = boto3.client("codebuild").batch_get_projects(names=[properties["Name"]])["projects"]
    return _capitalised(project)


def _machine(_: str, properties: Properties) -> Properties:
    machines = boto3.client("stepfunctions")
    listed = machines.list_state_machines()["stateMachines"]
    (arn,) = (each["stateMachineArn"] for each in listed if each["name"] == properties["StateMachineName"])
    machine = machines.describe_state_machine(stateMachineArn=arn)
    definition = json.loads(machine["definition"])
    return {"StateMachineName": machine["name"], "StateMachineType": machine["type"], "DefinitionString": definition}


def _log_group(name: str, _: Properties) -> Properties:
    groups = boto3.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    (group,) = (each for each in groups if each["logGroupName"] == name)
    return {"LogGroupName": group["logGroupName"], "RetentionInDays": group.get("retentionInDays")}


def _log_stream(_: str, properties: Properties) -> Properties:
    group, name = properties["LogGroupName"], properties["LogStreamName"]
    answer = boto3.client("logs").describe_log_streams(logGroupName=group, logStreamNamePrefix=name)
    (stream,) = (each for each in answer["logStreams"] if each["logStreamName"] == name)
    return {"LogGroupName": group, "LogStreamName": stream["logStreamName"]}


def _role(name: str, _: Properties) -> Properties:
    return {"AssumeRolePolicyDocument": boto3.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]}


def _role_policy(_: str, properties: Properties) -> Properties:
    (role,), name = properties["Roles"], properties["PolicyName"]
    policy = boto3.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {"PolicyDocument": policy["PolicyDocument"], "PolicyName": policy["PolicyName"], "Roles": [role]}


def _thing_type(name: str, _: Properties) -> Properties:
    return {"ThingTypeName": boto3.client("iot").describe_thing_type(thingTypeName=name)["thingTypeName"]}


def _device_policy(name: str, _: Properties) -> Properties:
    policy = boto3.client("iot").get_policy(policyName=name)
    return {"PolicyName": policy["policyName"], "PolicyDocument": json.loads(policy["policyDocument"])}


def _topic_rule(name: str, _: Properties) -> Properties:
    rule = boto3.client("iot").get_topic_rule(ruleName=name)["rule"]
    return {"RuleName": rule["ruleName"], "TopicRulePayload": _capitalised(rule)}


def _capitalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: _capitalised(each) for name, each in value.items()}
    return [_capitalised(each) for each in value] if isinstance(value, list) else value


def _workgroup(name: str, _: Properties) -> Properties:
    workgroup = boto3.client("athena").get_work_group(WorkGroup=name)["WorkGroup"]
    return workgroup | {"WorkGroupConfiguration": workgroup["Configuration"]}


def _queue_attributes(name: str) -> Properties:
    sqs = boto3.client("sqs")
    # The physical ID of a queue is its URL.
    url = sqs.get_queue_url(QueueName=name.rpartition("/")[2])["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def _queue(name: str, _: Properties) -> Properties:
    attributes = _queue_attributes(name)
    return attributes | {"QueueName": attributes["QueueArn"].rpartition(":")[2]}


def _queue_policy(_: str, properties: Properties) -> Properties:
    (queue,) = properties["Queues"]
    return {"Queues": [queue], "PolicyDocument": json.loads(_queue_attributes(queue)["Policy"])}


def _state_table(name: str, _: Properties) -> Properties:
    dynamodb = boto3.client("dynamodb")
    table = dynamodb.describe_table(TableName=name)["Table"]
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    restorable = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    return table | {
        "BillingMode": table["BillingModeSummary"]["BillingMode"],
        "SSESpecification": {"SSEEnabled": table.get("SSEDescription", {}).get("Status") == "ENABLED"},
        "TimeToLiveSpecification": {
            "Enabled": expiry["TimeToLiveStatus"] == "ENABLED",
            "AttributeName": expiry.get("AttributeName"),
        },
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": restorable},
    }


def _function(name: str, _: Properties) -> Properties:
    return boto3.client("lambda").get_function_configuration(FunctionName=name)


def _mapping(_: str, properties: Properties) -> Properties:
    asked = {name: properties[name] for name in ("FunctionName", "EventSourceArn")}
    (mapping,) = boto3.client("lambda").list_event_source_mappings(**asked)["EventSourceMappings"]
    return mapping | {"FunctionName": mapping["FunctionArn"].rpartition(":")[2]}


def _permission(_: str, properties: Properties) -> Properties:
    function = properties["FunctionName"]
    statements = json.loads(boto3.client("lambda").get_policy(FunctionName=function)["Policy"])["Statement"]
    (statement,) = (each for each in statements if each["Principal"] == {"Service": properties["Principal"]})
    return {
        "Action": statement["Action"],
        "FunctionName": statement["Resource"],
        "Principal": statement["Principal"]["Service"],
        "SourceArn": statement["Condition"]["ArnLike"]["AWS:SourceArn"],
    }


def _archive(name: str, _: Properties) -> Properties:
    archive = boto3.client("events").describe_archive(ArchiveName=name)
    return archive | {"SourceArn": archive["EventSourceArn"]}


def _rule(_: str, properties: Properties) -> Properties:
    events, bus = boto3.client("events"), properties.get("EventBusName", "default")
    rule = events.describe_rule(Name=properties["Name"], EventBusName=bus)
    pattern = {"EventPattern": json.loads(rule["EventPattern"])} if rule.get("EventPattern") else {}
    targets = events.list_targets_by_rule(Rule=properties["Name"], EventBusName=bus)["Targets"]
    return rule | pattern | {"Targets": targets}


def _secret(_: str, properties: Properties) -> Properties:
    return boto3.client("secretsmanager").describe_secret(SecretId=properties["Name"])


def _topic_attributes(address: str) -> Properties:
    return boto3.client("sns").get_topic_attributes(TopicArn=address)["Attributes"]


def _topic(address: str, _: Properties) -> Properties:
    attributes = _topic_attributes(address)
    return attributes | {"TopicName": attributes["TopicArn"].rpartition(":")[2]}


def _subscription(_: str, properties: Properties) -> Properties:
    answer = boto3.client("sns").list_subscriptions_by_topic(TopicArn=properties["TopicArn"])
    (found,) = (each for each in answer["Subscriptions"] if each["Endpoint"] == properties["Endpoint"])
    return found


def _topic_policy(_: str, properties: Properties) -> Properties:
    (topic,) = properties["Topics"]
    return {"Topics": [topic], "PolicyDocument": json.loads(_topic_attributes(topic)["Policy"])}


def _by(service: str, operation: str, named: str = "Name") -> Callable[[str, Properties], Properties]:
    """Return a reader of what the API describes in the template's own words."""
    return lambda name, _: getattr(boto3.client(service), operation)(**{named: name})


_READERS: Mapping[str, Callable[[str, Properties], Properties]] = {
    "AWS::Athena::WorkGroup": _workgroup,
    "AWS::CodeBuild::Project": _steps_project,
    "AWS::DynamoDB::Table": _state_table,
    "AWS::Events::ApiDestination": _by("events", "describe_api_destination"),
    "AWS::Events::Archive": _archive,
    "AWS::Events::Connection": _by("events", "describe_connection"),
    "AWS::Events::EventBus": _by("events", "describe_event_bus"),
    "AWS::Events::Rule": _rule,
    "AWS::Glue::Database": _database,
    "AWS::Glue::Job": _job,
    "AWS::Glue::Table": _table,
    "AWS::IAM::Policy": _role_policy,
    "AWS::IAM::Role": _role,
    "AWS::IoT::Policy": _device_policy,
    "AWS::IoT::ThingType": _thing_type,
    "AWS::IoT::TopicRule": _topic_rule,
    "AWS::KMS::Alias": _alias,
    "AWS::KMS::Key": _key,
    "AWS::Kinesis::Stream": _stream,
    "AWS::KinesisFirehose::DeliveryStream": _delivery_stream,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::LogStream": _log_stream,
    "AWS::Pipes::Pipe": _by("pipes", "describe_pipe"),
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _machine,
}
