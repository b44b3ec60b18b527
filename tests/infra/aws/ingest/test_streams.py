"""The streams are encrypted with a key of their own, keep what the stage says, and tell writing from reading."""

import pytest

from infra.aws.ingest.streams import Streams
from infra.aws.roles import ServiceRole
from infra.aws.stages import STAGES
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


@pytest.mark.parametrize(
    ("name", "capacity"),
    [
        ("prod", {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "RetentionPeriodHours": 48}),
        (
            "test",
            {"StreamModeDetails": {"StreamMode": "PROVISIONED"}, "ShardCount": 1, "RetentionPeriodHours": 24},
        ),
    ],
)
def test_capacity_and_retention_are_the_stage_s(resources_of, name, capacity):
    stage = STAGES[name]
    resources = resources_of(lambda stack: Streams(stack, "Streams", stage=stage))
    found = properties(resources, STREAM, Name=stage.city.stream)
    assert {
        key: found.get(key) for key in ("StreamModeDetails", "ShardCount", "RetentionPeriodHours") if key in found
    } == capacity


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
