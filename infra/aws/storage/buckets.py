"""The buckets: encrypted, versioned, private, and with a record of every access."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.aws.defaults import RotatedKey, removal
from infra.aws.stages import Stage
from ingestion.devices.rules import REFUSED_PREFIX

_UPLOAD_DAYS = 7
# The filter of S3's metrics that counts what the topic rules keep.
REFUSED_FILTER = REFUSED_PREFIX.strip("/")


class AccessLogs(s3.Bucket):
    """The bucket that S3 writes accesses to all others into. S3 can do that only with a key of its own."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, name: str) -> None:
        """Make the bucket."""
        super().__init__(
            scope,
            construct_id,
            bucket_name=name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(stage.access_logs_expire_after_days),
                    noncurrent_version_expiration=Duration.days(stage.old_versions_expire_after_days),
                    abort_incomplete_multipart_upload_after=Duration.days(_UPLOAD_DAYS),
                )
            ],
            removal_policy=removal(stage),
        )


class DataBucket(s3.Bucket):
    """A bucket of ours. One that is not kept can be deleted only once it is empty."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        name: str,
        key: kms.IKey,
        access_logs: s3.IBucket,
        transitions: Sequence[s3.Transition] = (),
        expire_after_days: int | None = None,
    ) -> None:
        """Make a bucket whose objects move to other storage classes, or expire, with age."""
        super().__init__(
            scope,
            construct_id,
            bucket_name=name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            # One call of the key for many objects, not one for each.
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{name}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    transitions=list(transitions) or None,
                    expiration=Duration.days(expire_after_days) if expire_after_days else None,
                    noncurrent_version_expiration=Duration.days(stage.old_versions_expire_after_days),
                    abort_incomplete_multipart_upload_after=Duration.days(_UPLOAD_DAYS),
                )
            ],
            removal_policy=removal(stage),
        )


def cheaper_with_age(stage: Stage) -> list[s3.Transition]:
    """Return how landing objects move to cheaper storage that queries can still read.

    Athena and Spark skip objects of the other Glacier classes, and then an old hour could not be curated again.
    """
    ages = {
        s3.StorageClass.INFREQUENT_ACCESS: stage.raw_infrequent_after_days,
        s3.StorageClass.GLACIER_INSTANT_RETRIEVAL: stage.raw_archive_after_days,
    }
    return [
        s3.Transition(storage_class=storage, transition_after=Duration.days(days)) for storage, days in ages.items()
    ]


class Buckets(Construct):
    """The four buckets. What arrives has a key of its own: who delivers it cannot read the lake."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make the buckets with their keys."""
        super().__init__(scope, construct_id)
        city = stage.city
        self.raw_key = RotatedKey(self, "RawKey", stage=stage, purpose="raw")
        self.lake_key = RotatedKey(self, "LakeKey", stage=stage, purpose="lake")
        self.access_logs = AccessLogs(
            self, "AccessLogs", stage=stage, name=f"{city.prefix}-access-logs{city.bucket_suffix}"
        )
        self.raw = DataBucket(
            self,
            "Raw",
            stage=stage,
            name=city.raw_bucket,
            key=self.raw_key,
            access_logs=self.access_logs,
            transitions=cheaper_with_age(stage),
        )
        self.raw.add_metric(id=REFUSED_FILTER, prefix=REFUSED_PREFIX)
        ours = {"stage": stage, "key": self.lake_key, "access_logs": self.access_logs}
        self.lake = DataBucket(self, "Lake", name=city.lake_bucket, **ours)
        self.results = DataBucket(
            self, "Results", name=city.results_bucket, expire_after_days=stage.results_expire_after_days, **ours
        )
        self.docs = DataBucket(self, "Docs", name=city.docs_bucket, **ours)
