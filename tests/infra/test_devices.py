"""`trafficlake devices`: certificates are made, shown and revoked through the IoT API."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from infra import devices
from infra.errors import FailedError, UsageError
from infra.home.devices import create_device_resources, policy_name, thing_type
from infra.settings import settings
from tests.infra.mqtt_clients import Device, DeviceHome, wait_for


def _row(device_id: str) -> devices.DeviceRow:
    return next(row for row in devices.list_devices(settings()) if row.device_id == device_id)


def test_the_files_belong_together_and_the_key_is_for_its_owner_only(device: Device) -> None:
    certificate = x509.load_pem_x509_certificate((device.folder / "cert.pem").read_bytes())
    key = serialization.load_pem_private_key((device.folder / "key.pem").read_bytes(), None)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((device.folder / "ca.pem").read_bytes()))
    assert stat.S_IMODE((device.folder / "key.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in device.folder.iterdir()) == sorted(devices.FILES)


def test_the_shadow_wants_the_reporting_interval(device_home: DeviceHome) -> None:
    devices.provision("interval-60", device_home.folder / "x", 60, device_home.authorities, settings())
    shadow = json.loads(boto3.client("iot-data").get_thing_shadow(thingName="interval-60")["payload"].read())
    assert shadow["state"]["desired"] == {"reporting_interval_s": 60}


def test_a_device_has_one_active_certificate(device_home: DeviceHome, device: Device) -> None:
    with pytest.raises(UsageError, match="has an active certificate"):
        devices.provision(device.id, device_home.folder / "second", 20, device_home.authorities, settings())
    assert not (device_home.folder / "second" / "key.pem").exists()
    devices.revoke(device.id)
    devices.provision(device.id, device_home.folder / "second", 20, device_home.authorities, settings())
    with device_home.connected(Device(device.id, device_home.folder / "second", device.address)) as client:
        assert client.publish(device.topic, {"vehicle_count": 1})
    assert device.client().connect() == "Not authorized"


def test_a_removed_device_is_cut_off_and_leaves_nothing_that_holds_up_its_policy(
    device_home: DeviceHome, device: Device
) -> None:
    devices.provision(device.id, device_home.folder / "second", 20, device_home.authorities, settings(), rotate=True)
    iot = boto3.client("iot")
    of_device = set(iot.list_thing_principals(thingName=device.id)["principals"])
    assert len(of_device) == 2
    devices.remove(device.id)
    assert device.client().connect() == "Not authorized"
    assert of_device.isdisjoint(iot.list_targets_for_policy(policyName=policy_name(settings()))["targets"])
    assert of_device.isdisjoint(each["certificateArn"] for each in iot.list_certificates()["certificates"])
    assert device.id not in {row.device_id for row in devices.list_devices(settings())}
    with pytest.raises(UsageError, match="there is no device"):
        devices.remove(device.id)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, int], None]:
    """Have AWS refuse an operation some times, as while it detaches; the local endpoint detaches at once."""
    make = boto3.client

    def refuse_times(operation: str, code: str, times: int) -> None:
        left = [{"Error": {"Code": code, "Message": "still attached"}}] * times

        def client(service: str) -> Any:
            made = make(service)
            if service == "iot":
                made.meta.events.register(
                    f"before-call.iot.{operation}",
                    lambda **_: (AWSResponse("", 409, {}, None), left.pop()) if left else None,
                )
            return made

        monkeypatch.setattr(boto3, "client", client)
        monkeypatch.setattr(devices, "DETACHING_WAIT_S", 0)

    return refuse_times


@pytest.mark.parametrize(
    ("operation", "code"),
    [("DeleteCertificate", "DeleteConflictException"), ("DeleteThing", "InvalidRequestException")],
)
def test_removing_waits_until_aws_has_detached_the_certificate(device: Device, refuse, operation, code) -> None:
    (principal,) = boto3.client("iot").list_thing_principals(thingName=device.id)["principals"]
    refuse(operation, code, 2)
    devices.remove(device.id)
    assert principal not in {each["certificateArn"] for each in boto3.client("iot").list_certificates()["certificates"]}
    assert device.id not in {row.device_id for row in devices.list_devices(settings())}


def test_a_certificate_that_aws_does_not_detach_in_time_is_named(device: Device, refuse) -> None:
    (principal,) = boto3.client("iot").list_thing_principals(thingName=device.id)["principals"]
    refuse("DeleteCertificate", "DeleteConflictException", 1000)
    with pytest.raises(FailedError, match=f"delete-certificate --certificate-id {principal.rpartition('/')[2]}`"):
        devices.remove(device.id)


def test_a_certificate_is_rotated_without_a_gap(device_home: DeviceHome, device: Device) -> None:
    folder = device_home.folder / "second"
    devices.provision(device.id, folder, 20, device_home.authorities, settings(), rotate=True)
    second = Device(device.id, folder, device.address)
    for each in (device, second):
        with device_home.connected(each) as client:
            assert client.publish(each.topic, {"vehicle_count": 1})
    assert devices.revoke(device.id, keep_newest=True) == 1
    assert device.client().connect() == "Not authorized"
    with device_home.connected(second) as client:
        assert client.publish(device.topic, {"vehicle_count": 1})


@pytest.mark.parametrize("name", devices.FILES)
def test_files_that_exist_are_not_overwritten(device_home: DeviceHome, name: str) -> None:
    (device_home.folder / name).write_text("precious")
    with pytest.raises(UsageError, match=f"{name} exists"):
        devices.provision("never", device_home.folder, 20, device_home.authorities, settings())
    assert (device_home.folder / name).read_text() == "precious"
    assert "never" not in {row.device_id for row in devices.list_devices(settings())}


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_created(device_home: DeviceHome) -> None:
    (device_home.folder / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        devices.provision("never", device_home.folder / "file" / "x", 20, device_home.authorities, settings())
    assert "never" not in {row.device_id for row in devices.list_devices(settings())}


@pytest.mark.parametrize("device_id", ["", "a/b", "+", "#", "$aws", "a b", "x" * 129])
def test_an_id_that_no_device_can_have_is_refused(device_home: DeviceHome, device_id: str) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        devices.provision(device_id, device_home.folder / "x", 20, device_home.authorities, settings())
    assert not (device_home.folder / "x").exists()


def test_devices_are_listed_with_status_and_when_they_were_last_seen(device_home: DeviceHome, device: Device) -> None:
    begin = datetime.now(UTC)
    row = _row(device.id)
    assert (row.status, row.last_seen) == ("ACTIVE", None)
    assert abs(row.since - begin) < timedelta(minutes=1)
    certificate = x509.load_pem_x509_certificate((device.folder / "cert.pem").read_bytes())
    assert row.certificate_id == certificate.fingerprint(hashes.SHA256()).hex()
    with device_home.connected(device):
        wait_for(lambda: _row(device.id).last_seen is not None)
    assert begin - timedelta(seconds=1) < _row(device.id).last_seen < datetime.now(UTC) + timedelta(seconds=1)
    devices.revoke(device.id)
    assert _row(device.id).status == "REVOKED"
    assert device.id in devices.as_json([_row(device.id)])
    assert devices.as_cells(_row(device.id))[1] == row.certificate_id[:12]


def test_things_of_others_are_not_listed(device_home: DeviceHome) -> None:
    boto3.client("iot").create_thing(thingName="a-lamp")
    assert "a-lamp" not in {row.device_id for row in devices.list_devices(settings())}


def test_revoking_is_safe_to_repeat_and_an_unknown_device_is_said(device_home: DeviceHome, device: Device) -> None:
    assert devices.revoke(device.id) == 1
    assert devices.revoke(device.id) == 0
    with pytest.raises(UsageError, match="there is no device nobody"):
        devices.revoke("nobody")


def test_resources_that_are_there_are_left_as_they_are(device_home: DeviceHome) -> None:
    iot, city = boto3.client("iot"), settings()
    rules = {rule["ruleName"] for rule in iot.list_topic_rules()["rules"]}
    before = [iot.get_topic_rule(ruleName=name)["rule"] for name in sorted(rules)]
    versions = iot.list_policy_versions(policyName=f"{city.prefix}-device")["policyVersions"]
    create_device_resources(city)
    assert [iot.get_topic_rule(ruleName=name)["rule"] for name in sorted(rules)] == before
    assert iot.list_policy_versions(policyName=f"{city.prefix}-device")["policyVersions"] == versions
    assert iot.describe_thing_type(thingTypeName=thing_type(city))["thingTypeName"] == thing_type(city)


def test_resources_that_differ_are_brought_to_this_version(device_home: DeviceHome) -> None:
    iot, city = boto3.client("iot"), settings()
    name = f"{city.prefix}-device"
    wanted = json.loads(iot.get_policy(policyName=name)["policyDocument"])
    other = json.dumps({"Version": "2012-10-17", "Statement": []})
    iot.create_policy_version(policyName=name, policyDocument=other, setAsDefault=True)
    rule_name = "trafficlake_local_readings"
    rule = iot.get_topic_rule(ruleName=rule_name)["rule"]
    changed = {"sql": "SELECT * FROM 'elsewhere'", "actions": rule["actions"]}
    iot.replace_topic_rule(ruleName=rule_name, topicRulePayload=changed)
    for _ in range(6):
        create_device_resources(city)
    assert json.loads(iot.get_policy(policyName=name)["policyDocument"]) == wanted
    assert iot.get_topic_rule(ruleName=rule_name)["rule"]["sql"] == rule["sql"]


def test_amazons_roots_are_at_hand_for_devices_on_aws() -> None:
    roots = x509.load_pem_x509_certificates(devices.amazon_roots().encode())
    assert len(roots) >= 4
    assert all("Amazon Root CA" in root.subject.rfc4514_string() for root in roots)


def test_the_next_step_can_be_typed_as_it_is(tmp_path: Path) -> None:
    shown = devices.next_step("s-1", tmp_path / "a folder", "127.0.0.1", 20001)
    assert "-t traffic/sensors/s-1" in shown
    assert f"'{tmp_path / 'a folder' / 'ca.pem'}'" in shown


def _trafficlake(device_home: DeviceHome, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "infra.cli.app", *arguments],
        env=environment | {"TRAFFICLAKE_STATE_DIR": str(device_home.state_dir), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_command_takes_a_device_from_its_files_to_its_revocation(device_home: DeviceHome) -> None:
    folder = device_home.folder / "files"
    made = _trafficlake(device_home, "devices", "provision", "by-command", "--out", str(folder))
    assert made.returncode == 0, made.stderr
    exported = _trafficlake(device_home, "env").stdout
    host, port = devices.mqtt_address()
    assert f"export TRAFFICLAKE_MQTT_HOST={host}\nexport TRAFFICLAKE_MQTT_PORT={port}\n" in exported
    device = Device("by-command", folder, (host, port))
    with device_home.connected(device) as client:
        assert client.publish(device.topic, {"vehicle_count": 1})
    listed = json.loads(_trafficlake(device_home, "devices", "list", "--output", "json").stdout)
    (row,) = [row for row in listed if row["device_id"] == "by-command"]
    assert (row["status"], len(row["certificate_id"])) == ("ACTIVE", 64)
    again = _trafficlake(device_home, "devices", "provision", "by-command", "--out", str(folder))
    assert (again.returncode, again.stdout) == (2, "")
    assert "not overwritten" in again.stderr
    assert _trafficlake(device_home, "devices", "revoke", "by-command").stdout == "revoked by-command\n"
    assert device.client().connect() == "Not authorized"
    unknown = _trafficlake(device_home, "devices", "revoke", "nobody")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "there is no device nobody" in unknown.stderr
