"""Roll the readings of the hours that changed up to 5-minute intervals per sensor.

Which hours, `curated.pending_hours` says; they are computed anew as a whole and replaced, so that repeating this after
a crash, or with late readings, ends in the same rows. The hours are tagged first: the steps that follow work on those
of the tag, whatever is added meanwhile.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession

from glue_jobs import stuck
from glue_jobs.arguments import job_arguments
from glue_jobs.hours import HOUR, within
from glue_jobs.rollup import sensor_5min
from glue_jobs.session import spark_session
from glue_jobs.tables import ensure_table, in_few_files, in_table_order, qualified, read_or_empty
from quality.touched_hours import taken_by

SENSOR_5MIN = "curated.sensor_5min"
REGISTRY = "reference.sensors"
PENDING = "curated.pending_hours"
SOURCES = ("curated.readings", PENDING)


# A failed run can be taken up again as long as that; then the maintenance drops its tag.
TAG_DAYS = 30


@dataclass(frozen=True)
class RollupCounts:
    """Hours computed anew and the intervals (sensor × 5 minutes) in them."""

    hours: int
    intervals: int


@dataclass(frozen=True)
class Rollup:
    """One run over the event hours that were pending when they were taken for it."""

    spark: SparkSession
    run: str

    @cached_property
    def hours(self) -> list[datetime]:
        """The event hours to compute."""
        if taken_by(self.run) not in _refs(self.spark):
            return []
        pending = self.spark.read.option("tag", taken_by(self.run)).table(qualified(PENDING)).where("kind = 'event'")
        return sorted(row.hour_start for row in pending.select("hour_start").distinct().collect())

    @property
    def readings(self) -> DataFrame:
        """The published readings of these hours."""
        return self.spark.table(qualified("curated.readings")).where(within("ts", self.hours))

    @property
    def with_look_back(self) -> DataFrame:
        """The published readings of these hours and of those in front that `stuck` looks back on."""
        back = range(stuck.LOOK_BACK // HOUR + 1)
        hours = {hour - n * HOUR for hour in self.hours for n in back}
        return self.spark.table(qualified("curated.readings")).where(within("ts", hours))


def create_tables(rollup: Rollup) -> None:
    """Create or widen the tables of this job."""
    for name in (SENSOR_5MIN, *SOURCES):
        ensure_table(rollup.spark, name)


def take_pending(rollup: Rollup) -> None:
    """Tag what is pending now; a table into which nothing was ever written has no snapshot to tag.

    Each run has a tag of its own, so that one which is taken up again later moves none from under another.
    """
    if "main" in _refs(rollup.spark):
        tag = f"`{taken_by(rollup.run)}` RETAIN {TAG_DAYS} DAYS"
        rollup.spark.sql(f"ALTER TABLE {qualified(PENDING)} CREATE OR REPLACE TAG {tag}")


def replace_hours(rollup: Rollup) -> None:
    """Compute the hours and put them in place of what the table holds of them."""
    if not rollup.hours:
        return
    spans = stuck.stuck_spans(rollup.with_look_back)
    # Where no registry was loaded yet, every sensor is unknown.
    intervals = sensor_5min(rollup.readings, spans, read_or_empty(rollup.spark, REGISTRY))
    rows = in_few_files(in_table_order(intervals, SENSOR_5MIN), "interval_start", len(rollup.hours))
    rows.writeTo(qualified(SENSOR_5MIN)).overwrite(within("interval_start", rollup.hours))


Step = Callable[[Rollup], None]
STEPS: tuple[Step, ...] = (create_tables, take_pending, replace_hours)


def run(spark: SparkSession, name: str) -> RollupCounts:
    """Roll up all pending event hours for the run of that name: letters, digits, - and _.

    Rows of `pending_hours` stay: the step that ends the run removes them.
    """
    rollup = Rollup(spark, name)
    for step in STEPS:
        step(rollup)
    written = spark.table(qualified(SENSOR_5MIN)).where(within("interval_start", rollup.hours))
    return RollupCounts(hours=len(rollup.hours), intervals=written.count())


def _refs(spark: SparkSession) -> set[str]:
    return {row.name for row in spark.table(f"{qualified(PENDING)}.refs").select("name").collect()}


def main(argv: list[str] | None = None) -> None:
    """Run the job with Glue's arguments and print its counts as JSON."""
    given = job_arguments(argv, ("lake_bucket", "run"), {})
    counts = run(spark_session("rollup_5min", given["lake_bucket"]), given["run"])
    sys.stdout.write(json.dumps(asdict(counts)) + "\n")


if __name__ == "__main__":
    main()
