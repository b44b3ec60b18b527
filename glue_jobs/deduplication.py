"""Which arrival of a reading wins: one total order, made only of facts that `curated.readings` keeps.

A later arrival hour beats an earlier one, then a later object (by the time in its name, then its address), then a
later row. Within a batch `file_rank` stands for hour and object; against the table the same order is read off its
columns, so that the outcome does not depend on which hours were processed together or first.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from glue_jobs.landing import NAME_TIME

KEY = ("sensor_id", "ts")


def winners(readings: DataFrame) -> DataFrame:
    """Keep the last arrival of each (sensor_id, ts) of a batch; drops `file_rank`."""
    by_key = Window.partitionBy(*KEY).orderBy(F.desc("file_rank"), F.desc("source_row"))
    ranked = readings.withColumn("_place", F.row_number().over(by_key))
    return ranked.where(F.col("_place") == 1).drop("_place", "file_rank")


def changes(batch: DataFrame, current: DataFrame) -> DataFrame:
    """Keep the rows of a batch (one per key) that are new, or later arrivals than the current reading of their key.

    Adds `superseded_hour`: the arrival hour of the reading that a row replaces, null where it is new.
    """
    known = current.select(
        *KEY,
        _arrival().alias("_current"),
        F.col("arrival_hour").alias("superseded_hour"),
    )
    joined = batch.join(known, on=list(KEY), how="left")
    is_later = F.col("_current").isNull() | (_arrival() > F.col("_current"))
    return joined.where(is_later).drop("_current")


def _arrival() -> Column:
    """Return the place of a stored row in the order of arrivals, as a comparable struct."""
    file, hour = F.col("source_file"), F.col("arrival_hour")
    named = F.regexp_extract(file, NAME_TIME, 1)
    name_time = F.when(named != "", named).otherwise(F.date_format(hour, "yyyy-MM-dd-HH-00-00"))
    return F.struct(hour, name_time, file, F.col("source_row"))
