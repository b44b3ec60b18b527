"""The stacks, one for each concern. They only wire constructs."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.aws.buckets import Buckets
from infra.aws.stages import Stage


class StorageStack(Stack):
    """Where data lies."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **kwargs: Any) -> None:  # noqa: ANN401
        """Make buckets and keys."""
        super().__init__(scope, construct_id, **kwargs)
        self.buckets = Buckets(self, "Buckets", stage=stage)
