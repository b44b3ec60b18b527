"""The Kinesis streams."""

from aws_cdk import Duration
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

from infra.aws.defaults import RotatedKey, removal
from infra.aws.roles import ServiceRole, acknowledge
from infra.aws.stages import Stage, plan_of
from infra.sizing import resources as sizing


class Streams(Construct):
    """The stream of all readings and that of judged readings, by segment, with their key."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make both streams, with the capacity that the plan of the stage's city gives each."""
        super().__init__(scope, construct_id)
        self.key = RotatedKey(self, "Key", stage=stage, purpose="streams")
        plan = plan_of(stage)
        need, modes = plan.resources, plan.stream_modes
        self.readings = self._stream("Readings", stage, stage.city.stream, need.readings_stream, modes["readings"])
        self.segments = self._stream(
            "Segments", stage, stage.city.segment_stream, need.segment_stream, modes["segment-readings"]
        )

    def _stream(self, construct_id: str, stage: Stage, name: str, need: sizing.Stream, mode: str) -> kinesis.Stream:
        provisioned = stage.capacity == "sized" and mode == "provisioned"
        stream = kinesis.Stream(
            self,
            construct_id,
            stream_name=name,
            stream_mode=kinesis.StreamMode.PROVISIONED if provisioned else kinesis.StreamMode.ON_DEMAND,
            shard_count=need.shards if provisioned else None,
            retention_period=Duration.hours(stage.stream_retention_h),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=self.key,
            removal_policy=removal(stage),
        )
        acknowledge(stream, "KDS3", "a key of our own decides who reads the stream, which AWS's own key does not")
        return stream

    def allow_writing(self, role: ServiceRole, stream: kinesis.IStream, action: str) -> None:
        """Let a role write to a stream, by `kinesis:PutRecord` or `kinesis:PutRecords`."""
        role.allow([action], stream.stream_arn)
        role.allow(["kms:GenerateDataKey"], self.key.key_arn)

    def allow_reading(self, role: ServiceRole, stream: kinesis.IStream) -> None:
        """Let a role, and the service that reads for it, read a stream."""
        role.allow(
            [
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ],
            stream.stream_arn,
        )
        role.allow(["kms:Decrypt"], self.key.key_arn)
