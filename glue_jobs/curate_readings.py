"""Curate the readings of some arrival hours: validate, deduplicate, merge, audit on a branch, publish.

A run is a function of its arrival hours alone, in steps that can each be repeated: whatever was done before, in
whatever order, and wherever an earlier run was killed, running these hours again ends in the same tables.
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from glue_jobs import deduplication, landing, rejections, stuck
from glue_jobs.arguments import hours_between, job_arguments, utc_hour
from glue_jobs.hours import distinct_hours, timestamp, within
from glue_jobs.parsing import parse, valid
from glue_jobs.session import CATALOG, spark_session
from glue_jobs.tables import ensure_table, in_few_files, in_table_order, qualified, read_once
from ingestion.contract.spark import table_schema
from quality.results import ValidationResult
from quality.touched_hours import merge_hours

READINGS = "curated.readings"
REJECTED = "curated.rejected_readings"
LANDED_KEYS = "curated.landed_keys"
PENDING = "curated.pending_hours"
PROCESSED = "curated.processed_objects"
TABLES = (READINGS, REJECTED, LANDED_KEYS, PENDING, PROCESSED)
_BRANCH_HOUR = "%Y%m%dT%H"
_AUDIT_BRANCH = re.compile(r"audit_(\d{8}T\d{2})_(\d{8}T\d{2})")


@dataclass(frozen=True)
class CurateCounts:
    """What became of the rows of a batch: `landed = curated + duplicates + rejected`.

    `conversion_errors` are records that never landed as rows; they are in `rejected_readings` too. `expectations`
    were held against `audited_rows`, the rows of the touched hours; both are 0 where no hour was touched.
    """

    landed: int
    curated: int
    duplicates: int
    rejected: int
    conversion_errors: int
    expectations: int = field(default=0, compare=False)
    audited_rows: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Batch:
    """The arrival hours `[start, end)` (naive UTC) of one run and how to read them."""

    spark: SparkSession
    raw_bucket: str
    start: datetime
    end: datetime
    buffering_interval_s: int = 300
    docs_bucket: str = ""
    # What the audit found, for the counts.
    validations: list[ValidationResult] = field(default_factory=list)

    @cached_property
    def objects(self) -> list[landing.LandingObject]:
        """The landing objects of these hours, listed once: what lands later is for the next run."""
        return landing.list_objects(self.raw_bucket, hours_between(self.start, self.end))

    @cached_property
    def parsed(self) -> DataFrame:
        """All landed rows of these hours, as `parsing.parse` gives them; kept, because three steps need them."""
        landed = landing.read_readings(self.spark, self._of_kind("readings"))
        return parse(landed, self.buffering_interval_s).persist()

    @cached_property
    def unconverted(self) -> DataFrame:
        """Records of these hours that did not convert, in the columns of `curated.rejected_readings`."""
        return rejections.unconverted(landing.read_delivery_errors(self.spark, self._of_kind("errors")))

    @property
    def branch(self) -> str:
        """Name of the audit branch of these hours."""
        return f"audit_{self.start:{_BRANCH_HOUR}}_{self.end:{_BRANCH_HOUR}}"

    def covers(self, branch: str) -> bool:
        """Tell whether a branch is the audit branch of these hours or of some of them."""
        hours = _AUDIT_BRANCH.fullmatch(branch)
        if hours is None:
            return False
        start, end = (datetime.strptime(hour, _BRANCH_HOUR) for hour in hours.groups())
        return self.start <= start and end <= self.end

    def arrived(self, table: str = "") -> str:
        """Return the SQL condition on `arrival_hour` that holds for rows of this batch."""
        hour = f"{table}.arrival_hour" if table else "arrival_hour"
        return f"{hour} >= {timestamp(self.start)} AND {hour} < {timestamp(self.end)}"

    @property
    def keys(self) -> DataFrame:
        """The valid rows of the batch as `keep_landed_keys` kept them: reading them is cheaper than parsing."""
        return self.spark.table(qualified(LANDED_KEYS)).where(self.arrived())

    @cached_property
    def touched_hours(self) -> list[datetime]:
        """The event hours of the valid rows."""
        return distinct_hours(self.keys, "ts")

    @cached_property
    def populated_hours(self) -> list[datetime]:
        """The touched hours that had published readings before this run, from the table's metadata."""
        if not self.touched_hours:
            return []
        files = self.spark.table(f"{qualified(READINGS)}.files")
        hour = F.timestamp_seconds(F.col("partition.ts_hour").cast("long") * 3600).cast("timestamp_ntz").alias("hour")
        return distinct_hours(files.select(hour).where(within("hour", self.touched_hours)), "hour")

    @cached_property
    def winners(self) -> DataFrame:
        """The last arrival of each reading of the batch."""
        # Checkpoints, because Spark plans a cached frame anew whenever a table behind it is written.
        repeated = deduplication.repeated(self.keys).localCheckpoint()
        count = repeated.count()
        if not count:
            return valid(self.parsed)
        superseded = deduplication.superseded(self.keys, deduplication.sent_to_all(repeated, count)).localCheckpoint()
        losers = deduplication.sent_to_all(superseded, superseded.count())
        return valid(self.parsed).join(losers, on=list(deduplication.ROW), how="left_anti")

    @cached_property
    def changes(self) -> DataFrame:
        """What changes in hours that had readings, with `superseded_hour`; kept, because two steps need it."""
        keys = self.keys.where(within("ts", self.populated_hours)).select(*deduplication.KEY)
        published = self.spark.table(qualified(READINGS)).where(within("ts", self.populated_hours))
        met = published.join(deduplication.sent_to_all(keys, keys.count()), on=list(deduplication.KEY), how="left_semi")
        late = self.winners.where(within("ts", self.populated_hours))
        return deduplication.changes(late, met).localCheckpoint()

    def _of_kind(self, kind: str) -> list[landing.LandingObject]:
        return [each for each in self.objects if each.kind == kind]


