"""Events that a target did not take are sent again, and nothing else is touched."""

import json
import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from infra import redelivery
from infra.alert_definitions import SOURCE, route_name
from infra.errors import UsageError
from infra.settings import settings

DETAIL = {"event_id": "e-1", "message": "segment A is in WARNING"}


@pytest.fixture
def queues(endpoint):
    """The queue of undelivered events and one for what arrives, both empty."""
    sqs = boto3.client("sqs")
    undelivered = sqs.get_queue_url(QueueName=settings().undelivered_queue)["QueueUrl"]
    arrived = sqs.create_queue(QueueName="redelivered")["QueueUrl"]
    for queue in (undelivered, arrived):
        sqs.purge_queue(QueueUrl=queue)
    return undelivered, arrived


def arn(queue):
    return boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]


def received(queue, within_s=20.0):
    sqs, end = boto3.client("sqs"), time.monotonic() + within_s
    while time.monotonic() < end:
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, VisibilityTimeout=0).get("Messages", []):
            return message["Body"]
    return None


def test_an_event_for_a_topic_that_was_gone_arrives_after_redelivery(queues):
    undelivered, arrived = queues
    events, sns = boto3.client("events"), boto3.client("sns")
    topic = sns.create_topic(Name="mended")["TopicArn"]
    sns.delete_topic(TopicArn=topic)
    bus = settings().alert_bus
    events.put_rule(Name="to-mended", EventBusName=bus, EventPattern=json.dumps({"source": ["test.redelivery"]}))
    target = {"Id": "t", "Arn": topic, "InputPath": "$.detail", "DeadLetterConfig": {"Arn": arn(undelivered)}}
    events.put_targets(Rule="to-mended", EventBusName=bus, Targets=[target])
    entry = {"EventBusName": bus, "Source": "test.redelivery", "DetailType": "Change", "Detail": json.dumps(DETAIL)}
    events.put_events(Entries=[entry])
    assert received(undelivered) is not None

    sns.create_topic(Name="mended")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn(arrived), Attributes={"RawMessageDelivery": "true"})
    assert redelivery.redeliver(settings()) == (1, 0)
    assert json.loads(received(arrived)) == DETAIL
    assert received(undelivered, within_s=1) is None


def test_a_message_without_an_event_stays_in_the_queue(queues):
    undelivered, _ = queues
    boto3.client("sqs").send_message(QueueUrl=undelivered, MessageBody="{}")
    time.sleep(0.01)
    assert redelivery.redeliver(settings()) == (0, 1)
    assert boto3.client("sqs").get_queue_attributes(
        QueueUrl=undelivered, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}


def test_a_replay_sends_the_alerts_of_a_time_to_one_route_only(queues):
    events, began, bus = boto3.client("events"), datetime.now(UTC), settings().alert_bus
    (route,) = settings().alert_routes
    rule = route_name(settings(), route)
    _, arrived = queues
    events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "test", "Arn": arn(arrived)}])
    other = boto3.client("sqs").create_queue(QueueName="other-route")["QueueUrl"]
    events.put_rule(Name="other", EventBusName=bus, EventPattern=json.dumps({"source": [SOURCE]}))
    events.put_targets(Rule="other", EventBusName=bus, Targets=[{"Id": "test", "Arn": arn(other)}])
    entry = {"EventBusName": bus, "Source": SOURCE, "DetailType": "Change", "Detail": json.dumps(DETAIL)}
    events.put_events(Entries=[entry])
    for queue in (arrived, other):
        assert received(queue)
        boto3.client("sqs").purge_queue(QueueUrl=queue)

    name = redelivery.replay(settings(), began - timedelta(minutes=1), datetime.now(UTC), route.name)
    assert name in received(arrived)
    assert received(other, within_s=2) is None


def test_a_route_that_nobody_has_named_is_answered_with_those_that_are(endpoint):
    with pytest.raises(UsageError, match="no route nowhere; TRAFFICLAKE_ALERT_ROUTES has all"):
        redelivery.replay(settings(), datetime(2026, 3, 2), datetime(2026, 3, 3), "nowhere")
