"""The broker beside the endpoint: its port stays, and its process ends and comes back as it should."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson
import psutil
import pytest
import urllib3
from botocore.exceptions import ClientError

from infra.local.mqtt import service
from tests.infra.mqtt_clients import Device, DeviceHome, wait_for

# Its waits add up to minutes, and `make test` has ten.
pytestmark = pytest.mark.slow


def test_the_port_is_kept_and_two_folders_have_two(tmp_path: Path) -> None:
    with service.listen(tmp_path / "a") as first, service.listen(tmp_path / "b") as second:
        ports = [first.getsockname()[1], second.getsockname()[1]]
    assert ports[0] != ports[1]
    with service.listen(tmp_path / "b") as second, service.listen(tmp_path / "a") as first:
        assert [first.getsockname()[1], second.getsockname()[1]] == ports


def test_a_port_that_another_program_took_is_given_up(tmp_path: Path) -> None:
    with service.listen(tmp_path) as taken, service.listen(tmp_path) as other:
        assert taken.getsockname()[1] != other.getsockname()[1]
        assert int((tmp_path / "mqtt" / "port").read_text()) == other.getsockname()[1]


def test_the_brokers_key_is_for_its_owner_only(device_home: DeviceHome) -> None:
    assert (device_home.state_dir / "mqtt" / "server.key").stat().st_mode & 0o777 == 0o600


def test_the_control_plane_says_where_the_broker_is(device_home: DeviceHome) -> None:
    iot = boto3.client("iot")
    port = (device_home.state_dir / "mqtt" / "port").read_text()
    assert iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"] == f"127.0.0.1:{port}"
    assert iot.describe_endpoint()["endpointAddress"] == f"127.0.0.1:{port}"
    assert "credentials" in iot.describe_endpoint(endpointType="iot:CredentialProvider")["endpointAddress"]


def _broker_of(state_dir: Path) -> int:
    """Return the process of the broker, once it runs."""
    found: list[int] = []
    wait_for(lambda: found.extend(_brokers_of(state_dir)) or found)
    return found[0]


def _brokers_of(state_dir: Path) -> Iterator[int]:
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "infra.local.mqtt" in words and str(state_dir / "mqtt") in words:
            yield process.pid


def test_a_broker_that_ends_by_itself_comes_back(device_home: DeviceHome, device: Device) -> None:
    former = _broker_of(device_home.state_dir)
    os.kill(former, signal.SIGKILL)
    # Whoever connects meanwhile waits for the next one.
    with device_home.connected(device) as client:
        assert client.publish(device.topic, {"vehicle_count": 1})
    assert _broker_of(device_home.state_dir) != former


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_broker_ends_with_the_endpoint_however_that_ends(run_endpoint: Any, tmp_path: Path, number: int) -> None:
    with run_endpoint(tmp_path, "--no-athena") as (_, process):
        broker = _broker_of(tmp_path)
        process.send_signal(number)
        process.wait()
        wait_for(lambda: broker not in _brokers_of(tmp_path))


def test_nothing_gets_past_the_broker(device_home: DeviceHome) -> None:
    # The base has a broker of its own behind WebSockets, which asks for no certificate.
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "mqtt",
    }
    try:
        answer = urllib3.request("GET", f"{device_home.url}/mqtt", headers=upgrade, retries=False, timeout=10)
    except urllib3.exceptions.HTTPError:
        pass
    else:
        assert answer.status != 101
    with pytest.raises(ClientError, match="over MQTT only"):
        boto3.client("iot-data").publish(topic="traffic/data", payload=b"{}")


def test_a_rule_that_is_made_or_changed_acts_within_seconds(device_home: DeviceHome, device: Device) -> None:
    iot = boto3.client("iot")
    rule = {
        "sql": "SELECT vehicle_count AS n FROM 'traffic/sensors/+'",
        "actions": [{"s3": {"roleArn": "arn:aws:iam::000000000000:role/r", "bucketName": "x", "key": "k"}}],
    }
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="made-by-a-test")
    rule["actions"][0]["s3"] |= {"bucketName": "made-by-a-test", "key": "${topic(3)}"}
    iot.create_topic_rule(ruleName="made_by_a_test", topicRulePayload=rule)
    try:
        with device_home.connected(device) as client:

            def stored() -> list[str]:
                client.publish(device.topic, {"vehicle_count": 7})
                return [item["Key"] for item in s3.list_objects_v2(Bucket="made-by-a-test").get("Contents", [])]

            wait_for(lambda: device.id in stored())
        assert orjson.loads(s3.get_object(Bucket="made-by-a-test", Key=device.id)["Body"].read()) == {"n": 7}
    finally:
        iot.delete_topic_rule(ruleName="made_by_a_test")
