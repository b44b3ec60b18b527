"""Delivery of events to the targets of rules, with retries and dead-letter queues.

EventBridge User Guide, "How EventBridge retries delivering events" and "Using dead-letter queues to process undelivered
events": what does not exist is not tried again; otherwise up to the target's RetryPolicy, by default 185 times in 24
hours, at growing distances (here from half a second to a minute). What waits for another try is in memory only.
"""

import contextlib
import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_POLL_S = 0.2
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 60.0
_DEFAULT_RETRIES, _DEFAULT_AGE_S = 185, 86_400
_SECRETS = ("ApiKeyValue", "Password", "ClientSecret")
_log = logging.getLogger(__name__)


class UndeliveredError(Exception):
    """A target did not take an event: the code as a dead-letter queue names it, and whether to try again."""

    def __init__(self, code: str, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retry = retry


@dataclass
class Delivery:
    """An event for one target of a rule: the event as JSON, what the target is to get, and how, if not by its ARN."""

    target: dict[str, Any]
    rule_arn: str
    event: str
    payload: str
    send: Callable[[], None] | None = None
    since: float = field(default_factory=time.monotonic)
    failed: int = 0
    due: float = 0.0


@dataclass
class Clients:
    """AWS clients of one endpoint."""

    functions: Any
    sns: Any
    sqs: Any


Deliveries = queue.SimpleQueue[Delivery]


def run(stop: threading.Event, endpoint_url: str, deliveries: Deliveries) -> None:
    """Deliver what comes until `stop` is set, then what is under way.

    Each target has a thread, so that a slow one holds back no other, and that first tries are made in order.
    """
    clients = _clients(endpoint_url)
    senders: dict[str, ThreadPoolExecutor] = {}
    later: list[tuple[float, int, Delivery]] = []
    number = itertools.count()
    while not stop.is_set():
        wait_s = min(_POLL_S, max(0.0, later[0][0] - time.monotonic())) if later else _POLL_S
        with contextlib.suppress(queue.Empty):
            delivery = deliveries.get(timeout=wait_s)
            heapq.heappush(later, (delivery.due, next(number), delivery))
        while later and later[0][0] <= time.monotonic():
            delivery = heapq.heappop(later)[2]
            arn = delivery.target["Arn"]
            if arn not in senders:
                senders[arn] = ThreadPoolExecutor(1, thread_name_prefix=arn)
            senders[arn].submit(_deliver, clients, delivery, deliveries)
    for sender in senders.values():
        sender.shutdown(cancel_futures=True)


def _clients(endpoint_url: str) -> Clients:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)

    def client(service: str) -> Any:  # noqa: ANN401 — boto3's clients are made at run time
        return boto3.client(service, endpoint_url=endpoint_url, config=config)

    return Clients(client("lambda"), client("sns"), client("sqs"))


def _deliver(clients: Clients, delivery: Delivery, deliveries: Deliveries) -> None:
    try:
        (delivery.send or (lambda: _call(clients, delivery)))()
    except UndeliveredError as error:
        _log.warning("%s does not take an event: %s %s", delivery.target["Arn"], error.code, error)
        delivery.failed += 1
        pause = min(_FIRST_RETRY_S * 2 ** (delivery.failed - 1), _LAST_RETRY_S)
        exhausted = exhausted_by(delivery, pause, time.monotonic()) if error.retry else ""
        if exhausted is None:
            delivery.due = time.monotonic() + pause
            deliveries.put(delivery)
        else:
            _bury(clients, delivery, error, exhausted)


def exhausted_by(delivery: Delivery, pause_s: float, now: float) -> str | None:
    """Return the condition that ends the tries of a delivery, or None when there is another one after a pause."""
    policy = delivery.target.get("RetryPolicy", {})
    if delivery.failed > policy.get("MaximumRetryAttempts", _DEFAULT_RETRIES):
        return "MaximumRetryAttempts"
    if now + pause_s - delivery.since > policy.get("MaximumEventAgeInSeconds", _DEFAULT_AGE_S):
        return "MaximumEventAgeInSeconds"
    return None


def _call(clients: Clients, delivery: Delivery) -> None:
    """Bring an event to a function, a topic or a queue. Raises UndeliveredError."""
    arn, payload = delivery.target["Arn"], delivery.payload
    service = arn.split(":")[2]
    try:
        if service == "lambda":
            clients.functions.invoke(FunctionName=arn, InvocationType="Event", Payload=payload.encode())
        elif service == "sns":
            clients.sns.publish(TopicArn=arn, Message=payload)
        else:
            group = delivery.target.get("SqsParameters", {})
            _send_to_queue(clients, arn, MessageBody=payload, **group)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"]["Code"]
        if status == 404 or "NonExistent" in code or "NotFound" in code:
            raise UndeliveredError("NO_RESOURCE", str(error), retry=False) from error
        throttled = "Throttl" in code or "TooManyRequests" in code
        kind = "THROTTLING" if throttled else "SDK_CLIENT_ERROR"
        raise UndeliveredError(kind, str(error), retry=throttled or status >= 500) from error
    except BotoCoreError as error:
        raise UndeliveredError("CONNECTION_FAILURE", str(error), retry=True) from error


def _send_to_queue(clients: Clients, arn: str, **message: Any) -> None:  # noqa: ANN401 — the API's own arguments
    url = clients.sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
    clients.sqs.send_message(QueueUrl=url, **message)


def _bury(clients: Clients, delivery: Delivery, error: UndeliveredError, exhausted: str) -> None:
    """Send an event that is given up to its target's dead-letter queue, if it has one."""
    arn = delivery.target.get("DeadLetterConfig", {}).get("Arn")
    if not arn:
        return
    attributes = {
        "RULE_ARN": delivery.rule_arn,
        "TARGET_ARN": delivery.target["Arn"],
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": str(error)[:1000],
    }
    if exhausted:
        attributes |= {"EXHAUSTED_RETRY_CONDITION": exhausted, "RETRY_ATTEMPTS": str(delivery.failed - 1)}
    named = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    try:
        _send_to_queue(clients, arn, MessageBody=delivery.event, MessageAttributes=named)
    except (BotoCoreError, ClientError) as lost:
        _log.warning("%s does not take what failed: %s", arn, lost)


def without_secrets(description: Any) -> Any:  # noqa: ANN401 — any JSON
    """Return what DescribeConnection shows: the base shows keys and passwords too."""
    if isinstance(description, list):
        return [without_secrets(each) for each in description]
    if not isinstance(description, dict):
        return description
    hidden = (*_SECRETS, "Value") if description.get("IsValueSecret") else _SECRETS
    return {name: without_secrets(value) for name, value in description.items() if name not in hidden}
