"""The streaming stacks, deployed by the local endpoint's CloudFormation, and a message through what they made.

It is a smoke test: that CloudFormation is an emulator's, and the assertions on templates are the proof. What becomes
of the stacks' resources:

- those of the types in `LEFT_OUT` are taken out of the templates; all others are made;
- mappings, pipes, archives, connections and API destinations are made by `infra.local.cloudformation`: the emulator has
  no archive, connection or API destination, and its mappings and pipes are not those that run here;
- of the properties in `DROPPED`, the emulator takes no notice;
- roles, policies and keys are made and stay without effect: it allows everything to everybody, and encrypts nothing;
- what is in `REFUSED`, which other stacks may have, cannot be deployed here.

Tags are not looked at.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import devices
from infra.aws.alerts.function_code import is_platform_of_lambda
from infra.aws.app import synthesize
from infra.aws.stages import STAGES
from infra.home.environment import use_local_home
from infra.settings import AlertRoute, CitySettings
from ingestion.alerts.reference import KEY, Segment, Sensor, encode
from tests.infra.aws import deployment
from tests.infra.aws.described import compared, described
from tests.infra.aws.references import StageTemplates
from tests.infra.mqtt_clients import Device

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_platform_of_lambda(), reason="what is deployed runs on Lambda's platform only"),
]

CITY = CitySettings(
    stage="smoke",
    alert_routes=(
        AlertRoute(name="everybody", emails=("everybody@example.org",)),
        AlertRoute(name="control-room", zones=("Z9",), webhook_url="https://control-room.invalid/"),
    ),
)
STACKS = tuple(f"{CITY.prefix}-{concern}" for concern in ("storage", "ingest", "alerts"))
SENSOR, SEGMENT = "sensor-1", "segment-1"
WAIT_S = 60

# The emulator does not know them.
LEFT_OUT = {
    "AWS::EventSchemas::Registry": "it describes events to people; no event passes it",
    "AWS::EventSchemas::Schema": "as the registry that it is in",
}
# Accepted, and not done.
DROPPED = {
    ("AWS::DynamoDB::Table", "PointInTimeRecoverySpecification"),
    ("AWS::DynamoDB::Table", "SSESpecification"),
    ("AWS::DynamoDB::Table", "TimeToLiveSpecification"),
    ("AWS::Kinesis::Stream", "StreamEncryption"),
    ("AWS::S3::Bucket", "BucketEncryption"),
    ("AWS::S3::Bucket", "LifecycleConfiguration"),
    ("AWS::S3::Bucket", "LoggingConfiguration"),
    ("AWS::S3::Bucket", "MetricsConfigurations"),
    ("AWS::SNS::Topic", "KmsMasterKeyId"),
}
# What no API tells of a resource, AWS's neither.
UNTOLD = {
    ("AWS::Events::Connection", "AuthParameters.ApiKeyAuthParameters.ApiKeyValue"),
    ("AWS::Lambda::Function", "Code"),
    ("AWS::SecretsManager::Secret", "GenerateSecretString"),
}
# By what the refusal names: a resource of that kind.
REFUSED = {
    "AWS::Athena::NamedQuery": {
        "Type": "AWS::Athena::NamedQuery",
        "Properties": {"Database": "marts", "QueryString": "SELECT 1", "WorkGroup": "primary"},
    },
    "AWS::CloudWatch::CompositeAlarm": {
        "Type": "AWS::CloudWatch::CompositeAlarm",
        "Properties": {"AlarmName": "both", "AlarmRule": "ALARM(one) AND ALARM(other)"},
    },
    "metric math": {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "Metrics": [{"Id": "sum", "Expression": "SUM(METRICS())", "ReturnData": True}],
        },
    },
}


@dataclass(frozen=True)
class Deployed:
    """A home that only CloudFormation has made."""

    state_dir: Path
    templates: StageTemplates


@pytest.fixture(scope="module")
def deployed(tmp_path_factory, run_endpoint) -> Iterator[Deployed]:
    stage = STAGES["test"].model_copy(update={"city": CITY, "tags": {}})
    made = {
        path.name.removesuffix(".template.json"): path for path in synthesize(stage, tmp_path_factory.mktemp("synth"))
    }
    state_dir = tmp_path_factory.mktemp("deployed")
    with run_endpoint(state_dir, "--no-athena") as (url, _), patch.dict("os.environ"):
        use_local_home(url)
        deployment.deploy([made[stack] for stack in STACKS], LEFT_OUT)
        templates = StageTemplates([made[stack] for stack in STACKS])
        for stack in STACKS:
            templates.physical |= deployment.physical_ids(stack)
        yield Deployed(state_dir, templates)
    boto3.DEFAULT_SESSION = None


def test_every_resource_is_made_with_all_its_settings_but_those_that_are_known_to_be_dropped(deployed):
    not_so = set()
    for logical_id, resource in deployed.templates.resources.items():
        if resource["Type"] in LEFT_OUT:
            continue
        properties = deployed.templates.properties(logical_id)
        found = described(resource["Type"], deployed.templates.identity(logical_id), properties)
        not_so |= {(resource["Type"], path) for path, how in compared(properties, found) if how != "equal"}
    dropped = {(kind, path.partition(".")[0]) for kind, path in not_so - UNTOLD}
    assert {(kind, name) for kind, name in dropped if name != "Tags"} == DROPPED
    assert not_so >= UNTOLD


def test_a_jam_that_a_device_reports_over_mqtt_is_told_to_who_subscribed_to_the_topic(deployed, tmp_path):
    # What the registry and the pipeline publish for the functions.
    snapshot = encode({SENSOR: Sensor(SEGMENT, 30.0, 255.0)}, [Segment(SEGMENT, "Z1", "C1", 100.0, 0.0, 1.0)])
    boto3.client("s3").put_object(Bucket=CITY.lake_bucket, Key=KEY, Body=snapshot)
    queue = subscribed_queue(f"{CITY.alert_bus}-everybody")
    devices.provision(SENSOR, tmp_path, 20, (deployed.state_dir / "mqtt" / "ca.pem").read_text(), CITY)
    client = Device(SENSOR, tmp_path, devices.mqtt_address()).client()
    assert client.connect() == "Success"
    started_ms = (int(time.time()) - 1200) * 1000
    for step in range(60):
        reading = {"timestamp": started_ms + step * 20_000, "avg_speed": 15.0}
        assert client.publish(f"traffic/sensors/{SENSOR}", reading)
    client.paho.disconnect()
    message = received(queue)
    assert message["TopicArn"].endswith(f":{CITY.alert_bus}-everybody")
    assert f"Segment {SEGMENT}" in message["Message"]
    assert "CRITICAL" in message["Message"]


def subscribed_queue(topic_name: str) -> str:
    """Return the URL of a new queue that gets what is published on a topic."""
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    url = sqs.create_queue(QueueName=topic_name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics = [topic["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for topic in page["Topics"]]
    (topic,) = (each for each in topics if each.endswith(f":{topic_name}"))
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def received(queue: str) -> dict:
    """Return the first message of a queue."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        for message in boto3.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            return json.loads(message["Body"])
    raise AssertionError(f"nothing within {WAIT_S} s")


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("refused", REFUSED | {kind: {"Type": kind} for kind in LEFT_OUT})
def test_what_is_said_to_be_refused_is_refused(refused):
    resource = REFUSED.get(refused, {"Type": refused})
    with pytest.raises((ClientError, RuntimeError), match=refused):
        deployment.create("refused", json.dumps({"Resources": {"Refused": resource}}))


