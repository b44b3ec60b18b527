"""The endpoint answers real AWS clients, and nobody else."""

import os
import subprocess

import boto3
import pytest
import urllib3

from infra.home.environment import LEADS_ELSEWHERE, local_environment, use_local_home
from infra.home.resources import create_resources
from infra.local import server
from infra.settings import settings


def test_resources_exist_and_creating_them_again_changes_nothing(endpoint: str) -> None:
    city = settings()
    before = boto3.client("glue").get_table(DatabaseName="raw", Name="sensor_readings")["Table"]
    create_resources()
    assert boto3.client("glue").get_table(DatabaseName="raw", Name="sensor_readings")["Table"] == before
    buckets = {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}
    assert {city.raw_bucket, city.lake_bucket, city.results_bucket, city.docs_bucket} <= buckets
    databases = {database["Name"] for database in boto3.client("glue").get_databases()["DatabaseList"]}
    assert {"default", "raw", "reference", "curated", "marts"} <= databases
    described = boto3.client("firehose").describe_delivery_stream(DeliveryStreamName=city.delivery_stream)
    destination = described["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert destination["Prefix"] == "readings/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    assert destination["BufferingHints"] == {"IntervalInSeconds": 5, "SizeInMBs": 64}
    assert destination["S3BackupMode"] == "Enabled"
    assert destination["DataFormatConversionConfiguration"]["SchemaConfiguration"]["TableName"] == "sensor_readings"


@pytest.mark.parametrize(
    ("path", "headers", "allowed"),
    [
        ("/bucket/key", {"host": "127.0.0.1:4566"}, True),
        ("/", {"host": "localhost:4566"}, True),
        ("/", {"host": "bucket.s3.localhost:4566"}, True),
        ("/", {"host": "[::1]:4566", "origin": "http://localhost:8000"}, True),
        ("/_ministack/health", {"host": "127.0.0.1"}, True),
        ("/", {"host": "rebound.example:4566"}, False),
        ("/", {"host": "localhost.example"}, False),
        ("/", {}, False),
        ("/", {"host": "127.0.0.1:4566", "origin": "https://page.example"}, False),
        ("/", {"host": "127.0.0.1:4566", "sec-fetch-site": "cross-site"}, False),
        ("/", {"host": "127.0.0.1:4566", "sec-fetch-site": "same-origin"}, True),
        ("/_ministack/reset", {"host": "127.0.0.1:4566"}, False),
        ("/_ministack/config", {"host": "127.0.0.1:4566"}, False),
    ],
)
def test_only_this_machine_is_let_in(path: str, headers: dict[str, str], allowed: bool) -> None:
    assert (server.refusal(path, headers) is None) is allowed


def test_state_cannot_be_wiped_by_a_web_request(endpoint: str) -> None:
    assert urllib3.request("POST", f"{endpoint}/_ministack/reset").status == 403
    assert boto3.client("s3").list_buckets()["Buckets"]


def test_a_foreign_endpoint_is_refused_before_anything_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for url in ("https://glue.us-east-1.amazonaws.com", "http://127.0.0.1.example:4566", "http://10.0.0.1:4566"):
        with pytest.raises(ValueError, match="on this machine"):
            use_local_home(url)
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_the_users_own_aws_setup_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*LEADS_ELSEWHERE, *local_environment("http://127.0.0.1:1")):
        monkeypatch.setenv(name, "user")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.amazonaws.com")
    use_local_home("http://127.0.0.1:4566")
    left = {name for name in os.environ if os.environ[name] == "user" or name.startswith("AWS_ENDPOINT_URL_")}
    assert not left
    assert boto3.client("s3").meta.endpoint_url == "http://127.0.0.1:4566"


def test_nothing_listens_beyond_loopback(endpoint: str) -> None:
    for service, call in (("iot", "list_things"), ("lambda", "list_functions"), ("dynamodb", "list_tables")):
        getattr(boto3.client(service), call)()
    pid = urllib3.request("GET", f"{endpoint}{server.HEALTH_PATH}").json()["pid"]
    lines = subprocess.run(["ss", "-Hltunp"], capture_output=True, text=True, check=True).stdout.splitlines()
    listening = [line.split()[4] for line in lines if f"pid={pid}," in line]
    assert listening
    assert all(address.startswith("127.0.0.1:") for address in listening)
