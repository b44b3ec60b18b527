"""A copy of what landed and of the lake in another region, for the day on which the first one is lost.

What the copy is worth, and what a restore needs: docs/replica.md. Query results and data docs are not copied, because
a run writes them anew.
"""

from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.aws.defaults import RotatedKey, outputs
from infra.aws.roles import ServiceRole
from infra.aws.stages import Stage
from infra.aws.storage.buckets import AccessLogs, Buckets, DataBucket, cheaper_with_age

_PURPOSE = "replica"


def replica_name(stage: Stage, what: str) -> str:
    """Return the name of the bucket in the other region."""
    return f"{stage.city.prefix}-{_PURPOSE}-{what}{stage.city.bucket_suffix}"


class ReplicaBuckets(Construct):
    """The buckets that copies go to, with a key of their own: nothing of the first region is needed to read them."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make key and buckets."""
        super().__init__(scope, construct_id)
        self.key = RotatedKey(self, "Key", stage=stage, purpose=_PURPOSE)
        ours: dict[str, Any] = {
            "stage": stage,
            "key": self.key,
            "access_logs": AccessLogs(self, "AccessLogs", stage=stage, name=replica_name(stage, "access-logs")),
        }
        self.raw = DataBucket(self, "Raw", name=replica_name(stage, "raw"), transitions=cheaper_with_age(stage), **ours)
        self.lake = DataBucket(self, "Lake", name=replica_name(stage, "lake"), **ours)


class ReplicaStack(Stack):
    """What is in the other region. It is there before the first bucket copies to it."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **kwargs: Any) -> None:  # noqa: ANN401
        """Make the buckets."""
        super().__init__(scope, construct_id, **kwargs)
        buckets = ReplicaBuckets(self, "Buckets", stage=stage)
        outputs(
            self,
            {
                "RawBucket": (buckets.raw.bucket_name, "copy of the raw bucket"),
                "LakeBucket": (buckets.lake.bucket_name, "copy of the lake bucket"),
                "Key": (buckets.key.key_arn, "key of both copies"),
            },
        )


class Replication(Construct):
    """The copying: every version of an object, and every deletion by name, from now on."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, region: str, buckets: Buckets) -> None:
        """Let S3 copy to the buckets of `ReplicaBuckets` in a region."""
        super().__init__(scope, construct_id)
        # Only the other stack knows the key's ARN, and this one is deployed in another region: the alias is known.
        self._alias = f"alias/{stage.city.prefix}-{_PURPOSE}"
        self._region = region
        self._role = ServiceRole(self, "Role", service="s3.amazonaws.com")
        self._role.allow(
            # Decrypting is how S3 checks a bucket key before it uses it ("Using an S3 Bucket Key with replication").
            ["kms:Encrypt", "kms:Decrypt"],
            f"arn:aws:kms:{region}:{Aws.ACCOUNT_ID}:key/*",
            conditions={"ForAnyValue:StringEquals": {"kms:ResourceAliases": self._alias}},
            why_many="the key is of a stack in another region: it is told by its alias, which the condition names",
        )
        self._copy(buckets.raw, stage.city.raw_bucket, buckets.raw_key, replica_name(stage, "raw"))
        self._copy(buckets.lake, stage.city.lake_bucket, buckets.lake_key, replica_name(stage, "lake"))

    def _copy(self, bucket: s3.Bucket, name: str, key: kms.IKey, replica: str) -> None:
        """Allow what "Creating an IAM role" and "Replicating encrypted objects" of the S3 guide list, and begin."""
        source, target = f"arn:aws:s3:::{name}", f"arn:aws:s3:::{replica}"
        why_many = "every object of the bucket is copied"
        self._role.allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], source)
        self._role.allow(
            ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"],
            f"{source}/*",
            why_many=why_many,
        )
        self._role.allow(
            ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], f"{target}/*", why_many=why_many
        )
        self._role.allow(["kms:Decrypt"], key.key_arn)
        enabled = {"status": "Enabled"}
        bucket.node.default_child.replication_configuration = {
            "role": self._role.role_arn,
            "rules": [
                {
                    **enabled,
                    "id": _PURPOSE,
                    "priority": 1,
                    "filter": {"prefix": ""},
                    # Else what Iceberg removes for good would stay in the copy, and be paid for, for ever.
                    "deleteMarkerReplication": enabled,
                    "sourceSelectionCriteria": {"sseKmsEncryptedObjects": enabled},
                    "destination": {
                        "bucket": target,
                        "encryptionConfiguration": {
                            "replicaKmsKeyId": f"arn:aws:kms:{self._region}:{Aws.ACCOUNT_ID}:{self._alias}"
                        },
                    },
                }
            ],
        }
