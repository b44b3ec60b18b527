"""Keep Iceberg tables small and quick: compact files, expire snapshots, drop audit branches that nobody came for.

What a query returns is the same before and after; only time travel ends earlier, at the retention that is given.
"""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from glue_jobs.arguments import ArgumentError, job_arguments
from glue_jobs.hours import timestamp
from glue_jobs.session import CATALOG, spark_session
from glue_jobs.tables import qualified

DEFAULTS = {
    "databases": "curated,reference,marts",
    "min_input_files": "5",
    "snapshot_days": "7",
    "snapshots_kept": "1",
    "audit_branch_days": "14",
}


@dataclass(frozen=True)
class Retention:
    """How much is kept: snapshots of the last days (and never fewer than `snapshots_kept`), failed audits' branches.

    Files are compacted where at least `min_input_files` small ones share a partition.
    """

    min_input_files: int = 5
    snapshot_days: int = 7
    snapshots_kept: int = 1
    audit_branch_days: int = 14


@dataclass(frozen=True)
class MaintenanceCounts:
    """What was done to one table."""

    table: str
    files_compacted: int
    files_written: int
    branches_dropped: int
    files_deleted: int


def run(
    spark: SparkSession, databases: list[str], retention: Retention, *, now: datetime | None = None
) -> list[MaintenanceCounts]:
    """Maintain every Iceberg table of some databases. `now` is naive UTC, the time that days are counted back from."""
    moment = now or datetime.now(UTC).replace(tzinfo=None)
    return [
        _maintain(spark, f"{database}.{table}", retention, moment)
        for database in databases
        for table in sorted(row.tableName for row in spark.sql(f"SHOW TABLES IN {CATALOG}.{database}").collect())
    ]


def _maintain(spark: SparkSession, table: str, retention: Retention, now: datetime) -> MaintenanceCounts:
    # Branches first: a branch keeps its snapshots from expiring.
    dropped = drop_audit_branches(spark, table, now - timedelta(days=retention.audit_branch_days))
    compacted = spark.sql(
        f"CALL {CATALOG}.system.rewrite_data_files(table => '{table}', "
        f"options => map('min-input-files', '{retention.min_input_files}'))"
    ).first()
    before = timestamp(now - timedelta(days=retention.snapshot_days)).replace("TIMESTAMP_NTZ", "TIMESTAMP")
    expired = spark.sql(
        f"CALL {CATALOG}.system.expire_snapshots(table => '{table}', older_than => {before}, "
        f"retain_last => {retention.snapshots_kept})"
    ).first()
    return MaintenanceCounts(
        table=table,
        files_compacted=compacted.rewritten_data_files_count,
        files_written=compacted.added_data_files_count,
        branches_dropped=len(dropped),
        files_deleted=expired.deleted_data_files_count,
    )


def drop_audit_branches(spark: SparkSession, table: str, before: datetime) -> list[str]:
    """Drop the audit branches whose last commit lies before a time; return their names."""
    snapshots = spark.table(f"{qualified(table)}.snapshots").select("snapshot_id", "committed_at")
    branches = spark.table(f"{qualified(table)}.refs").where(F.col("name").startswith("audit_"))
    old = branches.join(snapshots, on="snapshot_id", how="inner").where(
        F.expr(f"cast(committed_at AS timestamp_ntz) < {timestamp(before)}")
    )
    names = sorted(row.name for row in old.select("name").collect())
    for name in names:
        spark.sql(f"ALTER TABLE {qualified(table)} DROP BRANCH IF EXISTS {name}")
    return names


def main(argv: list[str] | None = None) -> None:
    """Run the job with Glue's arguments and print one line of JSON per table."""
    given = job_arguments(argv, ("lake_bucket",), DEFAULTS)
    try:
        numbers = {name: int(given[name]) for name in DEFAULTS if name != "databases"}
    except ValueError as error:
        raise ArgumentError(f"retention must be whole numbers: {error}") from error
    databases = [name.strip() for name in given["databases"].split(",") if name.strip()]
    spark = spark_session("maintain_tables", given["lake_bucket"])
    for counts in run(spark, databases, Retention(**numbers)):
        sys.stdout.write(json.dumps(asdict(counts)) + "\n")


if __name__ == "__main__":
    main()
