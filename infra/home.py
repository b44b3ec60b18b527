"""Where the product runs: its environment at home `local`, and the resources that it needs there.

On AWS the CDK app makes the same resources, from the same settings and the same contract.
"""

import os
from typing import Any
from urllib.parse import urlsplit

import boto3

from infra import settings as names
from infra.existing import role_arn, unless_exists, waited_stream
from infra.home_alerts import create_alert_resources
from infra.home_iot import create_device_resources
from infra.home_pipeline import create_pipeline_resources
from infra.settings import CitySettings, settings
from infra.workgroups import workgroups
from ingestion.contract import glue as contract_tables

LOOPBACK = ("127.0.0.1", "localhost", "::1")
THROW_AWAY_KEY = "trafficlake-local"
# The endpoint's own engines look for everything in this one, whatever region the city has on AWS.
LOCAL_REGION = "us-east-1"
# Whatever could lead an AWS client to an account, a role or an endpoint other than the local one.
LEADS_ELSEWHERE = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_S3_USE_ARN_REGION",
    "AWS_CA_BUNDLE",
)


def leads_elsewhere(name: str) -> bool:
    """Tell whether a variable could lead an AWS client, or awswrangler, to something other than the local endpoint."""
    return (
        name in LEADS_ELSEWHERE
        or name.startswith("AWS_ENDPOINT_URL_")
        or (name.startswith("WR_") and name.endswith("_ENDPOINT_URL"))
    )


def local_environment(endpoint_url: str) -> dict[str, str]:
    """Return the variables that point every AWS client at the local endpoint.

    Raises ValueError for an endpoint that is not on this machine: home `local` can never reach an AWS account.
    """
    host = urlsplit(endpoint_url).hostname
    if host not in LOOPBACK:
        raise ValueError(f"the local endpoint must be on this machine, not on {host!r}")
    without_proxy = ",".join(dict.fromkeys([*filter(None, os.environ.get("NO_PROXY", "").split(",")), *LOOPBACK]))
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": LOCAL_REGION,
        "AWS_DEFAULT_REGION": LOCAL_REGION,
        "AWS_ACCESS_KEY_ID": THROW_AWAY_KEY,
        "AWS_SECRET_ACCESS_KEY": THROW_AWAY_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
    }


def use_local_home(endpoint_url: str) -> None:
    """Point this process and its children at the local endpoint, whatever the user's own AWS set-up says.

    Raises ValueError for an endpoint that is not on this machine.
    """
    wanted = local_environment(endpoint_url)
    for name in filter(leads_elsewhere, list(os.environ)):
        del os.environ[name]
    os.environ.update(wanted)
    # A session that was made before holds the credentials of then.
    boto3.DEFAULT_SESSION = None


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
        "ErrorOutputPrefix": f"{names.ERRORS_PREFIX}!{{firehose:error-output-type}}/{names.HOUR_PREFIX}",
        "BufferingHints": buffering,
        "CompressionFormat": "UNCOMPRESSED",
        "S3BackupMode": "Enabled",
        "S3BackupConfiguration": {
            "RoleARN": role_arn,
            "BucketARN": bucket,
            "Prefix": names.BACKUP_PREFIX + names.HOUR_PREFIX,
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
