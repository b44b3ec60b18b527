"""Events that a target did not take are sent again, and nothing else is touched."""

import json
import time

import boto3
import pytest

from infra import redelivery
from infra.settings import settings

DETAIL = {"event_id": "e-1", "message": "segment A is in WARNING"}


@pytest.fixture
def queues(endpoint):
    """The queue of undelivered events, empty, and one for what arrives."""
    sqs = boto3.client("sqs")
    undelivered = sqs.get_queue_url(QueueName=settings().undelivered_queue)["QueueUrl"]
    sqs.purge_queue(QueueUrl=undelivered)
    return undelivered, sqs.create_queue(QueueName="redelivered")["QueueUrl"]


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
