"""Who may speak to the broker and what becomes of what is said, with real clients over TLS."""

import base64
import datetime
import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from infra import devices
from infra.home.devices import create_device_resources
from infra.home.environment import use_local_home
from infra.settings import settings
from ingestion.devices.access import OLDER_TOPIC, SENSORS_TOPIC, TELEMETRY_TOPIC
from tests.bench import mqtt_load
from tests.infra.mqtt_clients import Client, Device, DeviceHome, create_stream_and_bucket, mosquitto_pub, wait_for

# Its waits add up to minutes, and `make test` has ten.
pytestmark = pytest.mark.slow

READING = {"vehicle_count": 12, "avg_speed": 54.5}
OWN_TOPICS = [f"{SENSORS_TOPIC}/{{id}}", TELEMETRY_TOPIC.replace("+", "{id}")]


def test_a_reading_becomes_one_record_under_the_devices_key(device_home: DeviceHome, device: Device) -> None:
    before_ms = time.time() * 1000
    with device_home.connected(device) as client:
        assert client.publish(device.topic, READING | {"sensor_id": device.id})
    (record,) = device_home.readings(device)
    assert before_ms - 1 <= record.pop("received_at") <= time.time() * 1000 + 1
    assert record == READING | {"sensor_id": device.id, "topic_sensor_id": device.id}


@pytest.mark.parametrize("topic", OWN_TOPICS)
def test_a_device_speaks_for_itself_whatever_its_payload_says(
    device_home: DeviceHome, device: Device, topic: str
) -> None:
    with device_home.connected(device) as client:
        assert client.publish(topic.format(id=device.id), {"sensor_id": "another"} | READING)
        assert client.publish(topic.format(id=device.id), READING)
    assert [reading["sensor_id"] for reading in device_home.readings(device)] == [device.id, device.id]
    assert [reading["topic_sensor_id"] for reading in device_home.readings(device)] == [device.id, device.id]


@pytest.mark.parametrize("topic", OWN_TOPICS)
def test_what_claims_to_know_its_topic_is_kept_and_goes_no_further(
    device_home: DeviceHome, device: Device, topic: str
) -> None:
    claimed = {"sensor_id": "another", "topic_sensor_id": "another"} | READING
    with device_home.connected(device, f"{device.id}-client") as client:
        assert client.publish(topic.format(id=device.id), claimed)
    (kept,) = [event for event in device_home.refused() if event["clientId"] == f"{device.id}-client"]
    assert json.loads(base64.b64decode(kept["base64OriginalPayload"])) == claimed
    assert device_home.readings(device) == []


def test_on_the_older_topic_the_payload_says_whose_reading_it_is(device_home: DeviceHome, device: Device) -> None:
    with device_home.connected(device) as client:
        assert client.publish(OLDER_TOPIC, READING | {"sensor_id": device.id})
    (record,) = device_home.readings(device)
    assert record.pop("received_at") > 0
    assert record == READING | {"sensor_id": device.id}


def test_what_is_sent_without_acknowledgement_just_before_leaving_arrives(
    device_home: DeviceHome, device: Device
) -> None:
    for _ in range(10):
        client = device.client()
        assert client.connect() == "Success"
        client.paho.publish(device.topic, json.dumps(READING), qos=0)
        client.paho.disconnect()
    wait_for(lambda: len(device_home.readings(device)) == 10)


@pytest.mark.parametrize(
    "payload",
    [b"{", b"\xff\xfe", b"", b'[{"vehicle_count": 1}]', b"42", b'{"other": 1}', b'{"sensor_id":"b"}{"sensor_id":"b"}'],
)
@pytest.mark.parametrize("topic", ["own", OLDER_TOPIC])
def test_what_is_no_reading_is_kept_as_it_was_sent(
    device_home: DeviceHome, device: Device, payload: bytes, topic: str
) -> None:
    topic = device.topic if topic == "own" else topic
    with device_home.connected(device, f"{device.id}-client") as client:
        assert client.publish(topic, payload)
    (kept,) = [event for event in device_home.refused() if event["clientId"] == f"{device.id}-client"]
    assert base64.b64decode(kept["base64OriginalPayload"]) == payload
    assert kept["topic"] == topic
    assert device_home.readings(device) == []


