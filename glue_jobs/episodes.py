"""Episodes of congestion out of history: the alerts that the state machine gives of the same readings.

Definitions: metrics, "Alerts" and "congestion_index". A segment's readings are folded in Python, the one place of the
jobs where that is right: it must be the very function that raises alerts from the stream, not one that resembles it.
"""

from collections.abc import Callable, Iterable
from dataclasses import astuple
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from glue_jobs.rollup import INTERVAL_S, with_stuck
from ingestion.alerts.congestion_index import congestion_index, reading_capacity_veh
from ingestion.alerts.episodes import Episode, episodes
from ingestion.alerts.machine import Reading, advance, changes, new_state, open_alert, update
from ingestion.alerts.thresholds import Thresholds
from ingestion.contract.limits import LIMIT_VEH_H_LANE

if TYPE_CHECKING:
    import pandas as pd

_EPISODE = (
    "segment_id STRING, level STRING, started_us BIGINT, escalated_us BIGINT, cleared_us BIGINT, "
    "worst_congestion_index DOUBLE"
)
_FOREVER_US = 9223372036854775807


def sensor_versions(sensors: DataFrame, segments: DataFrame) -> DataFrame:
    """Return what the registry says of a sensor while nothing about it or its segment changes.

    `sensors` and `segments` are of `reference`. One row per sensor_id and valid_from_us (until valid_to_us), with
    segment_id, interval_s, lanes_covered, speed_limit_kmh and capacity_veh: what the sensor can count in one reporting
    interval. As in the mart int_segment__registered, lanes are as many as have a sensor where the registry says less,
    and a sensor without a lane stands for a part of the road of its own.
    """
    sensors = _valid(sensors).withColumn("lane_key", F.coalesce(F.col("lane").cast("string"), "sensor_id"))
    segments = _valid(segments)
    periods = _periods(sensors, segments)
    at_start = (F.col("from_us") >= F.col("valid_from_us")) & (F.col("from_us") < F.col("valid_to_us"))
    of_sensor = periods.join(sensors.drop("lanes", "speed_limit_kmh", "capacity_veh_h"), on="segment_id")
    of_sensor = of_sensor.where(at_start).drop("valid_from_us", "valid_to_us")
    lanes = of_sensor.groupBy("segment_id", "from_us").agg(
        F.countDistinct("lane_key").alias("lanes_with_sensor"), F.bool_or(F.col("lane").isNull()).alias("is_whole_road")
    )
    attributes = ("segment_id", "lanes", "speed_limit_kmh", "capacity_veh_h", "valid_from_us", "valid_to_us")
    known = of_sensor.join(lanes, on=["segment_id", "from_us"]).join(segments.select(*attributes), on="segment_id")
    in_table = F.greatest(F.coalesce("lanes", F.lit(0)), "lanes_with_sensor")
    lanes_expected = F.when(F.col("is_whole_road"), F.col("lanes_with_sensor")).otherwise(in_table)
    return known.where(at_start).select(
        *("sensor_id", "segment_id", "interval_s", "speed_limit_kmh", "lanes_covered"),
        # arithmetic alone, so the function takes columns as it takes numbers
        reading_capacity_veh(F.col("capacity_veh_h"), F.col("interval_s"), F.lit(1), lanes_expected).alias(
            "capacity_veh"
        ),
        F.col("from_us").alias("valid_from_us"),
        F.col("to_us").alias("valid_to_us"),
    )


