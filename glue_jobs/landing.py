"""What landed: objects of an arrival hour, listed by name, and the frames that read exactly those."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import boto3
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType, TimestampNTZType

from ingestion.contract.landing import PREFIXES, LandingObject, landing_object
from ingestion.contract.spark import landing_schema

# What every landed row carries besides its payload: where it lies and when that object began.
PLACE = StructType(
    [
        StructField("source_file", StringType()),
        StructField("arrival_hour", TimestampNTZType()),
        StructField("object_time", TimestampNTZType()),
    ]
)
SOURCE_ROW = StructField("source_row", LongType())


def list_objects(raw_bucket: str, hours: Iterable[datetime]) -> list[LandingObject]:
    """Return the objects of some arrival hours, in the order of their addresses."""
    wanted = set(hours)
    paginator = boto3.client("s3").get_paginator("list_objects_v2")
    found = []
    for kind, prefix in PREFIXES.items():
        for day in sorted({hour.date() for hour in wanted}):
            for page in paginator.paginate(Bucket=raw_bucket, Prefix=f"{prefix}dt={day.isoformat()}/"):
                found += [landing_object(raw_bucket, kind, entry) for entry in page.get("Contents", [])]
    kept = (each for each in found if each is not None and each.arrival_hour in wanted)
    return sorted(kept, key=lambda each: each.path)


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