def test_a_reading_that_nobody_can_be_found_for_reaches_the_error_action(
    device_home: DeviceHome, device: Device
) -> None:
    with device_home.connected(device, f"{device.id}-client") as client:
        assert client.publish(OLDER_TOPIC, READING)
    (kept,) = [event for event in device_home.refused() if event["clientId"] == f"{device.id}-client"]
    assert json.loads(base64.b64decode(kept["base64OriginalPayload"])) == READING
    (failure,) = kept["failures"]
    assert (failure["failedAction"], failure["failedResource"]) == ("KinesisAction", settings().stream)


@pytest.mark.parametrize(
    "topic",
    [
        f"{SENSORS_TOPIC}/another",
        f"{SENSORS_TOPIC}/",
        f"{SENSORS_TOPIC}/{{id}}/more",
        SENSORS_TOPIC,
        "traffic/data/more",
        "elsewhere",
        "$aws/things/another/shadow/update",
        "$aws/things/{id}/shadow/delete",
        "$aws/rules/trafficlake_local_readings",
        "$aws/events/presence/connected/x",
    ],
)
def test_a_publish_that_is_not_allowed_ends_the_connection_and_leaves_nothing(
    device_home: DeviceHome, device: Device, topic: str
) -> None:
    with device_home.connected(device) as client:
        mark = f"{device.id}-not-allowed"
        assert not client.publish(topic.format(id=device.id), READING | {"sensor_id": device.id, "status": mark})
        wait_for(client.ended.is_set)
    assert not [data for _, data in device_home.records() if mark.encode() in data]


def test_messages_before_one_that_is_not_allowed_are_stored(device_home: DeviceHome, device: Device) -> None:
    with device_home.connected(device) as client:
        assert client.publish(device.topic, READING)
        assert not client.publish(f"{SENSORS_TOPIC}/another", READING)
    assert len(device_home.readings(device)) == 1


@pytest.mark.parametrize("topic", ["#", "traffic/#", "$aws/things/+/shadow/update/accepted", "$aws/things/#"])
def test_a_device_hears_nothing_but_its_own_shadow(device_home: DeviceHome, device: Device, topic: str) -> None:
    answers: list[Any] = []
    with device_home.connected(device) as client:
        client.paho.on_subscribe = lambda *arguments: answers.append(arguments[3][0].value)
        client.paho.subscribe(topic)
        wait_for(lambda: answers)
    assert answers == [0x80]


def test_retained_messages_and_quality_of_service_2_are_not_taken(device_home: DeviceHome, device: Device) -> None:
    with device_home.connected(device) as client:
        client.paho.publish(device.topic, json.dumps(READING), qos=1, retain=True)
        wait_for(client.ended.is_set)
    with device_home.connected(device) as client:
        client.paho.publish(device.topic, json.dumps(READING), qos=2)
        wait_for(client.ended.is_set)
    assert device_home.readings(device) == []


def test_a_payload_above_the_limit_ends_the_connection(device_home: DeviceHome, device: Device) -> None:
    with device_home.connected(device) as client:
        assert not client.publish(device.topic, READING | {"status": "x" * 128 * 1024})
    assert device_home.readings(device) == []


def _trusting(device: Device) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=device.folder / "ca.pem")


def test_a_client_without_a_certificate_is_refused(device: Device) -> None:
    assert _answer(device, _trusting(device)) is None


def test_a_certificate_of_another_authority_is_refused(device: Device, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device.id)])
    now = datetime.datetime.now(datetime.UTC)
    own = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.load_pem_x509_certificate((device.folder / "ca.pem").read_bytes()).subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "own.pem").write_bytes(
        own.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = _trusting(device)
    tls.load_cert_chain(tmp_path / "own.pem")
    assert _answer(device, tls) is None


def test_a_certificate_that_the_registry_does_not_know_is_refused(device_home: DeviceHome, device: Device) -> None:
    iot = boto3.client("iot")
    (principal,) = iot.list_thing_principals(thingName=device.id)["principals"]
    iot.detach_thing_principal(thingName=device.id, principal=principal)
    iot.detach_policy(policyName=f"{settings().prefix}-device", target=principal)
    iot.update_certificate(certificateId=principal.rpartition("/")[2], newStatus="INACTIVE")
    iot.delete_certificate(certificateId=principal.rpartition("/")[2])
    assert device.client().connect() == "Not authorized"


def test_a_certificate_without_a_thing_may_not_connect(device_home: DeviceHome, device: Device) -> None:
    iot = boto3.client("iot")
    (principal,) = iot.list_thing_principals(thingName=device.id)["principals"]
    iot.detach_thing_principal(thingName=device.id, principal=principal)
    assert device.client(device.id).connect() == "Not authorized"


def _answer(device: Device, tls: ssl.SSLContext) -> str | None:
    try:
        return Client(device.address, tls).connect()
    except (ssl.SSLError, OSError):
        return None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("version", "accepted"), [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True)])
