"""Sensors that repeat themselves: spans of time in which a sensor sent the same non-zero reading for too long.

A run is a row of readings of one sensor with the same count, speed and occupancy (one of them not zero), each at most
10 minutes after the one before. A reading is stuck when its run, as known up to that reading, has lasted an hour and
10 readings. So a reading's flag depends on nothing later and on nothing older than `LOOK_BACK`: with two hours in
front, a run that began earlier is past both limits already. Whatever hours are computed together, and in whatever
order, each reading gets the same flag; a change in one hour reaches at most the next `LOOK_AHEAD`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from glue_jobs.hours import HOUR

LASTS_S = 3600
READINGS = 10
LONGEST_GAP_S = 600
LOOK_BACK = timedelta(hours=2)
LOOK_AHEAD = timedelta(hours=2)

_MEASURES = ("vehicle_count", "speed_kmh", "occupancy_pct")
_HALF_HOUR_S = 1800


def reach(hours: Iterable[datetime]) -> list[datetime]:
    """Return the hours whose flags depend on readings of these hours: themselves and those of `LOOK_AHEAD`."""
    return sorted({hour + n * HOUR for hour in hours for n in range(LOOK_AHEAD // HOUR + 1)})


def stuck_spans(samples: DataFrame) -> DataFrame:
    """Return one row per span of stuck readings: sensor_id, stuck_from, stuck_to (both included).

    `samples` has sensor_id, ts and the three measures, and reaches `LOOK_BACK` in front of what is asked.
    """
    timed = samples.select("sensor_id", "ts", *_MEASURES, F.unix_seconds(F.col("ts").cast("timestamp")).alias("_s"))
    return _spans(timed.join(F.broadcast(_suspects(timed)), on="sensor_id", how="left_semi"))


def _suspects(timed: DataFrame) -> DataFrame:
    """Return the sensors worth a closer look: a run of an hour fills a whole half hour of the clock.

    Few do, and grouping is cheap where sorting all readings is not.
    """
    bounds = [bound(F.coalesce(F.col(name), F.lit(-1.0))) for name in _MEASURES for bound in (F.min, F.max)]
    names = [f"_{name}_{end}" for name in _MEASURES for end in ("low", "high")]
    halves = timed.groupBy("sensor_id", F.expr(f"_s div {_HALF_HOUR_S}").alias("_half")).agg(
        F.count("*").alias("_readings"), *(bound.alias(name) for bound, name in zip(bounds, names, strict=True))
    )
    steady = [F.col(f"_{name}_low") == F.col(f"_{name}_high") for name in _MEASURES]
    moving = [F.col(f"_{name}_high") > 0 for name in _MEASURES]
    repeated = halves.where(steady[0] & steady[1] & steady[2]).where(moving[0] | moving[1] | moving[2])
    return repeated.where(F.col("_readings") > 1).select("sensor_id").distinct()


def _spans(timed: DataFrame) -> DataFrame:
    in_order = Window.partitionBy("sensor_id").orderBy("ts")
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    begun = timed.withColumn("_begins", _begins(in_order)).withColumn("_run", F.sum("_begins").over(so_far))
    in_run = Window.partitionBy("sensor_id", "_run").orderBy("ts").rowsBetween(Window.unboundedPreceding, 0)
    known = begun.select("*", F.min("_s").over(in_run).alias("_since"), F.count("*").over(in_run).alias("_readings"))
    lasted = (F.col("_s") - F.col("_since") >= LASTS_S) & (F.col("_readings") >= READINGS)
    moving = [F.coalesce(F.col(name) > 0, F.lit(False)) for name in _MEASURES]
    stuck = known.where(lasted).where(moving[0] | moving[1] | moving[2])
    span = stuck.groupBy("sensor_id", "_run").agg(F.min("ts").alias("stuck_from"), F.max("ts").alias("stuck_to"))
    return span.select("sensor_id", "stuck_from", "stuck_to")


def _begins(in_order: Window) -> Column:
    """Return 1 where a reading differs from the one before or comes too long after it, else 0."""
    same = F.lit(True)
    for name in _MEASURES:
        same = same & F.col(name).eqNullSafe(F.lag(name).over(in_order))
    soon = F.col("_s") - F.lag("_s").over(in_order) <= LONGEST_GAP_S
    return F.when(same & soon, 0).otherwise(1)
