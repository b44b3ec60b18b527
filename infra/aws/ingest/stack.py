"""The stack of what readings come in by."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.aws.defaults import outputs
from infra.aws.ingest.devices import Devices
from infra.aws.ingest.landing import Delivery, LandingTables
from infra.aws.ingest.streams import Streams
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from infra.home.devices import policy_name, thing_type


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
        city = stage.city
        outputs(
            self,
            {
                "ReadingsStream": (self.streams.readings.stream_name, "Kinesis stream of all readings"),
                "SegmentStream": (self.streams.segments.stream_name, "Kinesis stream of judged readings"),
                "StreamsKey": (self.streams.key.key_arn, "key of both streams"),
                "DeliveryStream": (city.delivery_stream, "Firehose stream that lands readings"),
                "DevicePolicy": (policy_name(city), "IoT policy of every device's certificate"),
                "DeviceThingType": (thing_type(city), "thing type of every device"),
                # Of the account and its region, not of a stack: no resource returns it.
                "DeviceEndpoint": (
                    f"aws iot describe-endpoint --endpoint-type iot:Data-ATS --region {city.region}",
                    "what tells the address that devices connect to",
                ),
            },
        )