def test_tls_below_1_2_is_refused(device: Device, version: str, accepted: bool) -> None:
    tls = _trusting(device)
    tls.load_cert_chain(device.folder / "cert.pem", device.folder / "key.pem")
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion[version]
    assert _answer(device, tls) == ("Success" if accepted else None)


def test_speech_without_tls_is_refused(device: Device) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect(*device.address)
    answers: list[Any] = []
    client.on_connect = lambda *arguments: answers.append(arguments)
    while client.loop(0.05) == paho.MQTT_ERR_SUCCESS:
        pass
    assert answers == []


def test_it_listens_on_loopback_only(device: Device) -> None:
    assert device.address[0] == "127.0.0.1"
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        if address.startswith("127."):
            continue
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, device.address[1]), timeout=2)


def test_a_revoked_device_is_cut_off_and_cannot_come_back(device_home: DeviceHome, device: Device) -> None:
    with device_home.connected(device) as client:
        assert client.publish(device.topic, READING)
        assert devices.revoke(device.id) == 1
        wait_for(client.ended.is_set)
    assert device.client().connect() == "Not authorized"
    assert len(device_home.readings(device)) == 1


def test_one_device_cannot_take_the_place_of_another_by_its_client_id(device_home: DeviceHome, device: Device) -> None:
    other = device_home.provision(f"{device.id}-b")
    with device_home.connected(device, "same") as first, device_home.connected(other, "same") as second:
        assert second.publish(other.topic, READING)
        assert first.publish(device.topic, READING)
        assert not second.publish(device.topic, READING)
        assert first.publish(device.topic, READING)


def test_a_device_that_connects_again_ends_its_former_connection(device_home: DeviceHome, device: Device) -> None:
    with device_home.connected(device, "same") as first, device_home.connected(device, "same") as second:
        wait_for(first.ended.is_set)
        assert second.publish(device.topic, READING)


def test_a_shadow_takes_what_its_device_reports_and_tells_it_what_is_wanted(
    device_home: DeviceHome, device: Device
) -> None:
    shadow = f"$aws/things/{device.id}/shadow/update"
    subscribed = threading.Event()
    with device_home.connected(device) as client:
        client.paho.on_subscribe = lambda *_: subscribed.set()
        client.paho.subscribe(f"{shadow}/+", qos=1)
        wait_for(subscribed.is_set)
        assert client.publish(shadow, {"state": {"reported": {"firmware": "1.2", "reporting_interval_s": 60}}})
        assert client.publish(shadow, {"no": "shadow"})
        wait_for(lambda: len({topic for topic, _ in client.messages}) == 3)
    said = {topic.removeprefix(f"{shadow}/"): json.loads(payload) for topic, payload in client.messages}
    assert said["accepted"]["state"]["reported"]["firmware"] == "1.2"
    assert said["delta"]["state"] == {"reporting_interval_s": 20}
    assert said["rejected"]["code"] == 400
    stored = json.loads(boto3.client("iot-data").get_thing_shadow(thingName=device.id)["payload"].read())
    assert stored["state"]["reported"]["firmware"] == "1.2"
    assert stored["state"]["desired"] == {"reporting_interval_s": 20}


def test_when_a_device_was_last_seen_is_known_without_a_write_for_each_reading(
    device_home: DeviceHome, device: Device
) -> None:
    def shadow() -> dict[str, Any]:
        return json.loads(boto3.client("iot-data").get_thing_shadow(thingName=device.id)["payload"].read())

    begin_ms = time.time() * 1000
    with device_home.connected(device) as client:
        wait_for(lambda: shadow()["state"].get("reported", {}).get("connection") == "connected")
        version = shadow()["version"]
        for _ in range(20):
            assert client.publish(device.topic, READING)
        assert shadow()["version"] == version
    wait_for(lambda: shadow()["state"]["reported"]["connection"] == "disconnected")
    assert begin_ms - 1 <= shadow()["state"]["reported"]["last_seen_ms"] <= time.time() * 1000 + 1


