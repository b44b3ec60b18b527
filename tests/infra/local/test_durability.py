"""What was answered survives `kill -9`: catalog, objects, definitions and records under way."""

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException

from infra.local import kinesis, persistence

KEY = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
WRITERS = 3


def _catalog(url: str) -> Any:
    own = {"glue.endpoint": url, "glue.region": "us-east-1", "s3.endpoint": url, "s3.region": "us-east-1"}
    keys = {"glue.access-key-id": "x", "glue.secret-access-key": "x", "s3.access-key-id": "x"}
    # A client that gives up soon: its endpoint will be gone.
    once = {"glue.max-retries": 1, "s3.connect-timeout": 2, "s3.request-timeout": 10}
    return load_catalog("glue", type="glue", **own, **keys, **once, **{"s3.secret-access-key": "x"})


def _append(url: str, writer: int, acknowledged: list[int], enough: threading.Event, ended: threading.Event) -> None:
    table = _catalog(url).load_table("db.t")
    number = 0
    while not ended.is_set():
        value = writer * 1_000_000 + number
        try:
            table.refresh()
            table.append(pa.table({"n": pa.array([value], pa.int64())}))
        except CommitFailedException:
            continue  # another writer was faster
        except (BotoCoreError, ClientError, OSError):
            if ended.wait(0.2):
                return
            continue
        acknowledged.append(value)
        number += 1
        if len(acknowledged) >= 12:
            enough.set()


@pytest.mark.slow
def test_no_acknowledged_commit_is_lost_when_the_endpoint_is_killed_among_concurrent_commits(
    run_endpoint: Any, tmp_path: Path
) -> None:
    acknowledged: list[int] = []
    enough, ended = threading.Event(), threading.Event()
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        boto3.client("s3", endpoint_url=url, **KEY).create_bucket(Bucket="lake-x")
        boto3.client("glue", endpoint_url=url, **KEY).create_database(
            DatabaseInput={"Name": "db", "LocationUri": "s3://lake-x/db/"}
        )
        _catalog(url).create_table("db.t", pa.schema([("n", pa.int64())]), location="s3://lake-x/db/t")
        arguments = [(url, writer, acknowledged, enough, ended) for writer in range(WRITERS)]
        writers = [threading.Thread(target=_append, args=each, daemon=True) for each in arguments]
        for writer in writers:
            writer.start()
        assert enough.wait(120)
        process.send_signal(signal.SIGKILL)
        process.wait()
        ended.set()
        for writer in writers:
            writer.join(60)
    with run_endpoint(tmp_path, "--no-athena") as (url, _):
        rows = _catalog(url).load_table("db.t").scan().to_arrow()["n"].to_pylist()
        assert len(rows) == len(set(rows))
        assert set(acknowledged) <= set(rows)
        # One commit per writer may have been under way, done but not answered.
        assert len(rows) <= len(acknowledged) + WRITERS
        table = _catalog(url).load_table("db.t")
        table.append(pa.table({"n": pa.array([-1], pa.int64())}))
        assert -1 in _catalog(url).load_table("db.t").scan().to_arrow()["n"].to_pylist()


