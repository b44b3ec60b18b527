"""What the alerts need of a home: streams, table, functions, and the way of an event from the table to people.

Made by the API as the CDK app makes it by template, from the same settings. Safe to repeat; a function whose sources
have changed gets its new package.
"""

import json
import secrets
from dataclasses import asdict
from typing import Any

import boto3

from infra import function_package
from infra.existing import role_arn, unless_exists, waited_stream
from infra.settings import AlertRoute, CitySettings
from ingestion.alerts.messages import SOURCE

RUNTIME = "python3.11"
# (seconds, MB): `track` may have to read fifteen minutes of its shard again, and 1,769 MB is what has a whole CPU; the
# others hold the snapshots of 50,000 sensors.
LIMITS = {"judge": (60, 512), "track": (300, 1769), "describe": (60, 512), "watch": (70, 512)}
RETRIES = 10
BATCH = 5000
_DAY_S = 86_400


def create_alert_resources(city: CitySettings) -> None:
    """Create what is missing, in the order in which one needs the other."""
    role = role_arn(f"{city.prefix}-alerts", "lambda.amazonaws.com", "pipes.amazonaws.com", "events.amazonaws.com")
    waited_stream(city.segment_stream)
    table_stream = _create_table(city)
    failed, undelivered = _queue(f"{city.alert_bus}-failed"), _queue(f"{city.alert_bus}-undelivered")
    functions = {name: _function(city, name, role) for name in function_package.FUNCTIONS}
    _map(functions["judge"], city.stream, failed, window_s=1)
    _map(functions["track"], city.segment_stream, failed, window_s=0)
    bus = _create_bus(city)
    _create_pipe(city, role, table_stream, functions["describe"], bus, undelivered)
    key = _create_key(city)
    for route in city.alert_routes:
        _create_route(city, route, role, undelivered, key)
    _schedule(city, functions["watch"])


