"""Load for the device ingress: readings over real MQTT connections at a given rate, in the names of many sensors.

A device may publish on its own topic only, so one device sends for all sensors, on the older topic.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import paho.mqtt.client as paho

from ingestion.devices.access import OLDER_TOPIC

# "Publish requests per second per connection" of AWS IoT Core's message broker limits.
RATE_PER_CONNECTION = 100
CONNECTED_WITHIN_S = 10
ACKNOWLEDGED_WITHIN_S = 60


@dataclass(frozen=True)
class Load:
    """How many readings were sent and acknowledged, and how long it took until the last was sent and acknowledged."""

    sent: int
    acknowledged: int
    sent_s: float
    acknowledged_s: float


def publish(
    address: tuple[str, int],
    folder: Path,
    sensor_ids: Sequence[str],
    *,
    rate: float,
    seconds: float,
    reading: Callable[[str], dict[str, object]],
) -> Load:
    """Publish `reading(sensor_id)` for the sensors in turn, `rate` a second in all, with QoS 1, for `seconds`.

    `folder` holds ca.pem, cert.pem and key.pem of a provisioned device. Raises ConnectionError where it is refused.
    """
    clients = [_connected(address, folder) for _ in range(math.ceil(rate / RATE_PER_CONNECTION))]
    turns = zip(itertools.cycle(clients), itertools.cycle(sensor_ids), strict=False)
    begin = time.monotonic()
    messages = []
    for number, (client, sensor_id) in enumerate(itertools.islice(turns, round(rate * seconds))):
        if (ahead_s := begin + number / rate - time.monotonic()) > 0:
            time.sleep(ahead_s)
        messages.append(client.publish(OLDER_TOPIC, orjson.dumps(reading(sensor_id)), qos=1))
    sent_s = time.monotonic() - begin
    deadline = time.monotonic() + ACKNOWLEDGED_WITHIN_S
    for message in messages:
        message.wait_for_publish(max(0.0, deadline - time.monotonic()))
    acknowledged_s = time.monotonic() - begin
    for client in clients:
        client.disconnect()
        client.loop_stop()
    return Load(len(messages), sum(message.is_published() for message in messages), sent_s, acknowledged_s)


def _connected(address: tuple[str, int], folder: Path) -> paho.Client:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.tls_set(str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem"))
    client.max_inflight_messages_set(RATE_PER_CONNECTION)
    client.connect(*address)
    client.loop_start()
    deadline = time.monotonic() + CONNECTED_WITHIN_S
    while not client.is_connected():
        if time.monotonic() > deadline:
            raise ConnectionError(f"the broker at {address} does not let the device of {folder} in")
        time.sleep(0.01)
    return client
