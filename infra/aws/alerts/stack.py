"""The stack of the alerts."""

from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.aws.alerts.event_schema import EventSchema
from infra.aws.alerts.events import AlertBus, ChangePipe, DeadLetters, Routes, watch_every_minute
from infra.aws.alerts.functions import AlertFunctions
from infra.aws.alerts.table import AlertTable
from infra.aws.defaults import outputs
from infra.aws.ingest.streams import Streams
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets


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
        EventSchema(self, "Schema", stage=stage)
        ChangePipe(
            self,
            "Changes",
            stage=stage,
            table=table,
            describe=functions.describe,
            bus=bus,
            undelivered=undelivered,
        )
        routes = Routes(self, "Routes", stage=stage, bus=bus, undelivered=undelivered)
        watch_every_minute(self, "Watch", stage=stage, watch=functions.watch)
        told = {
            "StateTable": (table.table_name, "DynamoDB table of changes, summaries and current alerts"),
            "Bus": (bus.event_bus_name, "bus of alerts; its archive and its schema registry have the same name"),
            "FailedQueue": (failed.queue_url, "batches that a function could not take"),
            "UndeliveredQueue": (undelivered.queue_url, "changes and events that could not be delivered"),
        }
        for route, topic in routes.topics.items():
            told[f"Topic{route.title().replace('-', '')}"] = (topic.topic_arn, f"topic of the route {route}")
        if any(route.webhook_url for route in city.alert_routes):
            told["WebhookSecret"] = (city.webhook_secret, "secret whose value webhooks get as their key")
        outputs(self, told)
