"""Readings land as the contract and the local home say, and their delivery may write nowhere else."""

import pytest
from aws_cdk import aws_kms as kms

from infra.aws.ingest.landing import Delivery, LandingTables
from infra.aws.ingest.streams import Streams
from infra.home.resources import delivery_to_s3
from ingestion.contract.glue import raw_table_inputs
from tests.infra.aws.templates import allowed, of_type


@pytest.fixture(scope="module")
def landing(resources_of, stage):
    def make(stack):
        streams, tables = Streams(stack, "Streams", stage=stage), LandingTables(stack, "Tables", stage=stage)
        Delivery(stack, "Delivery", stage=stage, streams=streams, tables=tables, raw_key=kms.Key(stack, "RawKey"))

    return resources_of(make)


@pytest.fixture(scope="module")
def delivery(landing):
    (found,) = of_type(landing, "AWS::KinesisFirehose::DeliveryStream")
    return found


def test_the_tables_are_those_of_the_contract(landing, stage):
    tables = [each["Properties"] for each in of_type(landing, "AWS::Glue::Table")]
    assert {table["DatabaseName"] for table in tables} == {"raw"}
    by_name = {table["TableInput"]["Name"]: table["TableInput"] for table in tables}
    city = stage.city
    assert by_name == {each["Name"]: each for each in raw_table_inputs(city.raw_bucket, city.landing_since)}


def test_the_delivery_is_that_of_the_local_home_with_a_log_of_errors(delivery, stage):
    found = delivery["Properties"]["ExtendedS3DestinationConfiguration"]
    logs = [part.pop("CloudWatchLoggingOptions") for part in (found, found["S3BackupConfiguration"])]
    assert [(log["Enabled"], log["LogStreamName"]) for log in logs] == [(True, "delivery"), (True, "backup")]
    assert found == delivery_to_s3(stage.city, found["RoleARN"], stage.city.region)


def test_the_delivery_waits_for_its_role_s_permissions_and_its_table(landing, delivery):
    kinds = {landing[name]["Type"] for name in delivery["DependsOn"]}
    assert {"AWS::IAM::Policy", "AWS::Glue::Table"} <= kinds


def test_the_delivery_writes_only_to_its_prefixes(landing, stage):
    bucket = f"arn:aws:s3:::{stage.city.raw_bucket}"
    granted = allowed(landing, "Delivery")
    assert granted["s3:PutObject"] == {f"{bucket}/{prefix}/*" for prefix in ("readings", "errors", "backup")}
    assert granted["s3:ListBucket"] == {bucket}
    assert "s3:DeleteObject" not in granted


def test_the_delivery_only_reads_the_stream_and_the_catalog(landing):
    actions = set(allowed(landing, "Delivery"))
    assert not {"kinesis:PutRecord", "kinesis:PutRecords", "glue:UpdateTable", "glue:CreateTable"} & actions
    assert allowed(landing, "Delivery")["glue:GetTable"] == {
        f"arn:aws:glue:us-east-1:<AWS::AccountId>:{each}"
        for each in ("catalog", "database/raw", "table/raw/sensor_readings")
    }


def test_firehose_takes_on_the_role_for_this_account_only(landing):
    (trust,) = (
        each["Properties"]["AssumeRolePolicyDocument"]["Statement"][0] for each in of_type(landing, "AWS::IAM::Role")
    )
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "AWS::AccountId"}}}


def test_its_log_is_kept_as_long_as_the_stage_says(landing):
    (group,) = of_type(landing, "AWS::Logs::LogGroup")
    assert group["Properties"]["RetentionInDays"] == 7
