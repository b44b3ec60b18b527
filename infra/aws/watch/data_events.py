"""Who read and wrote which object of the raw and the lake bucket, as CloudTrail records it."""

from aws_cdk import Aws
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.aws.defaults import RotatedKey, log_group
from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole
from infra.aws.stages import Stage

_CLOUDTRAIL = iam.ServicePrincipal("cloudtrail.amazonaws.com")
PREFIX = "cloudtrail"


class DataEvents(Construct):
    """A trail of accesses to objects, to the bucket of access logs and to a group of logs, with a key of its own."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, access_logs: s3.Bucket, buckets: tuple[str, ...]
    ) -> None:
        """Record accesses to the objects of these buckets, by their names."""
        super().__init__(scope, construct_id)
        city = stage.city
        name = f"{city.prefix}-data-events"
        group_name = f"/aws/cloudtrail/{name}"
        trail_arn = f"arn:aws:cloudtrail:{city.region}:{Aws.ACCOUNT_ID}:trail/{name}"
        group_arn = f"arn:aws:logs:{city.region}:{Aws.ACCOUNT_ID}:log-group:{group_name}"
        key = RotatedKey(self, "Key", stage=stage, purpose="data-events")
        _allow_encryption(key, trail_arn, group_arn, city.region)
        _allow_delivery(access_logs, trail_arn)
        group = log_group(self, "Log", stage=stage, name=group_name, key=key)
        role = ServiceRole(self, "Role", service="cloudtrail.amazonaws.com", conditions=OF_THIS_ACCOUNT)
        role.allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"{group_arn}:log-stream:{Aws.ACCOUNT_ID}_CloudTrail_{city.region}*",
            why_many="CloudTrail names the streams of the log",
        )
        trail = cloudtrail.CfnTrail(
            self,
            "Trail",
            trail_name=name,
            is_logging=True,
            s3_bucket_name=access_logs.bucket_name,
            s3_key_prefix=PREFIX,
            kms_key_id=key.key_arn,
            enable_log_file_validation=True,
            is_multi_region_trail=False,
            include_global_service_events=False,
            cloud_watch_logs_log_group_arn=group.log_group_arn,
            cloud_watch_logs_role_arn=role.role_arn,
            advanced_event_selectors=[
                cloudtrail.CfnTrail.AdvancedEventSelectorProperty(
                    name="Objects of the data buckets",
                    field_selectors=[
                        {"field": "eventCategory", "equalTo": ["Data"]},
                        {"field": "resources.type", "equalTo": ["AWS::S3::Object"]},
                        {"field": "resources.ARN", "startsWith": [f"arn:aws:s3:::{each}/" for each in buckets]},
                    ],
                )
            ],
        )
        # CloudTrail looks at once whether it may write, also to the log.
        trail.node.add_dependency(role)


def _allow_encryption(key: RotatedKey, trail_arn: str, group_arn: str, region: str) -> None:
    """Let CloudTrail encrypt its files, and CloudWatch Logs the group ("Configure KMS key policies for CloudTrail")."""
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[_CLOUDTRAIL],
            actions=["kms:DescribeKey", "kms:GenerateDataKey*"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceArn": trail_arn}},
        )
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{region}.amazonaws.com")],
            actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            resources=["*"],
            conditions={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group_arn}},
        )
    )


def _allow_delivery(bucket: s3.Bucket, trail_arn: str) -> None:
    """Let the trail write its files ("Amazon S3 bucket policy for CloudTrail")."""
    of_the_trail = {"StringEquals": {"aws:SourceArn": trail_arn}}
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[_CLOUDTRAIL],
            actions=["s3:GetBucketAcl"],
            resources=[bucket.bucket_arn],
            conditions=of_the_trail,
        )
    )
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[_CLOUDTRAIL],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects(f"{PREFIX}/AWSLogs/{Aws.ACCOUNT_ID}/*")],
            conditions=of_the_trail,
        )
    )