def test_only_what_is_in_the_stacks_is_left_out_of_them(deployed):
    assert LEFT_OUT.keys() <= {resource["Type"] for resource in deployed.templates.resources.values()}


def test_stacks_of_a_stage_that_keeps_nothing_are_deleted_with_all_that_they_made(deployed):
    for thing in boto3.client("iot").list_things()["things"]:
        devices.remove(thing["thingName"])
    for stack in reversed(STACKS):
        if stack.endswith("storage"):
            # Only now does nobody write to them.
            for bucket in boto3.resource("s3").buckets.filter(Prefix=CITY.prefix):
                bucket.object_versions.delete()
        deployment.delete(stack)
    left = [
        *boto3.client("kinesis").list_streams()["StreamNames"],
        *boto3.client("dynamodb").list_tables()["TableNames"],
        *boto3.client("firehose").list_delivery_streams()["DeliveryStreamNames"],
        *boto3.client("pipes").list_pipes()["Pipes"],
        *boto3.client("lambda").list_functions()["Functions"],
        *boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        *boto3.client("events").list_archives()["Archives"],
        *boto3.client("events").list_connections()["Connections"],
        *boto3.client("events").list_api_destinations()["ApiDestinations"],
        *boto3.client("events").list_rules()["Rules"],
        *boto3.client("iot").list_topic_rules()["rules"],
        *(bucket.name for bucket in boto3.resource("s3").buckets.filter(Prefix=CITY.prefix)),
    ]
    assert left == []