@pytest.mark.slow
def test_definitions_and_records_survive_a_kill(run_endpoint: Any, tmp_path: Path) -> None:
    def client(url: str, service: str) -> Any:
        return boto3.client(service, endpoint_url=url, **KEY)

    def records(url: str) -> list[tuple[str, bytes]]:
        own = client(url, "kinesis")
        found = []
        for shard in own.list_shards(StreamName="s")["Shards"]:
            iterator = own.get_shard_iterator(
                StreamName="s", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            found += own.get_records(ShardIterator=iterator)["Records"]
        return sorted((record["SequenceNumber"], record["Data"]) for record in found)

    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        client(url, "kinesis").create_stream(StreamName="s", ShardCount=2)
        client(url, "iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        client(url, "dynamodb").create_table(
            TableName="state",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client(url, "dynamodb").put_item(TableName="state", Item={"k": {"S": "v"}})
        client(url, "s3").create_bucket(Bucket="bucket-x")
        client(url, "s3").put_object(Bucket="bucket-x", Key="a/b.txt", Body=b"body", Metadata={"m": "1"})
        client(url, "s3").put_object(Bucket="bucket-x", Key="gone", Body=b"")
        client(url, "s3").delete_object(Bucket="bucket-x", Key="gone")
        put = client(url, "kinesis").put_records(
            StreamName="s", Records=[{"Data": f"{n}".encode(), "PartitionKey": str(n)} for n in range(20)]
        )
        assert put["FailedRecordCount"] == 0
        client(url, "kinesis").put_record(StreamName="s", Data=b"\x00\xff", PartitionKey="last")
        before = records(url)
        assert len(before) == 21
        process.kill()
        process.wait()
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        assert records(url) == before
        assert client(url, "iam").get_role(RoleName="r")
        assert client(url, "dynamodb").get_item(TableName="state", Key={"k": {"S": "v"}})["Item"] == {"k": {"S": "v"}}
        found = client(url, "s3").get_object(Bucket="bucket-x", Key="a/b.txt")
        assert (found["Body"].read(), found["Metadata"]) == (b"body", {"m": "1"})
        assert [entry["Key"] for entry in client(url, "s3").list_objects_v2(Bucket="bucket-x")["Contents"]] == [
            "a/b.txt"
        ]
        client(url, "kinesis").put_record(StreamName="s", Data=b"after", PartitionKey="k")
        before = records(url)
        process.kill()
        process.wait()
    # A second kill, and an end in good order: nothing comes twice.
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        assert records(url) == before
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        assert records(url) == before
        client(url, "kinesis").delete_stream(StreamName="s")
        client(url, "kinesis").create_stream(StreamName="s", ShardCount=2)
        process.kill()
        process.wait()
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        assert records(url) == []


def test_an_object_half_overwritten_by_a_kill_can_be_read(run_endpoint: Any, tmp_path: Path) -> None:
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        s3 = boto3.client("s3", endpoint_url=url, **KEY)
        s3.create_bucket(Bucket="bucket-x")
        s3.put_object(Bucket="bucket-x", Key="a/whole", Body=b"whole", Metadata={"m": "1"})
        s3.put_object(Bucket="bucket-x", Key="a/half", Body=b"former", ContentType="text/plain")
        process.kill()
        process.wait()
    (data,) = (tmp_path / "objects").rglob("half")
    data.write_bytes(b"new bytes")
    with run_endpoint(tmp_path, "--no-athena") as (url, _):
        s3 = boto3.client("s3", endpoint_url=url, **KEY)
        half = s3.get_object(Bucket="bucket-x", Key="a/half")
        assert (half["Body"].read(), half["ContentLength"], half["ContentType"]) == (b"new bytes", 9, "text/plain")
        whole = s3.get_object(Bucket="bucket-x", Key="a/whole")
        assert (whole["Body"].read(), whole["Metadata"]) == (b"whole", {"m": "1"})


def test_a_journal_cut_short_gives_back_what_is_whole(tmp_path: Path) -> None:
    def entry(number: int) -> bytes:
        record = {"ShardId": "shard-0", "SequenceNumber": f"{number:030}", "Data": "eA==", "PartitionKey": "k"}
        return json.dumps({"stream": "arn", "records": [record]}).encode() + b"\n"

    saved = [{"SequenceNumber": f"{1:030}"}]
    streams = {"arn": {"shards": {"shard-0": {"records": saved}}}}
    (tmp_path / "journal").write_bytes(entry(1) + entry(2) + entry(3)[:-20])
    assert kinesis.restore(streams, tmp_path / "journal") == 1
    assert [record["SequenceNumber"] for record in saved] == [f"{number:030}" for number in (1, 2)]
    assert kinesis.restore(streams, tmp_path / "none") == 0


def test_definitions_that_are_made_at_once_are_all_made(endpoint: str) -> None:
    def make(writer: int) -> int:
        # Of a session of its own: sessions are not shared by threads. Not repeated: each call must do.
        once = Config(retries={"total_max_attempts": 1})
        session = boto3.session.Session()
        sqs, sns = (session.client(service, config=once) for service in ("sqs", "sns"))
        for number in range(40):
            queue = sqs.create_queue(QueueName=f"at-once-{writer}-{number}")["QueueUrl"]
            sns.create_topic(Name=f"at-once-{writer}-{number}")
            sqs.send_message(QueueUrl=queue, MessageBody="message")
        return number

    with ThreadPoolExecutor(6) as writers:
        assert list(writers.map(make, range(6))) == [39] * 6


@pytest.mark.parametrize(
    ("service", "method", "path", "name", "changes"),
    [
        ("glue", "POST", "/", "UpdateTable", True),
        ("glue", "POST", "/", "BatchGetPartition", False),
        ("s3", "PUT", "/bucket", "", True),
        ("s3", "PUT", "/bucket/key", "", False),
        ("s3", "GET", "/bucket", "", False),
        ("kinesis", "POST", "/", "PutRecords", False),
        ("kinesis", "POST", "/", "CreateStream", True),
        ("iam", "POST", "/", "CreateRole", True),
        ("iam", "POST", "/", "ListRoles", False),
        ("sqs", "POST", "/", "CreateQueue", True),
        ("sqs", "POST", "/", "SendMessage", False),
        ("sqs", "POST", "/", "ReceiveMessage", False),
        ("lambda", "POST", "/2015-03-31/functions", "", True),
        ("lambda", "PUT", "/2015-03-31/functions/f/code", "", True),
        ("lambda", "DELETE", "/2015-03-31/event-source-mappings/u", "", True),
        ("lambda", "GET", "/2015-03-31/functions/f", "", False),
        ("lambda", "POST", "/2015-03-31/functions/f/invocations", "", False),
    ],
)
def test_only_calls_that_change_definitions_save(
    service: str, method: str, path: str, name: str, changes: bool
) -> None:
    assert persistence.changes(service, method, path, name) is changes


@pytest.mark.parametrize(
    ("headers", "body", "query", "name"),
    [
        ({"x-amz-target": "AWSGlue.GetTable"}, b"{}", {}, "GetTable"),
        ({}, b"Action=CreateRole&Version=2010-05-08", {}, "CreateRole"),
        ({}, b"Version=2010-05-08&Action=CreateRole", {}, "CreateRole"),
        ({}, b"", {"Action": ["GetCallerIdentity"]}, "GetCallerIdentity"),
        ({}, b"", {}, ""),
    ],
)
def test_the_call_is_named_in_both_protocols(
    headers: dict[str, str], body: bytes, query: dict[str, list[str]], name: str
) -> None:
    assert persistence.action(headers, body, query) == name