def measured(readings: DataFrame, spans: DataFrame, versions: DataFrame, estimated: DataFrame) -> DataFrame:
    """Return what the congestion index of each reading needs; without readings of sensors that no version knows.

    `readings` are of `curated.readings`, `spans` of `stuck.stuck_spans`, `versions` of `sensor_versions`, `estimated`
    has segment_id and free_flow_kmh of the segments without a speed limit. `flags` are those of the reading and the
    two that only the series and the registry can tell. The version at the time of the reading holds.
    """
    versions = F.broadcast(versions.withColumnRenamed("sensor_id", "registered_id"))
    ts_us = _micros("ts")
    is_valid = (F.col("valid_from_us") <= ts_us) & (ts_us < F.col("valid_to_us"))
    known = with_stuck(readings, spans).join(versions, on=(F.col("sensor_id") == F.col("registered_id")) & is_valid)
    known = known.join(F.broadcast(estimated.select("segment_id", "free_flow_kmh")), on="segment_id", how="left")
    limit = F.col("interval_s") * F.col("lanes_covered") * LIMIT_VEH_H_LANE
    too_many = F.col("vehicle_count").cast("long") * 3600 > limit
    return known.select(
        *("segment_id", "sensor_id", ts_us.alias("ts_us"), "speed_kmh", "vehicle_count"),
        F.concat("quality_flags", _flag_where(too_many, "count_above_physical_limit"), _flag_where("stuck", "stuck"))
        .alias("flags"),
        F.coalesce("speed_limit_kmh", "free_flow_kmh").alias("free_flow_kmh"),
        "capacity_veh",
    )  # fmt: skip


def found_episodes(readings: DataFrame, thresholds: Thresholds, until: datetime) -> DataFrame:
    """Return one row per segment and start: segment_id, level, times (UTC) and worst_congestion_index.

    `readings` are of `measured`. What is not cleared by `until` (naive UTC) is open: its cleared_at is empty.
    """
    until_us = micros(until)
    found = readings.groupBy("segment_id").applyInPandas(_in_pandas(thresholds, until_us), _EPISODE)
    times = [_time(name).alias(name.replace("_us", "_at")) for name in ("started_us", "escalated_us", "cleared_us")]
    return found.select("segment_id", "level", *times, "worst_congestion_index")


def fold(segment_id: str, readings: Iterable[Reading], thresholds: Thresholds, until_us: int) -> list[Episode]:
    """Return the episodes of one segment: its readings in order of time, as the stream would bring them at best."""
    state, told = new_state(), []
    for reading in sorted(readings, key=lambda reading: (reading.ts_us, reading.sensor_id)):
        state, outputs = update(state, reading, thresholds)
        told += changes(outputs)
    state, outputs = advance(state, until_us, thresholds)
    return episodes(segment_id, told + changes(outputs), open_alert(state))


def with_zone(found: DataFrame, segments: DataFrame) -> DataFrame:
    """Add the zone_id that the segment had when the episode started."""
    zones = _valid(segments).select(F.col("segment_id").alias("of_id"), "zone_id", "valid_from_us", "valid_to_us")
    started_us = _micros("started_at")
    is_valid = (F.col("valid_from_us") <= started_us) & (started_us < F.col("valid_to_us"))
    joined = found.join(F.broadcast(zones), on=(F.col("segment_id") == F.col("of_id")) & is_valid, how="left")
    return joined.drop("of_id", "valid_from_us", "valid_to_us")


def delays(intervals: DataFrame, estimated: DataFrame) -> DataFrame:
    """Return segment_id, interval_start and delay_veh_h of 5-minute intervals, as int_segment__5min_congestion does.

    `intervals` are of the mart int_segment__5min: metrics, delay_veh_h = max(0, vht - vkt / free_flow), zero where
    nobody drove. That view of Athena's cannot be read by Spark, the table that it reads can.
    """
    free_flow_kmh = F.coalesce("speed_limit_kmh", "free_flow_kmh")
    lost_h = F.col("vht") - F.col("vkt") / free_flow_kmh
    # Unlike SQL's in the mart, Spark's greatest() passes over what is null.
    delay = F.when(F.col("vkt") == 0, 0.0).when(lost_h.isNotNull(), F.greatest(F.lit(0.0), lost_h))
    known = intervals.join(F.broadcast(estimated.select("segment_id", "free_flow_kmh")), on="segment_id", how="left")
    return known.select("segment_id", "interval_start", delay.alias("delay_veh_h"))