Step = Callable[[Batch], None]


def create_tables(batch: Batch) -> None:
    """Create or widen the tables of this job."""
    for name in TABLES:
        ensure_table(batch.spark, name)


def keep_rejected(batch: Batch) -> None:
    """Keep what is refused; rows of an object never change, so one that is there stays as it is."""
    refused = rejections.refused(batch.parsed).unionByName(batch.unconverted)
    refused.createOrReplaceTempView("refused")
    batch.spark.sql(f"""
        MERGE INTO {qualified(REJECTED)} AS kept USING refused AS new
        ON kept.source_file = new.source_file AND kept.source_row = new.source_row
            AND {batch.arrived("kept")}
        WHEN NOT MATCHED THEN INSERT *""")


def keep_landed_keys(batch: Batch) -> None:
    """Write the key of every valid landed row, in place of what these arrival hours held."""
    keys = valid(batch.parsed).select(table_schema(LANDED_KEYS).names)
    arrivals = {each.arrival_hour for each in batch.objects}
    in_few_files(keys, "arrival_hour", len(arrivals)).writeTo(qualified(LANDED_KEYS)).overwrite(F.expr(batch.arrived()))


def announce(batch: Batch) -> None:
    """Note the hours that this batch will change before it does, so that a crash cannot hide them."""
    arrivals = {each.arrival_hour for each in batch.objects}
    if batch.populated_hours:
        arrivals |= set(distinct_hours(batch.changes.where(F.col("superseded_hour").isNotNull()), "superseded_hour"))
    events = stuck.reach(batch.touched_hours)
    hours = [("event", hour) for hour in events] + [("arrival", hour) for hour in sorted(arrivals)]
    if hours:
        pending = batch.spark.createDataFrame(hours, table_schema(PENDING))
        pending.coalesce(1).writeTo(qualified(PENDING)).append()


def branch_off(batch: Batch) -> None:
    """Start the audit branch at what is published; a branch that a failed run left is replaced."""
    # CREATE OR REPLACE would refuse to replace a branch of a table in which nothing was ever published.
    batch.spark.sql(f"ALTER TABLE {qualified(READINGS)} DROP BRANCH IF EXISTS {batch.branch}")
    batch.spark.sql(f"ALTER TABLE {qualified(READINGS)} CREATE BRANCH {batch.branch}")


def merge(batch: Batch) -> None:
    """Write the batch's readings to the audit branch: append what is new, replace what arrived earlier."""
    target = f"{qualified(READINGS)}.branch_{batch.branch}"
    # Hours that had no readings have nothing to be compared with.
    new = batch.winners.where(~within("ts", batch.populated_hours))
    if batch.populated_hours:
        added = batch.changes.where(F.col("superseded_hour").isNull())
        new = new.unionByName(added.drop("superseded_hour"))
    in_few_files(in_table_order(new, READINGS), "ts", len(batch.touched_hours)).writeTo(target).append()
    if batch.populated_hours:
        _replace(batch, target)


