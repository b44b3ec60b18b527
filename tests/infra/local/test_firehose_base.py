"""Each private part of the base that delivery patches: a test fails when the base no longer has it as we know it."""

import inspect
import subprocess
import sys

import boto3
import pytest


def base_module(tmp_path, code):
    """Run code in a process of its own, where the base has its settings, because the patches are for good."""
    script = (
        "import sys; from pathlib import Path; from infra.local import base; "
        "base.load(Path(sys.argv[1]), 1); from ministack.services import firehose, kinesis\n" + inspect.cleandoc(code)
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_ingest_from_kinesis_source_is_what_put_records_calls(tmp_path):
    base_module(
        tmp_path,
        """
        import inspect
        from infra.local import firehose_base
        firehose_base.patch()
        assert "_firehose.ingest_from_kinesis_source(" in inspect.getsource(kinesis._put_records)
        assert "_firehose.ingest_from_kinesis_source(" in inspect.getsource(kinesis._put_record)
        assert firehose.ingest_from_kinesis_source("arn", [("key", b"data")]) is None
        """,
    )


def test_deliver_records_to_s3_is_what_direct_puts_call(tmp_path):
    base_module(
        tmp_path,
        """
        import base64
        from infra.local import firehose_base
        puts = firehose_base.patch()
        config = {"BucketARN": "arn:aws:s3:::bucket"}
        firehose._create_delivery_stream({"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": config})
        record = {"Data": base64.b64encode(b"one").decode()}
        assert firehose._put_record({"DeliveryStreamName": "d", "Record": record})[0] == 200
        assert firehose._put_record_batch({"DeliveryStreamName": "d", "Records": [record, record]})[0] == 200
        assert [puts.get_nowait()[::2] for _ in range(3)] == [("d", b"one")] * 3
        assert puts.empty()
        assert firehose._streams["d"]["destinations"][0]["records"] == []
        """,
    )


def test_dest_description_is_what_describe_calls(tmp_path):
    base_module(
        tmp_path,
        """
        import json
        from infra.local import firehose_base
        firehose_base.patch()
        firehose_base.patch()
        backup = {"BucketARN": "arn:aws:s3:::backup", "CompressionFormat": "GZIP", "Prefix": "old/"}
        config = {"BucketARN": "arn:aws:s3:::bucket", "S3BackupMode": "Enabled", "S3BackupConfiguration": backup}
        firehose._create_delivery_stream({"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": config})
        stream = firehose._streams["d"]
        firehose._update_destination({
            "DeliveryStreamName": "d", "CurrentDeliveryStreamVersionId": "1",
            "DestinationId": stream["destinations"][0]["id"],
            "ExtendedS3DestinationUpdate": {"S3BackupUpdate": {"Prefix": "new/"}, "CustomTimeZone": "Asia/Tokyo"},
        })
        answer = json.loads(firehose._describe_delivery_stream({"DeliveryStreamName": "d"})[2])
        found = answer["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]
        assert found["CustomTimeZone"] == "Asia/Tokyo"
        described = found["S3BackupDescription"]
        assert {name: described[name] for name in backup} == {**backup, "Prefix": "new/"}
        """,
    )


@pytest.mark.parametrize("kind", ["AT_SEQUENCE_NUMBER", "AT_TIMESTAMP"])
def test_an_iterator_begins_with_the_record_that_it_names(endpoint, kind):
    """Not private, but what reading relies on to see that nothing was skipped."""
    kinesis = boto3.client("kinesis")
    name = f"iterator-{kind.lower().replace('_', '-')}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    for number in range(3):
        kinesis.put_record(StreamName=name, Data=b"%d" % number, PartitionKey="k")

    def read(**position):
        iterator = kinesis.get_shard_iterator(StreamName=name, ShardId="shardId-000000000000", **position)
        return kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]

    second = read(ShardIteratorType="TRIM_HORIZON")[1]
    position = {
        "AT_SEQUENCE_NUMBER": {"StartingSequenceNumber": second["SequenceNumber"]},
        "AT_TIMESTAMP": {"Timestamp": second["ApproximateArrivalTimestamp"]},
    }[kind]
    assert second in read(ShardIteratorType=kind, **position)
    if kind == "AT_SEQUENCE_NUMBER":
        assert [record["Data"] for record in read(ShardIteratorType=kind, **position)] == [b"1", b"2"]
