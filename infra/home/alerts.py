"""What the alerts need of a home: streams, table, functions, and the way of an event from the table to people.

Made by the API as the CDK app makes it by template, from the same settings. Safe to repeat; a function whose sources
have changed gets its new package.
"""

import json
import secrets
import sys
from itertools import chain
from typing import Any

import boto3

from infra import alert_definitions as definitions
from infra import function_package
from infra.home.existing import role_arn, unless_exists, waited_stream
from infra.settings import AlertRoute, CitySettings

_DAY_S = 86_400


def create_alert_resources(city: CitySettings) -> None:
    """Create what is missing, in the order in which one needs the other."""
    role = role_arn(f"{city.prefix}-alerts", "lambda.amazonaws.com", "pipes.amazonaws.com", "events.amazonaws.com")
    waited_stream(city.segment_stream)
    table_stream = _create_table(city)
    failed, undelivered = _queue(city.failed_queue), _queue(city.undelivered_queue)
    functions = {name: _function(city, name, role) for name in definitions.LIMITS}
    for name, stream in (("judge", city.stream), ("track", city.segment_stream)):
        _map(functions[name], stream, definitions.mapping(name, failed))
    bus = _create_bus(city)
    _create_pipe(city, role, table_stream, functions["describe"], bus, undelivered)
    key = _create_key(city)
    for route in city.alert_routes:
        _create_route(city, route, role, undelivered, key)
    _schedule(city, functions["watch"])


