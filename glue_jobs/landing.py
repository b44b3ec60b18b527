"""What landed: objects of an arrival hour, listed by name, and the frames that read exactly those."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import boto3
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType, TimestampNTZType

from ingestion.contract.glue import LANDING
from ingestion.contract.spark import landing_schema

PREFIXES = {
    "readings": LANDING["raw.sensor_readings"][0],
    "errors": LANDING["raw.delivery_errors"][0],
    "sent": LANDING["raw.sent_batches"][0],
}
NAME_TIME = r"-(\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2})-[^/]*$"
_PARTITION = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/hour=(\d{2})/")
_NAME_TIME = re.compile(NAME_TIME)
_NAME_TIME_FORMAT = "%Y-%m-%d-%H-%M-%S"

# What every landed row carries besides its payload: where it lies and when that object began.
PLACE = StructType(
    [
        StructField("source_file", StringType()),
        StructField("arrival_hour", TimestampNTZType()),
        StructField("object_time", TimestampNTZType()),
    ]
)
SOURCE_ROW = StructField("source_row", LongType())


@dataclass(frozen=True, kw_only=True)
class LandingObject:
    """One object of the raw bucket; `name_time` is the arrival of its oldest record (UTC, whole seconds)."""

    path: str
    kind: str
    etag: str
    arrival_hour: datetime
    name_time: str

    @property
    def object_time(self) -> datetime:
        """Return `name_time` as a time."""
        return datetime.strptime(self.name_time, _NAME_TIME_FORMAT)


def list_objects(raw_bucket: str, hours: Iterable[datetime]) -> list[LandingObject]:
    """Return the objects of some arrival hours, in the order of their addresses."""
    wanted = set(hours)
    paginator = boto3.client("s3").get_paginator("list_objects_v2")
    found = []
    for kind, prefix in PREFIXES.items():
        for day in sorted({hour.date() for hour in wanted}):
            for page in paginator.paginate(Bucket=raw_bucket, Prefix=f"{prefix}dt={day.isoformat()}/"):
                found += [_landing_object(raw_bucket, kind, entry) for entry in page.get("Contents", [])]
    kept = (each for each in found if each is not None and each.arrival_hour in wanted)
    return sorted(kept, key=lambda each: each.path)


def _landing_object(bucket: str, kind: str, entry: dict) -> LandingObject | None:
    """Return a listed key as an object; None for what is empty or lies outside the hours' folders."""
    partition = _PARTITION.search(entry["Key"])
    if partition is None or not entry["Size"]:
        return None
    day, hour = partition.groups()
    name_time = _NAME_TIME.search(entry["Key"])
    return LandingObject(
        path=f"s3://{bucket}/{entry['Key']}",
        kind=kind,
        etag=entry["ETag"].strip('"'),
        arrival_hour=datetime.fromisoformat(f"{day}T{hour}:00:00"),
        name_time=name_time.group(1) if name_time else f"{day}-{hour}-00-00",
    )


def read_readings(spark: SparkSession, objects: Sequence[LandingObject]) -> DataFrame:
    """Read landing Parquet: the contract's landing columns (null where an object lacks one), PLACE, SOURCE_ROW."""
    if not objects:
        return spark.createDataFrame([], StructType([*landing_schema(), *PLACE, SOURCE_ROW]))
    # A column that one writer had no value for may have any type there, but never by this contract's writers.
    landed = spark.read.schema(landing_schema()).parquet(*(each.path for each in objects))
    with_place = landed.select("*", F.col("_metadata.file_path").alias("source_file"), "_metadata.row_index")
    return _placed(with_place.withColumnRenamed("row_index", "source_row"), objects)


def read_delivery_errors(spark: SparkSession, objects: Sequence[LandingObject]) -> DataFrame:
    """Read error objects line by line: `line`, PLACE and SOURCE_ROW (the line's number from 0)."""
    if not objects:
        return spark.createDataFrame([], StructType([StructField("line", StringType()), *PLACE, SOURCE_ROW]))
    texts = spark.read.text([each.path for each in objects], wholetext=True)
    lines = texts.select(
        F.col("_metadata.file_path").alias("source_file"),
        F.posexplode(F.split("value", "\r?\n")).alias("source_row", "line"),
    ).where(F.trim("line") != "")
    return _placed(lines.withColumn("source_row", F.col("source_row").cast("long")), objects)


def _placed(frame: DataFrame, objects: Sequence[LandingObject]) -> DataFrame:
    """Join what the objects' names say."""
    rows = [(each.path, each.arrival_hour, each.object_time) for each in objects]
    places = frame.sparkSession.createDataFrame(rows, PLACE)
    return frame.join(F.broadcast(places), on="source_file", how="inner")
