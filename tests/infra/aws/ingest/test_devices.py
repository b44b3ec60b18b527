"""Devices and rules on AWS are those of the local home, and the rules may do what their actions do."""

import pytest
from aws_cdk import aws_kms as kms

from infra.aws.ingest.devices import Devices
from infra.aws.ingest.streams import Streams
from infra.home.devices import policy_name, thing_type
from ingestion.devices.access import policy_document
from ingestion.devices.rules import topic_rules
from tests.infra.aws.templates import allowed, of_type, resolved

ROLE, ACCOUNT = "arn:aws:iam::123456789012:role/rules", "123456789012"


@pytest.fixture(scope="module")
def devices(resources_of, stage):
    def make(stack):
        streams = Streams(stack, "Streams", stage=stage)
        Devices(stack, "Devices", stage=stage, streams=streams, raw_key=kms.Key(stack, "RawKey"))

    return resources_of(make)


def test_the_rules_are_those_of_the_local_home(devices, stage):
    city = stage.city
    found = {
        rule["Properties"]["RuleName"]: rule["Properties"]["TopicRulePayload"]
        for rule in of_type(devices, "AWS::IoT::TopicRule")
    }
    expected = topic_rules(city.prefix, city.stream, city.raw_bucket, ROLE)
    assert found.keys() == expected.keys()
    for name, payload in expected.items():
        assert in_api_words(resolved(found[name], {"Arn": ROLE})) == payload


def in_api_words(value):
    """CloudFormation writes the members of AWS IoT's API with a capital."""
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: in_api_words(each) for name, each in value.items()}
    return [in_api_words(each) for each in value] if isinstance(value, list) else value


def test_a_device_may_do_what_it_may_do_locally(devices, stage):
    (policy,) = (each["Properties"] for each in of_type(devices, "AWS::IoT::Policy"))
    assert policy["PolicyName"] == policy_name(stage.city)
    document = resolved(policy["PolicyDocument"], {"AWS::AccountId": ACCOUNT})
    assert document == policy_document(stage.city.region, ACCOUNT)


def test_the_thing_type_is_that_which_devices_are_provisioned_with(devices, stage):
    (kind,) = (each["Properties"] for each in of_type(devices, "AWS::IoT::ThingType"))
    assert kind["ThingTypeName"] == thing_type(stage.city)


def test_the_rules_write_to_the_stream_and_beside_it_and_read_nothing(devices, stage):
    granted = allowed(devices, "Devices")
    kept = granted.pop("s3:PutObject")
    assert kept == {f"arn:aws:s3:::{stage.city.raw_bucket}/device-errors/*"}
    assert granted.pop("kinesis:PutRecord") == {
        f"arn:aws:kinesis:us-east-1:<AWS::AccountId>:stream/{stage.city.stream}"
    }
    assert set(granted) == {"iot:Publish", "kms:GenerateDataKey"}
