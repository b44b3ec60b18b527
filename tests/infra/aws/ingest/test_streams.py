"""The streams are encrypted with a key of their own, keep what the stage says, and tell writing from reading."""

import json

import pytest
from typer.testing import CliRunner

from infra.aws.ingest.streams import Streams
from infra.aws.roles import ServiceRole
from infra.aws.stages import STAGES
from infra.cli import app as cli
from tests.infra.aws.templates import allowed, of_type, properties

STREAM = "AWS::Kinesis::Stream"


def test_each_is_encrypted_with_a_rotated_key_of_ours(resources_of, stage):
    resources = resources_of(lambda stack: Streams(stack, "Streams", stage=stage))
    assert {each["Properties"]["Name"] for each in of_type(resources, STREAM)} == {
        stage.city.stream,
        stage.city.segment_stream,
    }
    for each in of_type(resources, STREAM):
        encryption = each["Properties"]["StreamEncryption"]
        assert encryption["EncryptionType"] == "KMS"
        assert resources[encryption["KeyId"]["Fn::GetAtt"][0]]["Properties"]["EnableKeyRotation"] is True


def capacity(found):
    mode = found["StreamModeDetails"]["StreamMode"]
    return mode.lower().replace("_", "-"), found.get("ShardCount")


@pytest.mark.parametrize(("sensors", "interval_s"), [(1, 86_400), (50_000, 20), (50_000, 1), (600_000, 20)])
def test_each_has_the_shards_that_the_plan_of_the_city_gives_it(resources_of, stage, sensors, interval_s):
    city = ["--sensors", str(sensors), "--interval", str(interval_s)]
    planned = json.loads(CliRunner().invoke(cli.app, ["plan", *city, "--output", "json"]).stdout)["resources"]
    sized = stage.model_copy(update={"sensors": sensors, "interval_s": interval_s})
    resources = resources_of(lambda stack: Streams(stack, "Streams", stage=sized))
    for name, need, mode in (
        (stage.city.stream, "readings_stream", "readings"),
        (stage.city.segment_stream, "segment_stream", "segment-readings"),
    ):
        expected = planned["stream_modes"][mode]
        shards = planned[need]["shards"] if expected == "provisioned" else None
        assert capacity(properties(resources, STREAM, Name=name)) == (expected, shards)


def test_a_stage_may_leave_capacity_to_aws(resources_of, stage):
    on_demand = stage.model_copy(update={"capacity": "on-demand"})
    resources = resources_of(lambda stack: Streams(stack, "Streams", stage=on_demand))
    assert {capacity(each["Properties"]) for each in of_type(resources, STREAM)} == {("on-demand", None)}


@pytest.mark.parametrize(("name", "hours"), [("prod", 48), ("test", 24)])
def test_they_keep_records_as_long_as_the_stage_says(resources_of, name, hours):
    resources = resources_of(lambda stack: Streams(stack, "Streams", stage=STAGES[name]))
    assert {each["Properties"]["RetentionPeriodHours"] for each in of_type(resources, STREAM)} == {hours}


def test_who_writes_one_stream_can_neither_read_it_nor_write_the_other(resources_of, stage):
    def make(stack):
        streams = Streams(stack, "Streams", stage=stage)
        role = ServiceRole(stack, "Writer", service="lambda.amazonaws.com")
        streams.allow_writing(role, streams.segments, "kinesis:PutRecords")

    resources = resources_of(make)
    (segments,) = (
        name for name, each in resources.items() if each.get("Properties", {}).get("Name") == stage.city.segment_stream
    )
    granted = allowed(resources, "Writer")
    assert granted.pop("kinesis:PutRecords") == {f"<{segments}.Arn>"}
    assert set(granted) == {"kms:GenerateDataKey"}
