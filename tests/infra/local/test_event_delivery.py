"""From an event bus to the targets of its rules, on a real endpoint; a webhook is a real server on loopback."""

import json
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from infra.local import event_delivery
from infra.local.event_delivery import Delivery

# Its waits add up to minutes, and `make test` has ten.
pytestmark = pytest.mark.slow

SOURCE = "words"


class Lane:
    """A bus of its own, and a dead-letter queue."""

    def __init__(self, wait_for):
        self.name, self.wait_for = f"bus-{uuid.uuid4().hex[:8]}", wait_for
        self.events, self.sqs, self.sns = (boto3.client(each) for each in ("events", "sqs", "sns"))
        self.bus_arn = self.events.create_event_bus(Name=self.name)["EventBusArn"]
        self.failed, self.failed_arn = self.queue("failed")

    def queue(self, name):
        url = self.sqs.create_queue(QueueName=f"{self.name}-{name}")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, attributes["Attributes"]["QueueArn"]

    def rule(self, arn, *, pattern=None, retries=0, **target):
        name = f"rule-{uuid.uuid4().hex[:8]}"
        self.events.put_rule(
            Name=name, EventBusName=self.name, EventPattern=json.dumps(pattern or {"source": [SOURCE]})
        )
        policy = {"MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": 3600}
        target = {"Id": "t", "Arn": arn, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": self.failed_arn}} | target
        answer = self.events.put_targets(Rule=name, EventBusName=self.name, Targets=[target])
        assert answer["FailedEntryCount"] == 0
        return self.events.describe_rule(Name=name, EventBusName=self.name)["Arn"]

    def put(self, *details, kind="Word"):
        entries = [
            {"EventBusName": self.name, "Source": SOURCE, "DetailType": kind, "Detail": json.dumps(detail)}
            for detail in details
        ]
        assert self.events.put_events(Entries=entries)["FailedEntryCount"] == 0

    def take(self, url, count=1):
        found = []

        def more():
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
            found.extend(answer.get("Messages", []))
            return len(found) >= count

        self.wait_for(more)
        return found


@pytest.fixture
def lane(endpoint, wait_for):
    return Lane(wait_for)


@pytest.fixture
def webhook():
    """A server that answers with what is in `answers` (then 200), and keeps what it was sent."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
            self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        server.got, server.answers = [], []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def destination(lane, url):
    connection = lane.events.create_connection(
        Name=lane.name,
        AuthorizationType="API_KEY",
        AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "x-api-key", "ApiKeyValue": "hidden"}},
    )
    return lane.events.create_api_destination(
        Name=lane.name, ConnectionArn=connection["ConnectionArn"], InvocationEndpoint=url, HttpMethod="POST"
    )["ApiDestinationArn"]


def test_rules_choose_by_source_type_zone_and_level_and_a_topic_hands_on_to_its_queue(lane):
    pattern = {
        "source": [SOURCE],
        "detail-type": [{"prefix": "Congestion"}],
        "detail": {"zone_id": ["z1", "z2"], "level": ["CRITICAL"]},
    }
    topic = lane.sns.create_topic(Name=lane.name)["TopicArn"]
    url, arn = lane.queue("subscribed")
    lane.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    text = {"InputPathsMap": {"message": "$.detail.message"}, "InputTemplate": '"It says: <message>"'}
    lane.rule(topic, pattern=pattern, InputTransformer=text)
    good = {"zone_id": "z1", "level": "CRITICAL", "message": "here"}
    lane.put(good | {"zone_id": "z3"}, good | {"level": "WARNING"}, good, kind="CongestionStarted")
    lane.put(good, kind="Other")
    assert [message["Body"] for message in lane.take(url)] == ['"It says: here"']
    time.sleep(0.5)
    assert "Messages" not in lane.sqs.receive_message(QueueUrl=url)


def test_what_a_missing_topic_does_not_take_is_in_the_dead_letter_queue_at_once(lane):
    gone = f"arn:aws:sns:us-east-1:000000000000:{lane.name}-gone"
    rule = lane.rule(gone, retries=5)
    lane.put({"n": 1})
    (message,) = lane.take(lane.failed)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == (SOURCE, "Word", {"n": 1})
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert "does not exist" in attributes.pop("ERROR_MESSAGE")
    assert attributes == {"RULE_ARN": rule, "TARGET_ARN": gone, "ERROR_CODE": "NO_RESOURCE"}


def test_a_webhook_gets_the_key_and_the_part_of_the_event_that_it_asked_for(lane, webhook):
    url = f"http://127.0.0.1:{webhook.server_port}/alerts"
    lane.rule(destination(lane, url), InputPath="$.detail", RoleArn="arn:aws:iam::000000000000:role/r")
    lane.put({"n": 1})
    lane.wait_for(lambda: webhook.got)
    ((headers, body),) = webhook.got
    assert body == {"n": 1}
    assert headers["x-api-key"] == "hidden"
    assert headers["content-type"] == "application/json; charset=utf-8"


def test_the_key_of_a_connection_is_not_shown(lane):
    destination(lane, "http://127.0.0.1:1/")
    shown = lane.events.describe_connection(Name=lane.name)
    assert shown["AuthParameters"]["ApiKeyAuthParameters"] == {"ApiKeyName": "x-api-key"}


@pytest.mark.parametrize("answers", [[500], [429, 503]])
def test_a_webhook_that_is_busy_gets_the_event_again(lane, webhook, answers):
    webhook.answers[:] = answers
    lane.rule(destination(lane, f"http://127.0.0.1:{webhook.server_port}/"), retries=3)
    lane.put({"n": 1})
    lane.wait_for(lambda: len(webhook.got) == len(answers) + 1)
    assert {body["detail"]["n"] for _, body in webhook.got} == {1}


@pytest.mark.parametrize(
    ("answers", "retries", "calls", "expected"),
    [
        ([500, 500], 1, 2, ("SDK_CLIENT_ERROR", "MaximumRetryAttempts", "1")),
        ([404], 5, 1, ("SDK_CLIENT_ERROR", None, None)),
    ],
)
def test_a_webhook_that_refuses_ends_in_the_dead_letter_queue(lane, webhook, answers, retries, calls, expected):
    webhook.answers[:] = answers
    arn = destination(lane, f"http://127.0.0.1:{webhook.server_port}/")
    lane.rule(arn, retries=retries)
    lane.put({"n": 1})
    (message,) = lane.take(lane.failed)
    found = message["MessageAttributes"]
    names = ("ERROR_CODE", "EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS")
    assert tuple(found.get(name, {}).get("StringValue") for name in names) == expected
    assert found["TARGET_ARN"]["StringValue"] == arn
    assert json.loads(message["Body"])["detail"] == {"n": 1}
    assert len(webhook.got) == calls


def test_nobody_at_the_address_is_a_connection_failure(lane):
    lane.rule(destination(lane, "http://127.0.0.1:9/"), retries=0)
    lane.put({"n": 1})
    (message,) = lane.take(lane.failed)
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "CONNECTION_FAILURE"


def test_a_function_is_a_target(lane, create_function, tmp_path, wait_for):
    code = f"import json, pathlib\ndef handler(e, c): pathlib.Path({str(tmp_path)!r}, 'got').write_text(json.dumps(e))"
    name = create_function(code)
    lane.rule(f"arn:aws:lambda:us-east-1:000000000000:function:{name}")
    lane.put({"n": 1})
    wait_for(lambda: (tmp_path / "got").exists() and (tmp_path / "got").read_text())
    assert json.loads((tmp_path / "got").read_text())["detail"] == {"n": 1}


def test_an_archive_keeps_what_passes_and_a_replay_brings_it_to_the_rules_again(lane):
    archive = lane.events.create_archive(
        ArchiveName=lane.name, EventSourceArn=lane.bus_arn, EventPattern=json.dumps({"detail-type": ["Word"]})
    )["ArchiveArn"]
    url, arn = lane.queue("rule")
    lane.rule(arn)
    lane.put({"n": 1}, {"n": 2})
    lane.put({"n": 3}, kind="Other")
    assert len(lane.take(url, 3)) == 3
    now = datetime.now(UTC)
    lane.events.start_replay(
        ReplayName=lane.name,
        EventSourceArn=archive,
        EventStartTime=now - timedelta(hours=1),
        EventEndTime=now + timedelta(hours=1),
        Destination={"Arn": lane.bus_arn},
    )
    again = [json.loads(message["Body"]) for message in lane.take(url, 2)]
    assert sorted(event["detail"]["n"] for event in again) == [1, 2]
    assert {event["replay-name"] for event in again} == {lane.name}
    assert lane.events.describe_replay(ReplayName=lane.name)["State"] == "COMPLETED"


@pytest.mark.parametrize(
    ("failed", "age_s", "expected"),
    [(1, 0, None), (2, 0, None), (3, 0, "MaximumRetryAttempts"), (1, 99, "MaximumEventAgeInSeconds")],
)
def test_tries_end_by_number_or_by_age(failed, age_s, expected):
    target = {"RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 100}}
    delivery = Delivery(target, "rule", "{}", "{}", since=1000.0, failed=failed)
    assert event_delivery.exhausted_by(delivery, 2.0, 1000.0 + age_s) == expected


def test_by_default_tries_go_on_for_a_day():
    delivery = Delivery({}, "rule", "{}", "{}", since=0.0, failed=185)
    assert event_delivery.exhausted_by(delivery, 60.0, 86_300.0) is None
    assert event_delivery.exhausted_by(delivery, 60.0, 86_400.0) == "MaximumEventAgeInSeconds"


def test_messages_in_queues_and_events_in_archives_survive_a_kill(run_endpoint, use_endpoint, tmp_path, wait_for):
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        use_endpoint(url)
        lane = Lane(wait_for)
        lane.events.create_archive(ArchiveName="all", EventSourceArn=lane.bus_arn)
        _, arn = lane.queue("rule")
        lane.rule(arn)
        lane.put({"n": "kept-1"})
        services = tmp_path / "services"
        saved = lambda name: (services / name).exists() and "kept-1" in (services / name).read_text()  # noqa: E731
        wait_for(lambda: saved("sqs.json") and saved("eventbridge.json"), within_s=5)
        process.kill()
        process.wait()
    with run_endpoint(tmp_path, "--no-athena") as (url, _):
        use_endpoint(url)
        queue = boto3.client("sqs").get_queue_url(QueueName=f"{lane.name}-rule")["QueueUrl"]
        (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
        assert json.loads(message["Body"])["detail"] == {"n": "kept-1"}
        assert boto3.client("events").describe_archive(ArchiveName="all")["EventCount"] == 1
