"""Sending alerts again: those that a topic or a webhook did not take, and those of a time, from the bus's archive.

What was not taken waits in the queue `undelivered`. Its event goes onto the bus once more, as it was, to every route
that wants it: who got it before sees its `event_id` a second time. What the pipe could not put on the bus waits in the
same queue without the event itself, and stays there.
"""

import json
import time
import uuid
from datetime import datetime
from typing import Any, NamedTuple

import boto3

from infra.alert_definitions import route_name
from infra.errors import FailedError, UsageError
from infra.settings import CitySettings

_MESSAGES_PER_CALL = 10
# While this runs nobody else is handed a message that it looks at.
_HIDDEN_S = 60


class Redelivered(NamedTuple):
    """Events that are on the bus again, and messages that hold none."""

    sent: int
    left: int


def redeliver(city: CitySettings) -> Redelivered:
    """Send what the queue holds now; what comes back while this runs is left for the next time.

    Raises FailedError when the bus does not take an event, which then stays in the queue.
    """
    sqs, bus = boto3.client("sqs"), boto3.client("events")
    url = sqs.get_queue_url(QueueName=city.undelivered_queue)["QueueUrl"]
    began_ms, sent, left = time.time() * 1000, 0, 0
    while messages := _receive(sqs, url):
        of_before = [each for each in messages if int(each["Attributes"]["SentTimestamp"]) < began_ms]
        for message in of_before:
            if "RULE_ARN" not in message.get("MessageAttributes", {}):
                left += 1
                continue
            _put(bus, city.alert_bus, json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            sent += 1
        if not of_before:
            break
    return Redelivered(sent, left)


def replay(city: CitySettings, start: datetime, end: datetime, route: str | None = None) -> str:
    """Let the archive send the alerts of `[start, end)` again, to all routes or one; return the replay's name.

    Raises UsageError for a route that the settings do not name.
    """
    events = boto3.client("events")
    bus = events.describe_event_bus(Name=city.alert_bus)["Arn"]
    destination: dict[str, Any] = {"Arn": bus}
    if route is not None:
        wanted = next((each for each in city.alert_routes if each.name == route), None)
        if wanted is None:
            named = ", ".join(each.name for each in city.alert_routes)
            raise UsageError(f"there is no route {route}; TRAFFICLAKE_ALERT_ROUTES has {named}.")
        rule = events.describe_rule(Name=route_name(city, wanted), EventBusName=city.alert_bus)
        destination["FilterArns"] = [rule["Arn"]]
    name = f"{city.alert_bus}-{uuid.uuid4().hex[:12]}"
    events.start_replay(
        ReplayName=name,
        EventSourceArn=events.describe_archive(ArchiveName=city.alert_bus)["ArchiveArn"],
        EventStartTime=start,
        EventEndTime=end,
        Destination=destination,
    )
    return name


def _receive(sqs: Any, url: str) -> list[dict[str, Any]]:  # noqa: ANN401 — boto3's clients are made at run time
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=_MESSAGES_PER_CALL,
        VisibilityTimeout=_HIDDEN_S,
        WaitTimeSeconds=1,
        AttributeNames=["SentTimestamp"],
        MessageAttributeNames=["All"],
    )
    return answer.get("Messages", [])


def _put(bus: Any, name: str, event: dict[str, Any]) -> None:  # noqa: ANN401
    entry = {
        "EventBusName": name,
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event.get("resources", []),
    }
    (answer,) = bus.put_events(Entries=[entry])["Entries"]
    if "ErrorCode" in answer:
        raise FailedError(f"the bus {name} does not take the event: {answer['ErrorCode']} {answer['ErrorMessage']}")
