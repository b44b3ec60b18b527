"""An alert goes to people as at home; only the parts on its way may pass it on, and what fails is kept."""

import json

import pytest
from aws_cdk import aws_lambda as lambda_

from infra import alert_definitions as definitions
from infra.aws.alerts.events import AlertBus, ChangePipe, DeadLetters, Routes, watch_every_minute
from infra.aws.alerts.table import AlertTable
from infra.aws.stages import STAGES
from infra.settings import AlertRoute, CitySettings
from tests.infra.aws.templates import allowed, flat, of_type, properties, statements

PEOPLE = AlertRoute(name="people", zones=("north",), emails=("someone@example.org",))
ROOM = AlertRoute(name="room", levels=("CRITICAL",), webhook_url="https://room.example.org/")
DESCRIBE = "arn:aws:lambda:us-east-1:123456789012:function:describe"


def with_routes(*routes):
    return STAGES["test"].model_copy(update={"city": CitySettings(stage="test", alert_routes=routes)})


def events(resources_of, *routes):
    stage = with_routes(*routes)

    def make(stack):
        undelivered = DeadLetters(stack, "Undelivered", name=stage.city.undelivered_queue)
        bus = AlertBus(stack, "Bus", stage=stage)
        describe = lambda_.Function.from_function_arn(stack, "Describe", DESCRIBE)
        table = AlertTable(stack, "Table", stage=stage)
        ChangePipe(stack, "Changes", stage=stage, table=table, describe=describe, bus=bus, undelivered=undelivered)
        Routes(stack, "Routes", stage=stage, bus=bus, undelivered=undelivered)
        watch_every_minute(stack, "Watch", stage=stage, watch=describe)

    return resources_of(make)


@pytest.fixture(scope="module")
def both(resources_of):
    return events(resources_of, PEOPLE, ROOM)


def logical_id(resources, kind):
    (found,) = (name for name, resource in resources.items() if resource["Type"] == kind)
    return found


def test_the_pipe_is_that_of_the_local_home(both):
    (pipe,) = (each["Properties"] for each in of_type(both, "AWS::Pipes::Pipe"))
    queue = pipe["SourceParameters"]["DynamoDBStreamParameters"]["DeadLetterConfig"]["Arn"]
    assert queue["Fn::GetAtt"][0] == logical_id(both, "AWS::SQS::Queue")
    expected = definitions.pipe(queue)
    assert {name: pipe[name] for name in expected} == expected
    assert pipe["Source"]["Fn::GetAtt"] == [logical_id(both, "AWS::DynamoDB::Table"), "StreamArn"]
    assert pipe["Target"]["Fn::GetAtt"] == [logical_id(both, "AWS::Events::EventBus"), "Arn"]
    assert pipe["Enrichment"] == DESCRIBE


def test_the_pipe_may_read_changes_have_them_described_and_put_events(both):
    stream = f"<{logical_id(both, 'AWS::DynamoDB::Table')}.StreamArn>"
    reads = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
    assert allowed(both, "ChangesRole") == {
        **{f"dynamodb:{action}": {stream} for action in reads},
        "lambda:InvokeFunction": {DESCRIBE},
        "events:PutEvents": {f"<{logical_id(both, 'AWS::Events::EventBus')}.Arn>"},
        "sqs:SendMessage": {f"<{logical_id(both, 'AWS::SQS::Queue')}.Arn>"},
    }


def test_the_bus_keeps_its_events(both):
    (archive,) = (each["Properties"] for each in of_type(both, "AWS::Events::Archive"))
    assert archive["SourceArn"]["Fn::GetAtt"][0] == logical_id(both, "AWS::Events::EventBus")
    assert archive["RetentionDays"] == definitions.ARCHIVE_DAYS


