"""The Kinesis streams."""

from aws_cdk import Duration
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

from infra.aws.defaults import RotatedKey, removal
from infra.aws.roles import ServiceRole, acknowledge
from infra.aws.stages import Stage


class Streams(Construct):
    """The stream of all readings and that of judged readings, by segment, with their key."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make both streams."""
        super().__init__(scope, construct_id)
        self.key = RotatedKey(self, "Key", stage=stage, purpose="streams")
        self.readings = self._stream("Readings", stage, stage.city.stream)
        self.segments = self._stream("Segments", stage, stage.city.segment_stream)

    def _stream(self, construct_id: str, stage: Stage, name: str) -> kinesis.Stream:
        mode = kinesis.StreamMode.PROVISIONED if stage.shards else kinesis.StreamMode.ON_DEMAND
        stream = kinesis.Stream(
            self,
            construct_id,
            stream_name=name,
            stream_mode=mode,
            shard_count=stage.shards,
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
