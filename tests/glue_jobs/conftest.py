"""One Spark session for all tests of the jobs, on the real local endpoint; each test may start with empty tables."""

import io
from collections.abc import Callable, Iterator
from datetime import datetime

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from glue_jobs.curate_readings import Batch
from glue_jobs.session import spark_session
from infra.settings import settings
from ingestion.contract.arrow import landing_schema


@pytest.fixture(scope="session")
def spark(endpoint: str) -> Iterator[SparkSession]:
    assert endpoint
    # Frames of a few rows: compiling for speed would cost more than it gains.
    quick = {
        "spark.sql.shuffle.partitions": "1",
        "spark.default.parallelism": "1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.codegen.wholeStage": "false",
    }
    session = spark_session("tests", settings().lake_bucket, master="local[2]", settings=quick)
    yield session
    session.stop()


@pytest.fixture
def lake(spark: SparkSession) -> SparkSession:
    """A session on an empty lake: no curated or reference tables, nothing landed."""
    glue, s3 = boto3.client("glue"), boto3.client("s3")
    for database in ("curated", "reference"):
        for table in glue.get_tables(DatabaseName=database)["TableList"]:
            glue.delete_table(DatabaseName=database, Name=table["Name"])
    for bucket in (settings().raw_bucket, settings().lake_bucket):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=entry["Key"])
    return spark


@pytest.fixture
def land() -> Callable[..., str]:
    """Put rows into the landing layout as Firehose does: `land("2026-01-05T08:10:00", [{"sensor_id": "a", …}])`."""

    def put(arrival: str, rows: list[dict], unique: str = "a", schema: pa.Schema | None = None) -> str:
        moment = datetime.fromisoformat(arrival)
        name = f"{settings().delivery_stream}-1-{moment:%Y-%m-%d-%H-%M-%S}-{unique}.parquet"
        key = f"readings/dt={moment:%Y-%m-%d}/hour={moment:%H}/{name}"
        body = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema or landing_schema()), body)
        boto3.client("s3").put_object(Bucket=settings().raw_bucket, Key=key, Body=body.getvalue())
        return f"s3://{settings().raw_bucket}/{key}"

    return put


@pytest.fixture
def batch(lake: SparkSession) -> Callable[[str, str], Batch]:
    """The batch of an arrival range: `batch("2026-01-05T08", "2026-01-05T09")`."""

    def of(start: str, end: str) -> Batch:
        return Batch(lake, settings().raw_bucket, datetime.fromisoformat(start), datetime.fromisoformat(end))

    return of
