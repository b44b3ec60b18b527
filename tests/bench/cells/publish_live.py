"""The local landing path: JSON documents to Kinesis, through Firehose, to Parquet."""

import time
from pathlib import Path
from typing import Any

_WITHIN_S = 300.0


def run(documents: str) -> dict[str, Any]:
    """Publish a file of JSON lines and wait until all of them have landed.

    Returns seconds until everything was sent and until everything had landed, and a digest of the landed rows.
    """
    import boto3  # noqa: PLC0415 — importing is not measured
    import duckdb  # noqa: PLC0415

    from infra.home.resources import create_resources  # noqa: PLC0415
    from infra.settings import READINGS_PREFIX, settings  # noqa: PLC0415
    from ingestion.publish.kinesis import publish  # noqa: PLC0415

    create_resources()
    bucket = settings().raw_bucket
    s3 = boto3.client("s3")
    before = set(_keys(s3, bucket, READINGS_PREFIX))
    lines = Path(documents).read_bytes().splitlines()
    began = time.perf_counter()
    sent = publish(lines, settings().stream, bucket)
    published = time.perf_counter()
    landed, rows, folder = set(), 0, Path(documents).with_suffix(".landed")
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    while rows < sent.sent and time.perf_counter() - began < _WITHIN_S:
        new = set(_keys(s3, bucket, READINGS_PREFIX)) - before - landed
        at = time.perf_counter()
        for number, key in enumerate(sorted(new), len(landed)):
            s3.download_file(bucket, key, str(folder / f"{number}.parquet"))
        landed |= new
        rows = duckdb.execute(f"SELECT count(*) FROM '{folder}/*.parquet'").fetchall()[0][0] if landed else 0
        time.sleep(0 if new else 0.05)
    if rows != len(lines) or sent.failed:
        raise RuntimeError(f"{len(lines)} documents: {sent.sent} sent, {sent.failed} failed, {rows} landed")
    return {
        "seconds": {"send": published - began, "land": at - began},
        "digest": digest(str(folder / "*.parquet")),
        "objects": len(landed),
    }


def digest(files: str) -> list[Any]:
    """Return count and order-free sums of landed rows in Parquet files."""
    import duckdb  # noqa: PLC0415

    query = """
        SELECT count(*), sum(vehicle_count)::BIGINT, sum(round(avg_speed * 10))::BIGINT,
            (sum(hash(sensor_id, "timestamp", received_at)) % 1000000007)::BIGINT"""
    return list(duckdb.execute(f"{query} FROM read_parquet('{files}', hive_partitioning = false)").fetchall()[0])


def _keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]
