"""The topic rules: each message meets exactly one of them, and none speaks in another device's name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.mqtt.rules import Message, Rule, compile_rule, compile_template
from ingestion.devices.access import OLDER_TOPIC, SENSORS_TOPIC, TELEMETRY_TOPIC
from ingestion.devices.rules import topic_rules
from ingestion.reading import read

OWN, TELEMETRY = f"{SENSORS_TOPIC}/s-1", TELEMETRY_TOPIC.replace("+", "s-1")
RULES = [compile_rule(name, payload) for name, payload in topic_rules("lake-x", "stream", "bucket", "role").items()]
FILTERS = {OWN: f"{SENSORS_TOPIC}/+", TELEMETRY: TELEMETRY_TOPIC, OLDER_TOPIC: OLDER_TOPIC}
OF_ITS_OWN = pytest.mark.parametrize("topic", [OWN, TELEMETRY])

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_names = st.sampled_from(["sensor_id", "vehicle_count", "avg_speed", "occupancy", "topic_sensor_id", "other"])
_payloads = st.binary(max_size=30) | st.dictionaries(_names, _json).map(lambda it: json.dumps(it).encode())


def _applying(topic: str, payload: bytes) -> list[Rule]:
    message = Message(topic, payload)
    return [rule for rule in RULES if rule.topic_filter == FILTERS[topic] and rule.applies(message)]


# The first draw of nested JSON is slow on a busy machine.
@given(st.sampled_from(list(FILTERS)), _payloads)
def test_every_message_meets_exactly_one_rule(topic: str, payload: bytes) -> None:
    (rule,) = _applying(topic, payload)
    assert rule.project(Message(topic, payload)) is not None


@given(st.sampled_from([OWN, TELEMETRY]), st.dictionaries(_names, _json, min_size=1))
def test_on_its_own_topic_a_device_is_named_by_the_topic(topic: str, sent: dict[str, Any]) -> None:
    payload = json.dumps(sent).encode()
    (rule,) = _applying(topic, payload)
    if rule.name.endswith("unreadable"):
        return
    event = rule.project(Message(topic, payload, received_ms=1_800_000_000_000))
    assert (event["sensor_id"], event["topic_sensor_id"]) == ("s-1", "s-1")


@OF_ITS_OWN
@pytest.mark.parametrize(
    "claimed",
    [{"sensor_id": "s-2"}, {"SENSOR_ID": "s-2"}, {"Sensor_Id": "s-2"}, {"TOPIC_SENSOR_ID": "s-2"}, {}],
)
def test_the_parser_takes_the_topics_device_however_another_is_claimed(topic: str, claimed: dict[str, str]) -> None:
    payload = json.dumps(claimed | {"vehicle_count": 1}).encode()
    (rule,) = _applying(topic, payload)
    record = json.dumps(rule.project(Message(topic, payload, received_ms=1_800_000_000_000))).encode()
    (reading,), _ = read(record, 1_800_000_000_500_000)
    assert reading.sensor_id == "s-1"
    assert reading.received_us == 1_800_000_000_000_000


@OF_ITS_OWN
def test_were_the_payload_to_win_over_the_rule_nobody_could_speak_for_another_either(topic: str) -> None:
    message = Message(topic, json.dumps({"sensor_id": "s-2", "vehicle_count": 1}).encode())
    (rule,) = _applying(topic, message.payload)
    _, (reject,) = read(json.dumps(rule.project(message) | message.document).encode(), 1_800_000_000_500_000)
    assert reject.reasons == ("sensor_id_of_another",)
    claimed = json.dumps(message.document | {"topic_sensor_id": "s-2"}).encode()
    (rule,) = _applying(topic, claimed)
    assert "s3" in rule.actions[0]


@OF_ITS_OWN
def test_readings_of_a_device_are_in_order_whichever_of_its_topics_it_uses(topic: str) -> None:
    message = Message(topic, b'{"vehicle_count": 1}')
    (rule,) = _applying(topic, message.payload)
    assert compile_template(rule.actions[0]["kinesis"]["partitionKey"])(message) == "s-1"


def test_every_rule_keeps_what_its_action_cannot_store() -> None:
    for payload in topic_rules("lake-x", "stream", "bucket", "role").values():
        assert payload["errorAction"]["s3"]["bucketName"] == "bucket"