def _create_table(city: CitySettings) -> str:
    """Return the address of the table's stream."""
    dynamodb = boto3.client("dynamodb")
    key = {"segment_id": "HASH", "ts": "RANGE"}
    measures = ["kind", "level", "since_us", "mean_index", "worst_index", "vehicles", "readings", "last_arrived_us"]
    indexes = {
        # What a zone's segments were, by time.
        "zone_time": {"zone_id": "HASH", "ts": "RANGE"},
        # Sparse: only segments in alert have the attribute.
        "in_alert": {"in_alert": "HASH", "segment_id": "RANGE"},
    }
    created = unless_exists(
        dynamodb.create_table,
        TableName=city.state_table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("segment_id", "ts", "zone_id", "in_alert")
        ],
        KeySchema=_key_schema(key),
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": _key_schema(index_key),
                # Not the state, which is most of an item.
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": measures},
            }
            for name, index_key in indexes.items()
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        SSESpecification={"Enabled": True},
    )
    if created:
        dynamodb.get_waiter("table_exists").wait(TableName=city.state_table, WaiterConfig={"Delay": 1})
        dynamodb.update_time_to_live(
            TableName=city.state_table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
        )
        dynamodb.update_continuous_backups(
            TableName=city.state_table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    return dynamodb.describe_table(TableName=city.state_table)["Table"]["LatestStreamArn"]


def _key_schema(key: dict[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in key.items()]


def _queue(name: str) -> str:
    """Return the address of a queue that keeps messages for two weeks, encrypted."""
    sqs = boto3.client("sqs")
    attributes = {"MessageRetentionPeriod": str(14 * _DAY_S), "SqsManagedSseEnabled": "true"}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _function(city: CitySettings, name: str, role: str) -> str:
    """Return the address of a function that runs the present sources."""
    client = boto3.client("lambda")
    function = f"{city.prefix}-{name}"
    digest = function_package.source_digest()
    timeout_s, memory_mb = LIMITS[name]
    settings = {
        "FunctionName": function,
        "Description": digest,
        "Runtime": RUNTIME,
        "Handler": f"ingestion.alerts.{name}_function.handler",
        "Role": role,
        "Timeout": timeout_s,
        "MemorySize": memory_mb,
        "Environment": {"Variables": function_variables(city)},
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


def function_variables(city: CitySettings) -> dict[str, str]:
    """Return what `ingestion.alerts.function_settings` reads."""
    return {
        "LAKE_BUCKET": city.lake_bucket,
        "SEGMENT_STREAM": city.segment_stream,
        "STATE_TABLE": city.state_table,
        "THRESHOLDS": json.dumps(asdict(city.alert_thresholds)),
        "SILENCE_AFTER_S": str(city.alert_silence_s),
        "CITY_TIME_ZONE": city.city_time_zone,
        "DASHBOARD_URL": city.dashboard_url,
    }


def _map(function: str, stream: str, failed: str, *, window_s: int) -> None:
    """Let a function read a stream, from now on."""
    client = boto3.client("lambda")
    arn = boto3.client("kinesis").describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    if client.list_event_source_mappings(FunctionName=function, EventSourceArn=arn)["EventSourceMappings"]:
        return
    client.create_event_source_mapping(
        FunctionName=function,
        EventSourceArn=arn,
        StartingPosition="LATEST",
        BatchSize=BATCH,
        MaximumBatchingWindowInSeconds=window_s,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=RETRIES,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": failed}},
    )


def _create_bus(city: CitySettings) -> str:
    """Return the address of the bus, which keeps its events for replay."""
    events = boto3.client("events")
    unless_exists(events.create_event_bus, Name=city.alert_bus)
    arn = events.describe_event_bus(Name=city.alert_bus)["Arn"]
    unless_exists(events.create_archive, ArchiveName=city.alert_bus, EventSourceArn=arn, RetentionDays=90)
    return arn


def _create_pipe(  # noqa: PLR0913, PLR0917 — a pipe joins five things
    city: CitySettings, role: str, table_stream: str, describe: str, bus: str, undelivered: str
) -> None:
    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": [{"exists": True}]}}}}
    unless_exists(
        boto3.client("pipes").create_pipe,
        Name=f"{city.prefix}-alert-changes",
        RoleArn=role,
        Source=table_stream,
        SourceParameters={
            "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)}]},
            "DynamoDBStreamParameters": {
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 10,
                "MaximumRetryAttempts": RETRIES,
                "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
                "DeadLetterConfig": {"Arn": undelivered},
            },
        },
        Enrichment=describe,
        Target=bus,
        TargetParameters={
            "EventBridgeEventBusParameters": {"Source": SOURCE, "DetailType": "$.detail_type"},
            "InputTemplate": "<$.detail>",
        },
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
    name = f"{city.alert_bus}-{route.name}"
    topic = sns.create_topic(Name=name, Attributes={"KmsMasterKeyId": key})["TopicArn"]
    for address in route.emails:
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)
    events.put_rule(
        Name=name,
        EventBusName=city.alert_bus,
        EventPattern=json.dumps(route_pattern(route)),
        Description="Alerts of a route to its topic and webhook",
    )
    delivery = {
        "DeadLetterConfig": {"Arn": undelivered},
        "RetryPolicy": {"MaximumRetryAttempts": RETRIES, "MaximumEventAgeInSeconds": 3600},
    }
    text = {"InputPathsMap": {"message": "$.detail.message"}, "InputTemplate": "<message>"}
    targets: list[dict[str, Any]] = [{"Id": "topic", "Arn": topic, "InputTransformer": text} | delivery]
    if route.webhook_url:
        webhook = {"Id": "webhook", "Arn": _destination(city, name, route.webhook_url), "RoleArn": role}
        targets.append(webhook | {"InputPath": "$.detail"} | delivery)
    events.put_targets(Rule=name, EventBusName=city.alert_bus, Targets=targets)


def route_pattern(route: AlertRoute) -> dict[str, Any]:
    """Return the event pattern of a route."""
    detail = {"zone_id": list(route.zones), "level": list(route.levels)}
    wanted = {field: values for field, values in detail.items() if values}
    return {"source": [SOURCE]} | ({"detail": wanted} if wanted else {})


def _destination(city: CitySettings, name: str, url: str) -> str:
    """Return the address of an API destination that posts to a URL, with the key of the city's secret."""
    events, vault = boto3.client("events"), boto3.client("secretsmanager")
    unless_exists(
        vault.create_secret,
        Name=city.webhook_secret,
        SecretString=secrets.token_urlsafe(30),
        Description="What webhooks of alerts get as x-api-key",
    )
    key = vault.get_secret_value(SecretId=city.webhook_secret)["SecretString"]
    authorization = {"ApiKeyAuthParameters": {"ApiKeyName": "x-api-key", "ApiKeyValue": key}}
    unless_exists(events.create_connection, Name=name, AuthorizationType="API_KEY", AuthParameters=authorization)
    connection = events.describe_connection(Name=name)["ConnectionArn"]
    unless_exists(
        events.create_api_destination,
        Name=name,
        ConnectionArn=connection,
        InvocationEndpoint=url,
        HttpMethod="POST",
        InvocationRateLimitPerSecond=10,
    )
    return events.describe_api_destination(Name=name)["ApiDestinationArn"]


def _schedule(city: CitySettings, watch: str) -> None:
    """Let the watch run once a minute."""
    events, name = boto3.client("events"), f"{city.prefix}-watch"
    rule = events.put_rule(Name=name, ScheduleExpression="rate(1 minute)", Description="Ticks and silent feeds")
    permission = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": rule["RuleArn"]}
    unless_exists(boto3.client("lambda").add_permission, FunctionName=watch, StatementId="schedule", **permission)
    events.put_targets(Rule=name, Targets=[{"Id": "watch", "Arn": watch}])
