"""How readings land: the raw tables, and the delivery stream that writes them."""

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import settings as names
from infra.aws.defaults import log_group, removal
from infra.aws.ingest.streams import Streams
from infra.aws.names import cdk_names
from infra.aws.roles import ServiceRole, acknowledge
from infra.aws.stages import Stage
from infra.home.resources import delivery_to_s3
from ingestion.contract.glue import raw_table_inputs

DATABASE = "raw"


class LandingTables(Construct):
    """The database of what arrives, with a table for each kind of it, from the contract."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make database and tables."""
        super().__init__(scope, construct_id)
        city = stage.city
        location = f"s3://{city.lake_bucket}/{DATABASE}/"
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input={"name": DATABASE, "locationUri": location},
        )
        database.apply_removal_policy(removal(stage))
        for table in raw_table_inputs(city.raw_bucket, city.landing_since):
            made = glue.CfnTable(
                self,
                table["Name"],
                catalog_id=Aws.ACCOUNT_ID,
                database_name=DATABASE,
                table_input=cdk_names(table),
            )
            made.add_resource_dependency(database)
            made.apply_removal_policy(removal(stage))


class Delivery(Construct):
    """The delivery stream that writes readings as Parquet, with the bytes that were sent beside them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        streams: Streams,
        tables: LandingTables,
        raw_key: kms.IKey,
    ) -> None:
        """Make the delivery stream, its role and its log of errors."""
        super().__init__(scope, construct_id)
        city = stage.city
        errors = f"/aws/kinesisfirehose/{city.delivery_stream}"
        group = log_group(self, "Errors", stage=stage, name=errors)
        role = ServiceRole(
            self,
            "Role",
            service="firehose.amazonaws.com",
            conditions={"StringEquals": {"sts:ExternalId": Aws.ACCOUNT_ID}},
        )
        streams.allow_reading(role, streams.readings)
        self._allow_delivery(role, stage, raw_key)
        destination = delivery_to_s3(city, role.role_arn, city.region)
        for part, log in ((destination, "delivery"), (destination["S3BackupConfiguration"], "backup")):
            logs.LogStream(self, log, log_group=group, log_stream_name=log, removal_policy=RemovalPolicy.DESTROY)
            part["CloudWatchLoggingOptions"] = {"Enabled": True, "LogGroupName": errors, "LogStreamName": log}
            log_arn = f"arn:aws:logs:{city.region}:{Aws.ACCOUNT_ID}:log-group:{errors}:log-stream:{log}"
            role.allow(["logs:PutLogEvents"], log_arn)
        made = firehose.CfnDeliveryStream(
            self,
            "DeliveryStream",
            delivery_stream_name=city.delivery_stream,
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=firehose.CfnDeliveryStream.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=streams.readings.stream_arn, role_arn=role.role_arn
            ),
            extended_s3_destination_configuration=cdk_names(destination),
        )
        acknowledge(
            made, "KDF1", "Firehose keeps nothing of a stream at rest, so the API takes no key; the stream has one"
        )
        # Firehose looks at once whether the role allows what it needs, and whether the table is there.
        made.node.add_dependency(role, tables, group)

    def _allow_delivery(self, role: ServiceRole, stage: Stage, raw_key: kms.IKey) -> None:
        """Allow what "Grant Firehose access to an Amazon S3 destination" lists, on the prefixes that it writes."""
        bucket = f"arn:aws:s3:::{stage.city.raw_bucket}"
        catalog = f"arn:aws:glue:{stage.city.region}:{Aws.ACCOUNT_ID}"
        role.allow(["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], bucket)
        prefixes = (names.READINGS_PREFIX, names.ERRORS_PREFIX, names.BACKUP_PREFIX)
        role.allow(
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            *(f"{bucket}/{prefix}*" for prefix in prefixes),
            why_many="Firehose names the objects that it writes",
        )
        role.allow(["kms:Decrypt", "kms:GenerateDataKey"], raw_key.key_arn)
        role.allow(
            ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"],
            f"{catalog}:catalog",
            f"{catalog}:database/{DATABASE}",
            f"{catalog}:table/{DATABASE}/sensor_readings",
        )
