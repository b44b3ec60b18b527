"""The stack of the buckets."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.aws.defaults import outputs
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from infra.aws.storage.replica import Replication


class StorageStack(Stack):
    """Where data lies."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **kwargs: Any) -> None:  # noqa: ANN401
        """Make buckets and keys, and copy them where the stage says so."""
        super().__init__(scope, construct_id, **kwargs)
        self.buckets = Buckets(self, "Buckets", stage=stage)
        if stage.replica_region:
            Replication(self, "Replication", stage=stage, region=stage.replica_region, buckets=self.buckets)
        buckets = self.buckets
        outputs(
            self,
            {
                "RawBucket": (buckets.raw.bucket_name, "what landed, conversion errors and sent bytes"),
                "LakeBucket": (buckets.lake.bucket_name, "Iceberg tables and records of runs"),
                "ResultsBucket": (buckets.results.bucket_name, "results of queries, until they expire"),
                "DocsBucket": (buckets.docs.bucket_name, "data docs of the expectations"),
                "AccessLogsBucket": (buckets.access_logs.bucket_name, "who read and wrote what in the other buckets"),
                "RawKey": (buckets.raw_key.key_arn, "key of the raw bucket"),
                "LakeKey": (buckets.lake_key.key_arn, "key of the other buckets"),
            },
        )
