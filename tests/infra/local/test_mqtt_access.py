"""What policies allow: the one of all devices, and others, judged as the AWS IoT documentation says."""

import json
from typing import Any

import pytest

from infra.local.mqtt.access import Device
from ingestion.devices.access import policy_document

PREFIX = "arn:aws:iot:us-east-1:000000000000:"
POLICY = json.dumps(policy_document("us-east-1", "000000000000"))


def _device(*policies: Any, thing: str | None = "s-1") -> Device:
    return Device("certificate", PREFIX, thing, policies)


def _policy(effect: str, action: Any, resource: Any, **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("iot:Connect", "client/any", True),
        ("iot:Publish", "topic/traffic/sensors/s-1", True),
        ("iot:Publish", "topic/device/s-1/telemetry", True),
        ("iot:Publish", "topic/traffic/data", True),
        ("iot:Publish", "topic/$aws/things/s-1/shadow/update", True),
        ("iot:Subscribe", "topicfilter/$aws/things/s-1/shadow/update/accepted", True),
        ("iot:Receive", "topic/$aws/things/s-1/shadow/update/delta", True),
        ("iot:Publish", "topic/traffic/sensors/s-2", False),
        ("iot:Publish", "topic/traffic/sensors/s-1/x", False),
        ("iot:Publish", "topic/traffic/sensors/s-11", False),
        ("iot:Publish", "topic/traffic/sensors/+", False),
        ("iot:Publish", "topic/device/s-2/telemetry", False),
        ("iot:Publish", "topic/device/+/telemetry", False),
        ("iot:Publish", "topic/device/s-1/commands", False),
        ("iot:Publish", "topic/$aws/things/s-1/shadow/update/accepted", False),
        ("iot:Publish", "topic/$aws/things/s-2/shadow/update", False),
        ("iot:Subscribe", "topicfilter/#", False),
        ("iot:Subscribe", "topicfilter/traffic/sensors/s-1", False),
        ("iot:Subscribe", "topicfilter/$aws/things/+/shadow/update/accepted", False),
        ("iot:RetainPublish", "topic/traffic/sensors/s-1", False),
    ],
)
def test_a_device_may_do_what_is_its_own(action: str, resource: str, allowed: bool) -> None:
    assert _device(POLICY).allows("any", action, resource) is allowed


def test_a_certificate_without_a_thing_may_neither_connect_nor_publish() -> None:
    device = _device(POLICY, thing=None)
    assert not device.allows("s-1", "iot:Connect", "client/s-1")
    assert not device.allows("s-1", "iot:Publish", "topic/traffic/sensors/s-1")
    assert not device.allows("s-1", "iot:Publish", "topic/traffic/sensors/")


def test_without_a_policy_nothing_is_allowed() -> None:
    assert not _device().allows("c", "iot:Connect", "client/c")


def test_a_denial_wins() -> None:
    device = _device(_policy("Allow", "iot:*", "*"), _policy("Deny", ["iot:Publish"], [f"{PREFIX}topic/secret*"]))
    assert device.allows("c", "iot:Publish", "topic/open")
    assert not device.allows("c", "iot:Publish", "topic/secret/x")


def test_a_value_of_a_variable_is_no_pattern() -> None:
    device = _device(_policy("Allow", "iot:Publish", PREFIX + "topic/${iot:ClientId}/x"))
    assert device.allows("c", "iot:Publish", "topic/c/x")
    assert device.allows("*", "iot:Publish", "topic/*/x")
    assert not device.allows("*", "iot:Publish", "topic/c/x")


@pytest.mark.parametrize("more", [{"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, {"NotPrincipal": "x"}])
def test_what_cannot_be_judged_allows_nothing_and_denies(more: dict[str, Any]) -> None:
    everything = _policy("Allow", "*", "*")
    assert not _device(_policy("Allow", "*", "*", **more)).allows("c", "iot:Publish", "topic/a")
    assert not _device(everything, _policy("Deny", "*", "*", **more)).allows("c", "iot:Publish", "topic/a")


def test_a_variable_without_a_value_matches_nothing() -> None:
    device = _device(_policy("Allow", "iot:Publish", PREFIX + "topic/${iot:Connection.Thing.Attributes[x]}"))
    assert not device.allows("c", "iot:Publish", "topic/")
    assert not device.allows("c", "iot:Publish", "topic/${iot:Connection.Thing.Attributes[x]}")
