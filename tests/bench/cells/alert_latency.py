"""From the publish of a reading that starts an alert to the event on a queue, with a city's readings around it."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import orjson

PROBES_PER_S = 4
# Until the functions have started and know the segments.
LEAD_S = 15
LATE_S = 30
CHECKOUT = Path(__file__).parents[3]


def run(rate: int, seconds: int, home_folder: str) -> dict[str, Any]:
    """Return the seconds of each probe, and what became of the readings around them."""
    from infra import devices  # noqa: PLC0415 — not measured
    from infra.home.resources import create_resources  # noqa: PLC0415 — not measured
    from infra.settings import settings  # noqa: PLC0415
    from ingestion.alerts.reference import KEY, Segment, Sensor, encode  # noqa: PLC0415
    from tests.bench.mqtt_load import _connected  # noqa: PLC0415

    create_resources()
    folder = Path(home_folder) / f"device-{rate}"
    authority = (Path(home_folder) / "mqtt" / "ca.pem").read_text()
    devices.provision(f"bench-{rate}", folder, 20, authority, settings())
    around = [f"around-{number}" for number in range(rate)]
    probes = [f"probe-{rate}-{number}" for number in range(PROBES_PER_S * (seconds - LEAD_S))]
    # Two sensors to a segment, each of them once a second.
    sensors = {each: Sensor(f"around-{number // 2}", 30.0, 255.0) for number, each in enumerate(around)}
    sensors |= {each: Sensor(each, 30.0, 255.0) for each in probes}
    ids = sorted({sensor.segment_id for sensor in sensors.values()})
    segments = [Segment(each, "Z1", "C1", 100.0, 0.0, 1.0) for each in ids]
    boto3.client("s3").put_object(Bucket=settings().lake_bucket, Key=KEY, Body=encode(sensors, segments))
    queue = _queue_on_bus(settings().alert_bus, f"latency-{rate}")
    # So that functions are warm and know the sensors: they look for a new snapshot once a minute.
    time.sleep(1)

    arrived: dict[str, float] = {}
    ended = threading.Event()
    listener = threading.Thread(target=_listen, args=(queue, arrived, ended))
    listener.start()
    command = [sys.executable, "-m", "tests.bench.cells.alert_latency", json.dumps([str(folder), rate, seconds])]
    load = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    client = _connected(devices.mqtt_address(), folder)
    published: dict[str, float] = {}
    time.sleep(LEAD_S)
    begin = time.monotonic()
    for number, probe in enumerate(probes):
        time.sleep(max(0.0, begin + number / PROBES_PER_S - time.monotonic()))
        now_ms = time.time_ns() // 1_000_000
        for ts_ms in (now_ms - 20_000, now_ms):
            published[probe] = time.monotonic()
            reading = {"sensor_id": probe, "timestamp": ts_ms, "vehicle_count": 3, "avg_speed": 10.0}
            client.publish("traffic/data", orjson.dumps(reading), qos=1)
    deadline = time.monotonic() + LATE_S
    while len(arrived) < len(probes) and time.monotonic() < deadline:
        time.sleep(0.1)
    ended.set()
    listener.join()
    client.disconnect()
    client.loop_stop()
    said = json.loads(load.communicate()[0])
    return {
        "seconds": [arrived[probe] - published[probe] for probe in probes if probe in arrived],
        "missing": len(probes) - len(arrived),
        "around": said,
    }


def _queue_on_bus(bus: str, name: str) -> str:
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["trafficlake.alerts"]}))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def _listen(queue: str, arrived: dict[str, float], ended: threading.Event) -> None:
    sqs = boto3.client("sqs")
    while not ended.is_set():
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        now = time.monotonic()
        for message in answer.get("Messages", []):
            arrived.setdefault(json.loads(message["Body"])["detail"]["segment_id"], now)
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def _load(folder: str, rate: int, seconds: int) -> None:
    """Publish the readings around the probes, from a process of their own."""
    from infra.devices import mqtt_address  # noqa: PLC0415
    from tests.bench.mqtt_load import publish  # noqa: PLC0415

    def reading(sensor_id: str) -> dict[str, object]:
        return {
            "sensor_id": sensor_id,
            "timestamp": time.time_ns() // 1_000_000,
            "vehicle_count": 5,
            "avg_speed": 92.0,
            "occupancy": 11.5,
        }

    sensor_ids = [f"around-{number}" for number in range(rate)]
    said = publish(mqtt_address(), Path(folder), sensor_ids, rate=rate, seconds=seconds, reading=reading)
    sys.stdout.write(json.dumps(said.__dict__))


if __name__ == "__main__":
    _load(*json.loads(sys.argv[1]))
