"""The stack of what readings come in by."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.aws.ingest.devices import Devices
from infra.aws.ingest.landing import Delivery, LandingTables
from infra.aws.ingest.streams import Streams
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets


class IngestStack(Stack):
    """From devices and publishers to the landing tables."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Make streams, tables, the delivery between them, and what devices need."""
        super().__init__(scope, construct_id, **kwargs)
        self.streams = Streams(self, "Streams", stage=stage)
        tables = LandingTables(self, "LandingTables", stage=stage)
        Delivery(self, "Delivery", stage=stage, streams=self.streams, tables=tables, raw_key=buckets.raw_key)
        Devices(self, "Devices", stage=stage, streams=self.streams, raw_key=buckets.raw_key)
