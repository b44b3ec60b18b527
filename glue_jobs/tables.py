"""Iceberg tables of the contract: created, and widened when the contract gains a column."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField

from glue_jobs.session import CATALOG
from ingestion.contract.spark import partition_clause, table_schema

# A batch of more hours than this is shuffled by hour before it is written, and kept when it is read more than once.
FEW_HOURS = 8

PROPERTIES = {
    "format-version": "2",
    # Batches are shaped before they are written; Iceberg's own shuffle and sort would do that again.
    "write.distribution-mode": "none",
    "write.merge.distribution-mode": "none",
    "write.spark.fanout.enabled": "true",
    "write.delete.mode": "copy-on-write",
    "write.update.mode": "copy-on-write",
    "write.merge.mode": "copy-on-write",
}


def qualified(name: str) -> str:
    """Return `glue.<database>.<table>` of `<database>.<table>`."""
    return f"{CATALOG}.{name}"


def read_or_empty(spark: SparkSession, name: str, columns: str | None = None) -> DataFrame:
    """Return a table; without rows where nothing has made it yet. `columns` are for one that is not in the contract."""
    if spark.catalog.tableExists(qualified(name)):
        return spark.table(qualified(name))
    return spark.createDataFrame([], columns or table_schema(name))


def ensure_table(spark: SparkSession, name: str) -> None:
    """Create a table as its contract says, or add the columns that its contract has gained.

    Old rows are empty in a new column. Nothing is dropped or retyped: that is a migration, not a run.
    """
    fields = table_schema(name).fields
    if not spark.catalog.tableExists(qualified(name)):
        columns = ", ".join(_declaration(field) for field in fields)
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in PROPERTIES.items())
        spark.sql(
            f"CREATE TABLE IF NOT EXISTS {qualified(name)} ({columns}) USING iceberg "
            f"{partition_clause(name)} TBLPROPERTIES ({properties})"
        )
        return
    known = set(spark.table(qualified(name)).columns)
    missing = ", ".join(_declaration(field) for field in fields if field.name not in known)
    if missing:
        spark.sql(f"ALTER TABLE {qualified(name)} ADD COLUMNS ({missing})")


def _declaration(field: StructField) -> str:
    comment = field.metadata.get("comment", "").replace("\\", "\\\\").replace("'", "\\'")
    return f"`{field.name}` {field.dataType.simpleString()} COMMENT '{comment}'"


def in_table_order(frame: DataFrame, name: str) -> DataFrame:
    """Select a frame's columns in the stored order of a table (a gained column is last there)."""
    return frame.select(frame.sparkSession.table(qualified(name)).columns)


def in_few_files(frame: DataFrame, column: str, hours: int) -> DataFrame:
    """Gather a batch of many hours by hour: one file for each, instead of one for each hour and task.

    A batch of few hours stays as it is: there a shuffle would cost more than it saves.
    """
    return frame.repartition(F.date_trunc("hour", column)) if hours > FEW_HOURS else frame


def read_once(frame: DataFrame, hours: int) -> DataFrame:
    """Keep a batch of many hours in memory: it is many small files, which take longer to open than to read.

    A batch of few hours stays as it is: reading some of its columns again is cheaper than keeping all of them.
    """
    return frame.persist() if hours > FEW_HOURS else frame