def audit(batch: Batch) -> None:
    """Hold the touched hours of the branch against the contract.

    Raises quality.results.ExpectationsFailedError; the branch then stays for inspection and main is as before.
    """
    from quality.curated import validate  # Great Expectations takes seconds to import  # noqa: PLC0415

    batch.parsed.unpersist()  # its last use was to be merged
    if batch.touched_hours:
        # In the contract's order: in the table a column that the contract gained later is last.
        touched = _on_branch(batch).where(within("ts", batch.touched_hours)).select(table_schema(READINGS).names)
        audited = read_once(touched, len(batch.touched_hours))
        try:
            batch.validations.append(validate(audited, batch.docs_bucket or None))
        finally:
            audited.unpersist()


def publish(batch: Batch) -> None:
    """Make the audited branch what analysts see, and drop its name and those that killed runs of these hours left."""
    batch.spark.sql(f"CALL {CATALOG}.system.fast_forward('{READINGS}', 'main', '{batch.branch}')").collect()
    names = batch.spark.table(f"{qualified(READINGS)}.refs").select("name").collect()
    for branch in (row.name for row in names if batch.covers(row.name)):
        batch.spark.sql(f"ALTER TABLE {qualified(READINGS)} DROP BRANCH IF EXISTS {branch}")


def note_processed(batch: Batch) -> None:
    """Remember which objects were curated: an hour with others is processed again."""
    if not batch.objects:
        return
    rows = [(each.path, each.kind, each.arrival_hour, each.etag) for each in batch.objects]
    batch.spark.createDataFrame(rows, table_schema(PROCESSED)).coalesce(1).createOrReplaceTempView("processed")
    batch.spark.sql(f"""
        MERGE INTO {qualified(PROCESSED)} AS known USING processed AS new ON known.object_path = new.object_path
        WHEN MATCHED AND known.etag <> new.etag THEN UPDATE SET *
        WHEN NOT MATCHED THEN INSERT *""")


STEPS: tuple[Step, ...] = (
    create_tables,
    keep_rejected,
    keep_landed_keys,
    announce,
    branch_off,
    merge,
    audit,
    publish,
    note_processed,
)


def run(batch: Batch) -> CurateCounts:
    """Run all steps on a batch and return its counts.

    Raises quality.results.ExpectationsFailedError when the audit fails.
    """
    for step in STEPS:
        step(batch)
    return counts(batch)


def counts(batch: Batch) -> CurateCounts:
    """Count a curated batch, each term in its own table."""
    spark = batch.spark
    in_batch = F.expr(batch.arrived())
    kinds = spark.table(qualified(REJECTED)).where(in_batch).groupBy("source_kind").count()
    refused = {row["source_kind"]: row["count"] for row in kinds.collect()}
    accepted = spark.table(qualified(LANDED_KEYS)).where(in_batch).count()
    published = spark.table(qualified(READINGS)).where(within("ts", batch.touched_hours)).where(in_batch).count()
    return CurateCounts(
        landed=accepted + refused.get("landing", 0),
        curated=published,
        duplicates=accepted - published,
        rejected=refused.get("landing", 0),
        conversion_errors=refused.get("delivery_error", 0),
        expectations=sum(len(result.outcomes) for result in batch.validations),
        audited_rows=sum(result.rows for result in batch.validations),
    )


def _replace(batch: Batch, target: str) -> None:
    """Replace readings by later arrivals; the hours in the condition keep the files of all others as they are."""
    replaced = batch.changes.where(F.col("superseded_hour").isNotNull()).drop("superseded_hour")
    hours = " OR ".join(
        f"(old.ts >= {timestamp(start)} AND old.ts < {timestamp(end)})"
        for start, end in merge_hours(distinct_hours(replaced, "ts"))
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
    optional = {"buffering_interval_s": "300", "docs_bucket": ""}
    given = job_arguments(argv, ("from", "to", "raw_bucket", "lake_bucket"), optional)
    batch = Batch(
        spark=spark_session("curate_readings", given["lake_bucket"]),
        raw_bucket=given["raw_bucket"],
        start=utc_hour(given["from"]),
        end=utc_hour(given["to"]),
        buffering_interval_s=int(given["buffering_interval_s"]),
        docs_bucket=given["docs_bucket"],
    )
    sys.stdout.write(json.dumps(asdict(run(batch))) + "\n")


if __name__ == "__main__":
    main()