def with_delay(found: DataFrame, of_intervals: DataFrame, until: datetime) -> DataFrame:
    """Add delay_veh_h, the sum over the 5-minute intervals that an episode overlaps; an open one lasts to `until`.

    `of_intervals` are of `delays`. Null where no interval has a delay.
    """
    of_intervals = of_intervals.withColumnRenamed("segment_id", "of_id")
    start_us, ended_us = _micros("interval_start"), F.coalesce(_micros("cleared_at"), F.lit(micros(until)))
    overlaps = (start_us < ended_us) & (start_us + INTERVAL_S * 1_000_000 > _micros("started_at"))
    joined = found.join(of_intervals, on=(F.col("segment_id") == F.col("of_id")) & overlaps, how="left")
    # Added in one order, so that a repeat gives the same figure to the last bit.
    in_order = F.array_sort(F.collect_list("delay_veh_h"))
    total = F.aggregate(in_order, F.lit(0.0), lambda so_far, delay: so_far + delay)
    return joined.groupBy(*found.columns).agg(F.when(F.count("delay_veh_h") > 0, total).alias("delay_veh_h"))


def micros(moment: datetime) -> int:
    """Return microseconds since 1970 of a naive UTC time."""
    since = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _in_pandas(thresholds: Thresholds, until_us: int) -> Callable[[tuple[str], "pd.DataFrame"], "pd.DataFrame"]:
    def of_segment(key: tuple[str], frame: "pd.DataFrame") -> "pd.DataFrame":
        import pandas as pd  # only Spark's workers need it  # noqa: PLC0415

        found = fold(key[0], _readings(frame), thresholds, until_us)
        names = ["segment_id", "level", "started_us", "escalated_us", "cleared_us", "worst_congestion_index"]
        # Objects: pandas would make fractions of times among which one is missing.
        return pd.DataFrame([astuple(episode) for episode in found], columns=names, dtype=object)

    return of_segment


def _readings(frame: "pd.DataFrame") -> Iterable[Reading]:
    names = ("sensor_id", "ts_us", "speed_kmh", "vehicle_count", "flags", "free_flow_kmh", "capacity_veh")
    for sensor_id, ts_us, speed, count, flags, free_flow, capacity in zip(
        *(frame[name].tolist() for name in names), strict=True
    ):
        vehicle_count = None if count != count else int(count)  # noqa: PLR0124 — pandas' missing value
        index = congestion_index(
            speed_kmh=_known(speed),
            vehicle_count=vehicle_count,
            quality_flags=list(flags),
            free_flow_kmh=_known(free_flow),
            capacity_veh=_known(capacity),
        )
        # Readings come in order here, so their arrival says nothing.
        yield Reading(sensor_id, ts_us, ts_us, index, vehicle_count)


def _known(number: float) -> float | None:
    return None if number != number else number  # noqa: PLR0124 — pandas' missing value


def _valid(versions: DataFrame) -> DataFrame:
    """Replace the times of validity by microseconds, and give a sensor the number of lanes that it covers."""
    valid = versions.withColumns(
        {
            "valid_from_us": _micros("valid_from"),
            "valid_to_us": F.coalesce(_micros("valid_to"), F.lit(_FOREVER_US)),
        }
    ).drop("valid_from", "valid_to")
    if "lane" not in versions.columns:
        return valid
    covered = F.when(F.col("lane").isNotNull(), 1).otherwise(F.coalesce("lanes", F.lit(1)))
    return valid.withColumn("lanes_covered", covered)


def _periods(sensors: DataFrame, segments: DataFrame) -> DataFrame:
    """Return the periods [from_us, to_us) of a segment in which neither it nor a sensor of it changes."""
    times = [frame.select("segment_id", F.col(name).alias("from_us"))
             for frame in (sensors, segments) for name in ("valid_from_us", "valid_to_us")]  # fmt: skip
    changed = times[0].union(times[1]).union(times[2]).union(times[3]).distinct()
    following = F.lead("from_us").over(Window.partitionBy("segment_id").orderBy("from_us"))
    return changed.withColumn("to_us", following).where(F.col("to_us").isNotNull())


def _flag_where(condition: Column | str, name: str) -> Column:
    held = F.col(condition) if isinstance(condition, str) else condition
    return F.when(held, F.array(F.lit(name))).otherwise(F.array().cast("array<string>"))


def _micros(name: str) -> Column:
    return F.unix_micros(F.col(name).cast("timestamp"))


def _time(name: str) -> Column:
    return F.timestamp_micros(name).cast("timestamp_ntz")
