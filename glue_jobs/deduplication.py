"""Which arrival of a reading wins: one total order, made only of facts that `curated.readings` keeps.

A later arrival hour beats an earlier one, then a later object (by the time in its name, then its address), then a
later row. Within a batch and against the table it is the same order, so that the outcome does not depend on which
hours were processed together or first.

Few readings arrive twice. So the few keys that repeat are found first, on hashes, and only their rows are compared:
sorting all rows would cost more than everything else that curation does.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ingestion.contract.landing import NAME_TIME

KEY = ("sensor_id", "ts")
ROW = ("source_file", "source_row")
# Up to so many rows are sent to every task instead of shuffling the other side of a join.
FEW = 500_000


def repeated(keys: DataFrame) -> DataFrame:
    """Return the hashes (`key_hash`) of the keys that occur more than once; a collision adds one, which is harmless."""
    return keys.groupBy(_key_hash().alias("key_hash")).count().where(F.col("count") > 1).select("key_hash")


def superseded(keys: DataFrame, repeated_hashes: DataFrame) -> DataFrame:
    """Return the rows (source_file, source_row) of a batch that a later arrival of the same key supersedes.

    `keys` has the columns of `curated.landed_keys`, `repeated_hashes` is what `repeated` found in it.
    """
    candidates = keys.withColumn("key_hash", _key_hash()).join(repeated_hashes, on="key_hash", how="left_semi")
    place = F.row_number().over(Window.partitionBy(*KEY).orderBy(_arrival().desc()))
    return candidates.withColumn("_place", place).where(F.col("_place") > 1).select(*ROW)


def changes(batch: DataFrame, current: DataFrame) -> DataFrame:
    """Keep the rows of a batch (one per key) that are new, or later arrivals than the current reading of their key.

    Adds `superseded_hour`: the arrival hour of the reading that a row replaces, null where it is new.
    """
    known = current.select(*KEY, _arrival().alias("_current"), F.col("arrival_hour").alias("superseded_hour"))
    joined = batch.join(known, on=list(KEY), how="left")
    is_later = F.col("_current").isNull() | (_arrival() > F.col("_current"))
    return joined.where(is_later).drop("_current")


def sent_to_all(frame: DataFrame, rows: int) -> DataFrame:
    """Mark a side of a join as small where it has few rows."""
    return F.broadcast(frame) if rows <= FEW else frame


def _key_hash() -> Column:
    return F.xxhash64(*KEY)


def _arrival() -> Column:
    """Return the place of a row in the order of arrivals, as a comparable struct."""
    file, hour = F.col("source_file"), F.col("arrival_hour")
    named = F.regexp_extract(file, NAME_TIME, 1)
    name_time = F.when(named != "", named).otherwise(F.date_format(hour, "yyyy-MM-dd-HH-00-00"))
    return F.struct(hour, name_time, file, F.col("source_row"))
