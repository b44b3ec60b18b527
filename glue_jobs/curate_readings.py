"""Curate the readings of some arrival hours: validate, deduplicate, merge, audit on a branch, publish.

A run is a function of its arrival hours alone, in steps that can each be repeated: whatever was done before, in
whatever order, and wherever an earlier run was killed, running these hours again ends in the same tables.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from glue_jobs import deduplication, landing, rejections
from glue_jobs.arguments import hours_between, job_arguments, utc_hour
from glue_jobs.hours import distinct_hours, hour_ranges, timestamp, within
from glue_jobs.parsing import parse, valid
from glue_jobs.session import CATALOG, spark_session
from glue_jobs.tables import ensure_table, in_table_order, qualified
from ingestion.contract.spark import table_schema

READINGS = "curated.readings"
REJECTED = "curated.rejected_readings"
LANDED_KEYS = "curated.landed_keys"
PENDING = "curated.pending_hours"
PROCESSED = "curated.processed_objects"
TABLES = (READINGS, REJECTED, LANDED_KEYS, PENDING, PROCESSED)


@dataclass(frozen=True)
class CurateCounts:
    """What became of the rows of a batch: `landed = curated + duplicates + rejected`.

    `conversion_errors` are records that never landed as rows; they are in `rejected_readings` too.
    """

    landed: int
    curated: int
    duplicates: int
    rejected: int
    conversion_errors: int


@dataclass(frozen=True)
class Batch:
    """The arrival hours `[start, end)` (naive UTC) of one run and how to read them."""

    spark: SparkSession
    raw_bucket: str
    start: datetime
    end: datetime
    buffering_interval_s: int = 300

    @cached_property
    def objects(self) -> list[landing.LandingObject]:
        """The landing objects of these hours, listed once: what lands later is for the next run."""
        return landing.list_objects(self.raw_bucket, hours_between(self.start, self.end))

    @cached_property
    def parsed(self) -> DataFrame:
        """All landed rows of these hours, as `parsing.parse` gives them."""
        return parse(landing.read_readings(self.spark, self._of_kind("readings")), self.buffering_interval_s)

    @cached_property
    def unconverted(self) -> DataFrame:
        """Records of these hours that did not convert, in the columns of `curated.rejected_readings`."""
        return rejections.unconverted(landing.read_delivery_errors(self.spark, self._of_kind("errors")))

    @property
    def branch(self) -> str:
        """Name of the audit branch of these hours."""
        return f"audit_{self.start:%Y%m%dT%H}_{self.end:%Y%m%dT%H}"

    def arrived(self, table: str = "") -> str:
        """Return the SQL condition on `arrival_hour` that holds for rows of this batch."""
        hour = f"{table}.arrival_hour" if table else "arrival_hour"
        return f"{hour} >= {timestamp(self.start)} AND {hour} < {timestamp(self.end)}"

    @cached_property
    def _replace(batch: Batch, target: str) -> None:
    """Replace readings by later arrivals; the hours in the condition keep the files of all others as they are."""
    replaced = batch.changes.where(F.col("superseded_hour").isNotNull()).drop("superseded_hour")
    hours = " OR ".join(
        f"(old.ts >= {timestamp(start)} AND old.ts < {timestamp(end)})"
        for start, end in hour_ranges(distinct_hours(replaced, "ts"))
    )
    if not hours:
        return
    replaced.createOrReplaceTempView("replaced")
    batch.spark.sql(f"""
        MERGE INTO {target} AS old USING replaced AS new
        ON old.sensor_id = new.sensor_id AND old.ts = new.ts AND ({hours})
        WHEN MATCHED THEN UPDATE SET *""")


def _on_branch(batch: Batch) -> DataFrame:
    return batch.spark.read.option("branch", batch.branch).table(qualified(READINGS))


def main(argv: list[str] | None = None) -> None:
    """Run the job with Glue's arguments and print its counts as JSON."""
    given = job_arguments(argv, ("from", "to", "raw_bucket", "lake_bucket"), {"buffering_interval_s": "300"})
    batch = Batch(
        spark=spark_session("curate_readings", given["lake_bucket"]),
        raw_bucket=given["raw_bucket"],
        start=utc_hour(given["from"]),
        end=utc_hour(given["to"]),
        buffering_interval_s=int(given["buffering_interval_s"]),
    )
    sys.stdout.write(json.dumps(asdict(run(batch))) + "\n")


if __name__ == "__main__":
    main()