def test_none_of_many_messages_is_lost_and_they_keep_their_order(device_home: DeviceHome, device: Device) -> None:
    count = 3000
    acknowledged: list[int] = []
    with device_home.connected(device) as client:
        client.paho.on_publish = lambda _client, _data, number, *_: acknowledged.append(number)
        for number in range(count):
            client.paho.publish(device.topic, json.dumps(READING | {"status": str(number)}), qos=1)
        wait_for(lambda: len(acknowledged) == count)
    assert [int(reading["status"]) for reading in device_home.readings(device)] == list(range(count))


def test_many_devices_that_come_at_once_are_all_let_in_and_seen(device_home: DeviceHome) -> None:
    def provisioned_and_heard(number: int) -> bool:
        device = device_home.provision(f"crowd-{number}")
        with device_home.connected(device) as client:
            return client.publish(device.topic, READING)

    with ThreadPoolExecutor(10) as crowd:
        assert all(crowd.map(provisioned_and_heard, range(30)))
    wait_for(
        lambda: all(row.last_seen for row in devices.list_devices(settings()) if row.device_id.startswith("crowd-"))
    )


def test_the_load_of_the_benchmark_arrives_as_it_says(device_home: DeviceHome, device: Device) -> None:
    sensors = [f"{device.id}-{number}" for number in range(10)]
    load = mqtt_load.publish(
        device.address, device.folder, sensors, rate=200, seconds=0.5, reading=lambda sensor: {"sensor_id": sensor}
    )
    assert (load.sent, load.acknowledged) == (100, 100)
    keys = [key for key, _ in device_home.records() if key.startswith(f"{device.id}-")]
    assert sorted(keys) == sorted(sensors * 10)


def test_what_was_acknowledged_before_the_endpoint_is_killed_is_there_and_devices_go_on(
    run_endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        use_local_home(url)
        create_stream_and_bucket()
        create_device_resources(settings())
        first = DeviceHome(url, tmp_path, tmp_path / "devices")
        device = first.provision("survivor")
        gone = first.provision("revoked")
        devices.revoke("revoked")
        client = device.client()
        numbers: dict[int, int] = {}
        assert client.connect() == "Success"
        for number in range(2000):
            reading = json.dumps(READING | {"status": str(number)})
            numbers[client.paho.publish(device.topic, reading, qos=1).mid] = number
            if number == 1000:
                wait_for(lambda: len(client.acknowledged) > 300)
                process.send_signal(signal.SIGKILL)
                process.wait()
        # The broker ends with the endpoint, and with it the connection.
        wait_for(client.ended.is_set)
    with run_endpoint(tmp_path, "--no-athena") as (url, _):
        use_local_home(url)
        second = DeviceHome(url, tmp_path, tmp_path / "devices")
        assert devices.mqtt_address() == device.address
        stored = {int(reading["status"]) for reading in second.readings(device)}
        assert {numbers[each] for each in client.acknowledged} <= stored
        with second.connected(device) as again:
            assert again.publish(device.topic, READING | {"status": "-1"})
        assert -1 in {int(reading["status"]) for reading in second.readings(device)}
        assert gone.client().connect() == "Not authorized"


@pytest.mark.skipif(mosquitto_pub() is None, reason="mosquitto_pub is not installed")
@pytest.mark.parametrize("qos", ["0", "1"])
def test_mosquitto_pub_sends_with_the_files_that_were_provisioned(
    device_home: DeviceHome, device: Device, qos: str
) -> None:
    assert _mosquitto_pub(device, device.topic, qos).returncode == 0
    wait_for(lambda: len(device_home.readings(device)) == 1)
    assert device_home.readings(device)[0]["vehicle_count"] == 12


@pytest.mark.skipif(mosquitto_pub() is None, reason="mosquitto_pub is not installed")
def test_mosquitto_pub_hears_that_it_is_refused(device_home: DeviceHome, device: Device) -> None:
    assert "connection was lost" in _mosquitto_pub(device, f"{SENSORS_TOPIC}/another", "1").stderr
    devices.revoke(device.id)
    assert "not authorised" in _mosquitto_pub(device, device.topic, "1").stderr


def _mosquitto_pub(device: Device, topic: str, qos: str) -> subprocess.CompletedProcess[str]:
    host, port = device.address
    files = [str(device.folder / name) for name in devices.FILES]
    command = [str(mosquitto_pub()), "-h", host, "-p", str(port), "--cafile", files[0], "--cert", files[1]]
    command += ["--key", files[2], "-q", qos, "-t", topic, "-m", json.dumps(READING)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
