"""A reading's way to a notification, all of it real: stream, functions in processes of their own, table, pipe, bus."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import psutil
import pytest

from infra.current_alerts import current_alerts
from infra.home.environment import use_local_home
from infra.home.resources import create_resources
from infra.settings import settings
from ingestion.alerts.reference import KEY, Segment, Sensor, encode

pytestmark = pytest.mark.slow

SEGMENTS = [f"segment-{number}" for number in range(7)]
ZONES = {"segment-6": "Z2"}
SENSORS = {f"{segment}-{lane}": Sensor(segment, 30.0, 255.0) for segment in SEGMENTS for lane in (1, 2)}
WAIT_S = 60


@pytest.fixture(scope="module")
def alerts(tmp_path_factory, run_endpoint, webhook) -> Iterator[tuple[str, int]]:
    """An endpoint of these tests' own with the snapshot published; yields (URL of a queue on its bus, its process)."""
    before = dict(os.environ)
    os.environ["TRAFFICLAKE_ALERT_ROUTES"] = json.dumps(
        [{"name": "all"}, {"name": "centre", "zones": ["Z2"], "levels": ["CRITICAL"], "webhook_url": webhook.url}]
    )
    settings.cache_clear()
    with run_endpoint(tmp_path_factory.mktemp("live_alerts"), "--no-athena") as (url, process):
        use_local_home(url)
        create_resources()
        city = settings()
        segments = [Segment(each, ZONES.get(each, "Z1"), "C1", 100.0, 0.0, 1.0) for each in SEGMENTS]
        boto3.client("s3").put_object(Bucket=city.lake_bucket, Key=KEY, Body=encode(SENSORS, segments))
        queue, arn = make_queue("bus")
        events = boto3.client("events")
        events.put_rule(
            Name="everything", EventBusName=city.alert_bus, EventPattern=json.dumps({"source": ["trafficlake.alerts"]})
        )
        events.put_targets(Rule="everything", EventBusName=city.alert_bus, Targets=[{"Id": "queue", "Arn": arn}])
        yield queue, process.pid
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()
    boto3.DEFAULT_SESSION = None


