"""Roles: one for each part, which may do what the part does, on the resources that it does it to."""

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import Acknowledgment, Aws, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct

# A service may be asked to act for another account's resource ("The confused deputy problem").
OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}


class ServiceRole(iam.Role):
    """A role that one service takes on; it may do nothing but what `allow` says."""

    def __init__(
        self, scope: Construct, construct_id: str, *, service: str, conditions: Mapping[str, object] | None = None
    ) -> None:
        """Make the role of a service such as `lambda.amazonaws.com`."""
        super().__init__(scope, construct_id, assumed_by=iam.ServicePrincipal(service, conditions=conditions))

    def allow(
        self,
        actions: Sequence[str],
        *resources: str,
        why_many: str = "",
        conditions: Mapping[str, object] | None = None,
    ) -> None:
        """Allow actions on resources. `why_many` says why one of them must end or hold a `*`.

        Raises ValueError for a `*` without a reason.
        """
        statement = iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
        self.add_to_policy(statement)
        for resource in resources:
            explain_star(self, resource, why_many)


def allow_results(allow: Callable[..., None], bucket: str, prefix: str) -> None:
    """Allow, by the `allow` of a role or policy, to keep the results of Athena's queries under a prefix of a bucket."""
    allow(
        ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
        f"{bucket}/{prefix}*",
        why_many="Athena names the results of a query",
    )
    allow(["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"], bucket)
    allow_listing(allow, bucket, [f"{prefix}*"])


def allow_listing(allow: Callable[..., None], bucket: str, prefixes: Sequence[str]) -> None:
    """Allow to list what lies in a bucket under some prefixes, each of which ends in `*`."""
    allow(["s3:ListBucket"], bucket, conditions={"StringLike": {"s3:prefix": list(prefixes)}})


def explain_star(construct: Construct, resource: str, why: str) -> None:
    """Say why a policy holds a resource that ends in or holds a `*`; one that does not needs no reason.

    Raises ValueError for a `*` without a reason.
    """
    if "*" not in resource:
        return
    if not why:
        raise ValueError(f"{resource} stands for many resources; say why.")
    finding = resource.replace(Aws.ACCOUNT_ID, "<AWS::AccountId>")
    acknowledge(construct, f"IAM5[Resource::{finding}]", why)


def acknowledge(construct: Construct, finding: str, reason: str) -> None:
    """Say why one finding of cdk-nag's AwsSolutions, such as `L1`, is as it should be on one resource."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason))