def _create_table(city: CitySettings) -> str:
    """Return the address of the table's stream."""
    dynamodb = boto3.client("dynamodb")
    created = unless_exists(
        dynamodb.create_table,
        TableName=city.state_table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in sorted({*definitions.TABLE_KEY, *chain(*definitions.INDEXES.values())})
        ],
        KeySchema=_key_schema(definitions.TABLE_KEY),
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": _key_schema(index_key),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": definitions.INDEXED},
            }
            for name, index_key in definitions.INDEXES.items()
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": definitions.TABLE_STREAM},
        SSESpecification={"Enabled": True},
    )
    if created:
        dynamodb.get_waiter("table_exists").wait(TableName=city.state_table, WaiterConfig={"Delay": 1})
        dynamodb.update_time_to_live(
            TableName=city.state_table, TimeToLiveSpecification={"Enabled": True, "AttributeName": definitions.EXPIRY}
        )
        dynamodb.update_continuous_backups(
            TableName=city.state_table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    return dynamodb.describe_table(TableName=city.state_table)["Table"]["LatestStreamArn"]


def _key_schema(key: tuple[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(key, ("HASH", "RANGE"), strict=True)]


def _queue(name: str) -> str:
    """Return the address of a queue that keeps messages for two weeks, encrypted."""
    sqs = boto3.client("sqs")
    attributes = {"MessageRetentionPeriod": str(definitions.QUEUE_DAYS * _DAY_S), "SqsManagedSseEnabled": "true"}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _function(city: CitySettings, name: str, role: str) -> str:
    """Return the address of a function that runs the present sources."""
    client = boto3.client("lambda")
    function = definitions.function_name(city, name)
    digest = function_package.source_digest()
    timeout_s, memory_mb = definitions.LIMITS[name]
    settings = {
        "FunctionName": function,
        "Description": digest,
        # The package holds what this machine's Python imports; the CDK app's is built for AWS's own.
        "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Handler": definitions.handler(name),
        "Role": role,
        "Timeout": timeout_s,
        "MemorySize": memory_mb,
        "Environment": {"Variables": definitions.function_variables(city)},
    }
    try:
        existing = client.get_function_configuration(FunctionName=function)
    except client.exceptions.ResourceNotFoundException:
        return client.create_function(**settings, Code={"ZipFile": function_package.build()})["FunctionArn"]
    if any(existing.get(key) != value for key, value in settings.items()):
        if existing["Description"] != digest:
            client.update_function_code(FunctionName=function, ZipFile=function_package.build())
            client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
        client.update_function_configuration(**settings)
    return existing["FunctionArn"]


def _map(function: str, stream: str, mapping: dict[str, Any]) -> None:
    """Let a function read a stream."""
    client = boto3.client("lambda")
    arn = boto3.client("kinesis").describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    if client.list_event_source_mappings(FunctionName=function, EventSourceArn=arn)["EventSourceMappings"]:
        return
    client.create_event_source_mapping(FunctionName=function, EventSourceArn=arn, **mapping)


def _create_bus(city: CitySettings) -> str:
    """Return the address of the bus, which keeps its events for replay."""
    events = boto3.client("events")
    unless_exists(events.create_event_bus, Name=city.alert_bus)
    arn = events.describe_event_bus(Name=city.alert_bus)["Arn"]
    unless_exists(
        events.create_archive, ArchiveName=city.alert_bus, EventSourceArn=arn, RetentionDays=definitions.ARCHIVE_DAYS
    )
    return arn


def _create_pipe(  # noqa: PLR0913, PLR0917 — a pipe joins five things
    city: CitySettings, role: str, table_stream: str, describe: str, bus: str, undelivered: str
) -> None:
    unless_exists(
        boto3.client("pipes").create_pipe,
        Name=city.alert_pipe,
        RoleArn=role,
        Source=table_stream,
        Enrichment=describe,
        Target=bus,
        **definitions.pipe(undelivered),
    )


def _create_key(city: CitySettings) -> str:
    """Return the alias of the key that topics are encrypted with: AWS's own key does not let EventBridge publish."""
    kms, alias = boto3.client("kms"), f"alias/{city.alert_bus}"
    if all(
        each["AliasName"] != alias for page in kms.get_paginator("list_aliases").paginate() for each in page["Aliases"]
    ):
        account = boto3.client("sts").get_caller_identity()["Account"]
        everything = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*"}
        publish = {
            "Effect": "Allow",
            "Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        }
        statements = [statement | {"Resource": "*"} for statement in (everything, publish)]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        key = kms.create_key(Description="Topics of alerts", Policy=policy)["KeyMetadata"]["KeyId"]
        kms.enable_key_rotation(KeyId=key)
        kms.create_alias(AliasName=alias, TargetKeyId=key)
    return alias


def _create_route(city: CitySettings, route: AlertRoute, role: str, undelivered: str, key: str) -> None:
    """Send the alerts of a route to its topic, as text that people read, and to its webhook as they are on the bus."""
    events, sns = boto3.client("events"), boto3.client("sns")
    name = definitions.route_name(city, route)
    topic = sns.create_topic(Name=name, Attributes={"KmsMasterKeyId": key})["TopicArn"]
    for address in route.emails:
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)
    events.put_rule(
        Name=name,
        EventBusName=city.alert_bus,
        EventPattern=json.dumps(definitions.route_pattern(route)),
        Description=definitions.ROUTE_DESCRIPTION,
    )
    targets = [definitions.topic_target(topic, undelivered)]
    if route.webhook_url:
        targets.append(definitions.webhook_target(_destination(city, name, route.webhook_url), role, undelivered))
    events.put_targets(Rule=name, EventBusName=city.alert_bus, Targets=targets)


def _destination(city: CitySettings, name: str, url: str) -> str:
    """Return the address of an API destination that posts to a URL, with the key of the city's secret."""
    events, vault = boto3.client("events"), boto3.client("secretsmanager")
    unless_exists(
        vault.create_secret,
        Name=city.webhook_secret,
        SecretString=secrets.token_urlsafe(30),
        Description=definitions.WEBHOOK_KEY_DESCRIPTION,
    )
    key = vault.get_secret_value(SecretId=city.webhook_secret)["SecretString"]
    authorization = {"ApiKeyAuthParameters": {"ApiKeyName": definitions.WEBHOOK_HEADER, "ApiKeyValue": key}}
    unless_exists(events.create_connection, Name=name, AuthorizationType="API_KEY", AuthParameters=authorization)
    connection = events.describe_connection(Name=name)["ConnectionArn"]
    unless_exists(
        events.create_api_destination,
        Name=name,
        ConnectionArn=connection,
        InvocationEndpoint=url,
        HttpMethod="POST",
        InvocationRateLimitPerSecond=definitions.WEBHOOK_CALLS_PER_S,
    )
    return events.describe_api_destination(Name=name)["ApiDestinationArn"]


def _schedule(city: CitySettings, watch: str) -> None:
    """Let the watch run once a minute."""
    events, name = boto3.client("events"), definitions.function_name(city, "watch")
    rule = events.put_rule(
        Name=name, ScheduleExpression=definitions.WATCH_RATE, Description=definitions.WATCH_DESCRIPTION
    )
    permission = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": rule["RuleArn"]}
    unless_exists(boto3.client("lambda").add_permission, FunctionName=watch, StatementId="schedule", **permission)
    events.put_targets(Rule=name, Targets=[{"Id": "watch", "Arn": watch}])
