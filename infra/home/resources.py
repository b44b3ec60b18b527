"""The resources of the product at home `local`.

On AWS the CDK app makes the same resources, from the same settings and the same contract.
"""

from typing import Any

import boto3

from infra import settings as names
from infra.home.alerts import create_alert_resources
from infra.home.devices import create_device_resources
from infra.home.environment import LOCAL_REGION
from infra.home.existing import role_arn, unless_exists, waited_stream
from infra.home.pipeline import create_pipeline_resources
from infra.settings import CitySettings, settings
from infra.workgroups import workgroups
from ingestion.contract import glue as contract_tables


def create_resources(city: CitySettings | None = None) -> None:
    """Create what is missing of the home's resources and bring landing tables to the contract; safe to repeat."""
    city = city or settings()
    for bucket in (city.raw_bucket, city.lake_bucket, city.results_bucket, city.docs_bucket):
        unless_exists(boto3.client("s3").create_bucket, Bucket=bucket)
    waited_stream(city.stream)
    _create_catalog(city)
    _create_delivery_stream(city)
    _create_workgroups(city)
    create_device_resources(city)
    create_alert_resources(city)
    create_pipeline_resources(city)


def _create_catalog(city: CitySettings) -> None:
    glue = boto3.client("glue")
    for name in names.DATABASES:
        location = f"s3://{city.lake_bucket}/{name}/"
        unless_exists(glue.create_database, DatabaseInput={"Name": name, "LocationUri": location})
    for table in contract_tables.raw_table_inputs(city.raw_bucket, city.landing_since):
        if not unless_exists(glue.create_table, DatabaseName="raw", TableInput=table):
            existing = glue.get_table(DatabaseName="raw", Name=table["Name"])["Table"]
            if any(existing.get(key) != value for key, value in table.items()):
                glue.update_table(DatabaseName="raw", TableInput=table)


def _create_delivery_stream(city: CitySettings) -> None:
    firehose = boto3.client("firehose")
    if city.delivery_stream in firehose.list_delivery_streams(Limit=10000)["DeliveryStreamNames"]:
        return
    role = role_arn(f"{city.prefix}-firehose", "firehose.amazonaws.com")
    stream = boto3.client("kinesis").describe_stream_summary(StreamName=city.stream)["StreamDescriptionSummary"]
    firehose.create_delivery_stream(
        DeliveryStreamName=city.delivery_stream,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": stream["StreamARN"], "RoleARN": role},
        ExtendedS3DestinationConfiguration=delivery_to_s3(city, role, LOCAL_REGION),
    )


def delivery_to_s3(city: CitySettings, role_arn: str, region: str) -> dict[str, Any]:
    """Return the delivery stream's destination: Parquet by arrival hour, errors and sent bytes kept beside it."""
    bucket = f"arn:aws:s3:::{city.raw_bucket}"
    buffering = {"IntervalInSeconds": city.buffering_interval_s, "SizeInMBs": city.buffering_size_mb}
    return {
        "RoleARN": role_arn,
        "BucketARN": bucket,
        "Prefix": names.READINGS_PREFIX + names.HOUR_PREFIX,
        "ErrorOutputPrefix": names.ERRORS_PREFIX + names.ERROR_TYPE + names.HOUR_PREFIX,
        "BufferingHints": buffering,
        "CompressionFormat": "UNCOMPRESSED",
        "S3BackupMode": "Enabled",
        "S3BackupConfiguration": {
            "RoleARN": role_arn,
            "BucketARN": bucket,
            "Prefix": names.BACKUP_PREFIX + names.HOUR_PREFIX,
            # Firehose refuses a prefix with expressions that has none for errors beside it, here too.
            "ErrorOutputPrefix": f"{names.BACKUP_PREFIX}{names.ERRORS_PREFIX}{names.ERROR_TYPE}{names.HOUR_PREFIX}",
            "BufferingHints": buffering,
            "CompressionFormat": "GZIP",
        },
        "DataFormatConversionConfiguration": {
            "Enabled": True,
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {"CaseInsensitive": True}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}},
            "SchemaConfiguration": {
                "RoleARN": role_arn,
                "DatabaseName": "raw",
                "TableName": "sensor_readings",
                "Region": region,
                "VersionId": "LATEST",
            },
        },
    }


def _create_workgroups(city: CitySettings) -> None:
    for workgroup in workgroups(city):
        unless_exists(boto3.client("athena").create_work_group, **workgroup)
