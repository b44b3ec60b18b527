"""Defaults of the house: keys, logs, outputs, and what becomes of data when a stack is deleted."""

from collections.abc import Mapping

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.aws.stages import Stage


def removal(stage: Stage) -> RemovalPolicy:
    """Return what becomes of a resource that holds data when its stack is deleted."""
    # What a deployment makes and cannot finish goes again: kept, its name would stop the next attempt.
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if stage.keeps_data else RemovalPolicy.DESTROY


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


def log_group(
    scope: Construct, construct_id: str, *, stage: Stage, name: str, key: kms.IKey | None = None
) -> logs.LogGroup:
    """Return a group of logs that are kept as long as the stage says; they go with their stack.

    Without a key of ours, CloudWatch encrypts them with one of its own.
    """
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=key,
        retention=logs.RetentionDays[stage.log_retention],
        removal_policy=RemovalPolicy.DESTROY,
    )


def outputs(stack: Stack, values: Mapping[str, tuple[str, str]]) -> None:
    """Let a stack say what an operator needs to know of it: by name, the value and what it is."""
    scope = Construct(stack, "Outputs")  # a construct may have the name of an output
    for name, (value, description) in values.items():
        CfnOutput(scope, name, value=value, description=description).override_logical_id(name)
