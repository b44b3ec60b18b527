"""Real MQTT clients for tests: paho over TLS, and what their messages became in the stream and in the bucket."""

import json
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import paho.mqtt.client as paho

from infra import devices
from infra.settings import settings
from ingestion.devices.access import SENSORS_TOPIC
from ingestion.devices.rules import REFUSED_PREFIX

WITHIN_S = 20


@dataclass(frozen=True)
class Device:
    """A provisioned device: its ID and the folder of its files."""

    id: str
    folder: Path
    address: tuple[str, int]

    @property
    def topic(self) -> str:
        return f"{SENSORS_TOPIC}/{self.id}"

    def client(self, client_id: str = "") -> "Client":
        tls = ssl.create_default_context(cafile=self.folder / "ca.pem")
        tls.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        return Client(self.address, tls, client_id)


class Client:
    """A paho client that tells what became of its connection and of each message."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, client_id: str = "") -> None:
        self._address = address
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id)
        self.paho.tls_set_context(tls)
        self.paho.max_inflight_messages_set(500)
        self.paho.connect_timeout = WITHIN_S
        self.answer: str | None = None
        self.messages: list[tuple[str, bytes]] = []
        self.ended = threading.Event()
        self._answered = threading.Event()
        self.acknowledged: set[int] = set()
        self.paho.on_connect = self._on_connect
        self.paho.on_publish = lambda _client, _data, message_id, *_: self.acknowledged.add(message_id)
        self.paho.on_disconnect = lambda *_: self.ended.set()
        self.paho.on_message = lambda _client, _data, message: self.messages.append((message.topic, message.payload))

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.answer = str(reason)
        self._answered.set()

    def connect(self) -> str | None:
        """Return the broker's answer to CONNECT, or None where it ended the connection instead."""
        self.paho.connect(*self._address)
        # By hand, not paho's own thread: that one would connect again.
        threading.Thread(target=self._loop, daemon=True).start()
        wait_for(lambda: self._answered.is_set() or self.ended.is_set())
        return self.answer

    def _loop(self) -> None:
        while self.paho.loop(0.05) == paho.MQTT_ERR_SUCCESS:
            pass
        self.ended.set()

    def publish(self, topic: str, payload: Any, qos: int = 1) -> bool:
        """Publish, and say whether the broker acknowledged it before it ended the connection."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload)
        # Not its is_published(), which raises where the loop's thread sent it and lost the connection meanwhile.
        message_id = self.paho.publish(topic, data, qos).mid
        wait_for(lambda: message_id in self.acknowledged or self.ended.is_set())
        return message_id in self.acknowledged


@dataclass(frozen=True)
class DeviceHome:
    """The home of the tests' devices."""

    url: str
    state_dir: Path
    folder: Path

    @property
    def authorities(self) -> str:
        return (self.state_dir / "mqtt" / "ca.pem").read_text()

    def provision(self, device_id: str) -> Device:
        devices.provision(device_id, self.folder / device_id, 20, self.authorities, settings())
        return Device(device_id, self.folder / device_id, devices.mqtt_address())

    @contextmanager
    def connected(self, device: Device, client_id: str = "") -> Iterator[Client]:
        client = device.client(client_id)
        assert client.connect() == "Success"
        yield client
        client.paho.disconnect()

    def records(self) -> list[tuple[str, bytes]]:
        """Return key and data of all records of the stream of readings."""
        kinesis, stream = boto3.client("kinesis"), settings().stream
        (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
        place = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found: list[tuple[str, bytes]] = []
        while True:
            answer = kinesis.get_records(ShardIterator=place, Limit=10000)
            found += [(record["PartitionKey"], record["Data"]) for record in answer["Records"]]
            place = answer["NextShardIterator"]
            if not answer["Records"]:
                return found

    def readings(self, device: Device) -> list[dict[str, Any]]:
        """Return the records under a device's partition key."""
        return [json.loads(data) for key, data in self.records() if key == device.id]

    def refused(self) -> list[dict[str, Any]]:
        """Return what the rules kept because it could not become a record."""
        s3, bucket = boto3.client("s3"), settings().raw_bucket
        found = s3.list_objects_v2(Bucket=bucket, Prefix=REFUSED_PREFIX).get("Contents", [])
        return [json.loads(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()) for item in found]


def wait_for(condition: Any, within_s: float = WITHIN_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def create_stream_and_bucket() -> None:
    """Create the part of the home that devices' readings go to."""
    city, kinesis = settings(), boto3.client("kinesis")
    kinesis.create_stream(StreamName=city.stream, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=city.stream, WaiterConfig={"Delay": 1})
    boto3.client("s3").create_bucket(Bucket=city.raw_bucket)


def mosquitto_pub() -> str | None:
    """Return the path of mosquitto_pub where it is installed."""
    return shutil.which("mosquitto_pub")
