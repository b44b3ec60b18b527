"""Keys of the house."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.aws.stages import Stage


def removal(stage: Stage) -> RemovalPolicy:
    """Return what becomes of a resource that holds data when its stack is deleted."""
    return RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY


class RotatedKey(kms.Key):
    """A key that is rotated every year. Who may use it, roles say; the account's administrators manage it."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, purpose: str) -> None:
        """Make the key `alias/trafficlake-<stage>-<purpose>`."""
        super().__init__(
            scope,
            construct_id,
            alias=f"{stage.city.prefix}-{purpose}",
            description=f"{stage.city.prefix}: {purpose}",
            enable_key_rotation=True,
            removal_policy=removal(stage),
        )