@dataclass
class Webhook:
    """A city's own server: what was posted to it, as (API key, event)."""

    url: str
    posted: list[tuple[str | None, dict]]


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    posted: list[tuple[str | None, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            posted.append((self.headers["x-api-key"], json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Webhook(f"http://127.0.0.1:{server.server_port}/alerts", posted)
        server.shutdown()


def make_queue(name: str) -> tuple[str, str]:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(queue: str, is_enough: Callable[[list[dict]], bool]) -> list[dict]:
    """Return the bodies of a queue's messages, once there are enough and none more comes for a second."""
    sqs, found, deadline = boto3.client("sqs"), [], time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        if not messages and is_enough(found):
            return found
    raise AssertionError(f"after {WAIT_S} s only {found}")


def readings(segment: str, speeds: list[float], start_us: int) -> list[dict]:
    """Return records of both sensors of a segment, one of each every 20 s."""
    return [
        {
            "PartitionKey": sensor_id,
            "Data": json.dumps(
                {"sensor_id": sensor_id, "timestamp": (start_us + step * 20_000_000) // 1000, "avg_speed": speed}
            ).encode(),
        }
        for step, speed in enumerate(speeds)
        for sensor_id in (f"{segment}-1", f"{segment}-2")
    ]


def send(records: list[dict]) -> None:
    for start in range(0, len(records), 100):
        answer = boto3.client("kinesis").put_records(StreamName=settings().stream, Records=records[start : start + 100])
        assert not answer["FailedRecordCount"]


def past_us(seconds: int) -> int:
    return (int(time.time()) - seconds) * 1_000_000


def test_a_jam_is_told_when_it_starts_and_when_it_is_over_to_machines_and_in_words(alerts):
    queue, _ = alerts
    people, arn = make_queue("people")
    topic = f"arn:aws:sns:us-east-1:000000000000:{settings().alert_bus}-all"
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    # twenty minutes of stop and go, then free flow for half an hour
    send(readings("segment-0", [15.0] * 60 + [98.0] * 90, past_us(3100)))
    events = received(queue, lambda found: len(found) >= 2)
    assert [(event["detail-type"], event["detail"]["level"]) for event in events] == [
        ("CongestionStarted", "CRITICAL"),
        ("CongestionCleared", "CRITICAL"),
    ]
    assert {event["detail"]["segment_id"] for event in events} == {"segment-0"}
    texts = [message["Message"] for message in received(people, lambda found: len(found) >= 2)]
    assert all("Segment segment-0" in text and "zone Z1" in text for text in texts)
    assert "CRITICAL" in texts[0]


def test_a_lone_reading_is_told_within_a_minute_or_so_and_shown_as_current(alerts):
    queue, _ = alerts
    boto3.client("lambda").invoke(FunctionName=f"{settings().prefix}-watch", InvocationType="Event")
    send(readings("segment-1", [10.0], past_us(1)))
    (event,) = received(queue, bool)
    assert event["detail"]["segment_id"] == "segment-1"
    (alert,) = [each for each in current_alerts() if each.segment_id == "segment-1"]
    assert (alert.zone_id, alert.level, alert.congestion_index) == ("Z1", "CRITICAL", 100.0)


def test_a_route_gets_the_alerts_of_its_zones_and_levels_and_no_others(alerts, webhook):
    queue, _ = alerts
    # the mean passes WARNING on its way up, and is over 90 at once elsewhere
    send(readings("segment-6", [98.0] * 30 + [15.0] * 60, past_us(1900)))
    events = received(queue, lambda found: len(found) >= 2)
    assert [event["detail"]["level"] for event in events] == ["WARNING", "CRITICAL"]
    deadline = time.monotonic() + WAIT_S
    while not webhook.posted and time.monotonic() < deadline:
        time.sleep(0.1)
    key = boto3.client("secretsmanager").get_secret_value(SecretId=settings().webhook_secret)["SecretString"]
    assert [(given, event["event_id"]) for given, event in webhook.posted] == [(key, events[1]["detail"]["event_id"])]


def test_functions_killed_at_their_work_lose_and_double_no_notification(alerts):
    """kill -9 of every process of a function, again and again, while two hours of four segments pass."""
    queue, endpoint = alerts
    stop_and_go = ([15.0] * 45 + [98.0] * 70) * 3
    segments = SEGMENTS[2:6]
    records = [readings(segment, stop_and_go, past_us(7000)) for segment in segments]
    together = [record for moment in zip(*records, strict=True) for record in moment]
    killed = 0
    for start in range(0, len(together), 200):
        send(together[start : start + 200])
        time.sleep(0.3)
        killed += kill_functions(endpoint)
    # The first jam is there from the first reading on; the mean of the others passes WARNING.
    times = {"CongestionStarted": 3, "CongestionEscalated": 2, "CongestionCleared": 3}
    expected = {(segment, kind): count for segment in segments for kind, count in times.items()}
    events = received(queue, lambda found: len(found) >= sum(expected.values()))
    assert killed >= 5
    assert Counter((event["detail"]["segment_id"], event["detail-type"]) for event in events) == expected
    assert len({event["detail"]["event_id"] for event in events}) == len(events)


def kill_functions(endpoint: int) -> int:
    """Kill the processes of judge and track that an endpoint has; return how many."""
    killed = 0
    for child in psutil.Process(endpoint).children(recursive=True):
        # One that was killed a moment ago may still be listed.
        with suppress(psutil.NoSuchProcess):
            if child.environ().get("_HANDLER", "").startswith(("ingestion.alerts.judge", "ingestion.alerts.track")):
                child.kill()
                killed += 1
    return killed