@pytest.mark.parametrize("route", [PEOPLE, ROOM], ids=lambda route: route.name)
def test_a_route_is_that_of_the_local_home(both, route):
    rule = properties(both, "AWS::Events::Rule", Name=f"trafficlake-test-alerts-{route.name}")
    assert rule["EventPattern"] == definitions.route_pattern(route)
    topic, *webhook = rule["Targets"]
    assert topic == definitions.topic_target(topic["Arn"], topic["DeadLetterConfig"]["Arn"])
    assert both[topic["Arn"]["Ref"]]["Properties"]["TopicName"] == rule["Name"]
    assert len(webhook) == bool(route.webhook_url)
    for target in webhook:
        expected = definitions.webhook_target(target["Arn"], target["RoleArn"], target["DeadLetterConfig"]["Arn"])
        assert target == expected
        destination = both[target["Arn"]["Fn::GetAtt"][0]]["Properties"]
        assert destination["InvocationEndpoint"] == route.webhook_url
        assert destination["InvocationRateLimitPerSecond"] == definitions.WEBHOOK_CALLS_PER_S


def test_people_are_asked_to_confirm_by_mail(both):
    (subscription,) = (each["Properties"] for each in of_type(both, "AWS::SNS::Subscription"))
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "someone@example.org")
    assert both[subscription["TopicArn"]["Ref"]]["Properties"]["TopicName"] == "trafficlake-test-alerts-people"


def test_topics_are_encrypted_with_a_key_that_lets_eventbridge_publish(both):
    for topic in of_type(both, "AWS::SNS::Topic"):
        key = both[topic["Properties"]["KmsMasterKeyId"]["Fn::GetAtt"][0]]["Properties"]
        assert key["EnableKeyRotation"] is True
        (for_events,) = (
            each for each in statements(key["KeyPolicy"]) if each["Principal"] == {"Service": "events.amazonaws.com"}
        )
        assert for_events["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_nobody_but_eventbridge_may_publish_to_a_topic(both):
    for policy in of_type(both, "AWS::SNS::TopicPolicy"):
        may = [each for each in statements(policy["Properties"]["PolicyDocument"]) if each["Effect"] == "Allow"]
        assert [(each["Principal"], each["Action"]) for each in may] == [
            ({"Service": "events.amazonaws.com"}, ["sns:Publish"])
        ]


def test_only_the_routes_rules_may_put_into_the_queue_of_what_is_undelivered(both):
    (policy,) = of_type(both, "AWS::SQS::QueuePolicy")
    rules = {
        f"<{name}.Arn>"
        for name, resource in both.items()
        if resource["Type"] == "AWS::Events::Rule" and "EventBusName" in resource["Properties"]
    }
    may = [each for each in statements(policy["Properties"]["PolicyDocument"]) if each["Effect"] == "Allow"]
    assert {flat(each["Condition"]["ArnEquals"]["aws:SourceArn"]) for each in may} == rules
    assert all(each["Action"] == ["sqs:SendMessage"] for each in may)


def test_undelivered_messages_are_encrypted_and_kept_for_two_weeks(both):
    (queue,) = (each["Properties"] for each in of_type(both, "AWS::SQS::Queue"))
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 86_400


def test_a_webhook_s_key_is_in_the_account_and_not_in_the_template(both):
    (connection,) = (each["Properties"] for each in of_type(both, "AWS::Events::Connection"))
    parameters = connection["AuthParameters"]["ApiKeyAuthParameters"]
    secret = logical_id(both, "AWS::SecretsManager::Secret")
    assert parameters["ApiKeyName"] == definitions.WEBHOOK_HEADER
    assert flat(parameters["ApiKeyValue"]) == f"{{{{resolve:secretsmanager:<{secret}>:SecretString:::}}}}"
    assert "SecretString" not in both[secret]["Properties"]


def test_webhooks_are_called_by_a_role_that_may_do_nothing_else(both):
    destination = logical_id(both, "AWS::Events::ApiDestination")
    assert allowed(both, "RoutesWebhookRole") == {"events:InvokeApiDestination": {f"<{destination}.Arn>"}}


def test_there_is_no_key_where_no_route_has_a_webhook(resources_of):
    resources = events(resources_of, PEOPLE)
    assert not of_type(resources, "AWS::SecretsManager::Secret")
    assert "WebhookRole" not in json.dumps(resources)


def test_the_watch_runs_once_a_minute(both):
    rule = properties(both, "AWS::Events::Rule", Name="trafficlake-test-watch")
    assert rule["ScheduleExpression"] == definitions.WATCH_RATE
    assert [target["Arn"] for target in rule["Targets"]] == [DESCRIBE]
