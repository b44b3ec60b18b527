"""The stacks, one for each concern. They only wire constructs."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.aws.alert_events import AlertBus, ChangePipe, DeadLetters, Routes, watch_every_minute
from infra.aws.alert_functions import AlertFunctions
from infra.aws.alert_table import AlertTable
from infra.aws.buckets import Buckets
from infra.aws.devices import Devices
from infra.aws.landing import Delivery, LandingTables
from infra.aws.stages import Stage
from infra.aws.streams import Streams


class StorageStack(Stack):
    """Where data lies."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **kwargs: Any) -> None:  # noqa: ANN401
        """Make buckets and keys."""
        super().__init__(scope, construct_id, **kwargs)
        self.buckets = Buckets(self, "Buckets", stage=stage)


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


class AlertsStack(Stack):
    """From the stream of readings to people."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        streams: Streams,
        code: lambda_.Code,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Make functions that run `code`, their table, and the way of its changes to people."""
        super().__init__(scope, construct_id, **kwargs)
        city = stage.city
        failed = DeadLetters(self, "Failed", name=city.failed_queue)
        undelivered = DeadLetters(self, "Undelivered", name=city.undelivered_queue)
        table = AlertTable(self, "Table", stage=stage)
        functions = AlertFunctions(
            self,
            "Functions",
            stage=stage,
            code=code,
            streams=streams,
            table=table,
            buckets=buckets,
            failed=failed,
        )
        bus = AlertBus(self, "Bus", stage=stage)
        ChangePipe(
            self,
            "Changes",
            stage=stage,
            table=table,
            describe=functions.describe,
            bus=bus,
            undelivered=undelivered,
        )
        Routes(self, "Routes", stage=stage, bus=bus, undelivered=undelivered)
        watch_every_minute(self, "Watch", stage=stage, watch=functions.watch)
