"""Readings to 5-minute intervals per sensor, by the formulas of the metrics definition.

Sums of fractions are exact (see `_exact_sum`): the same readings give the same figure to the last bit, however they
are spread over files and partitions.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from glue_jobs.parsing import names_where
from ingestion.contract.limits import LIMIT_VEH_H_LANE
from ingestion.contract.model import load
from ingestion.contract.spark import table_schema

INTERVAL_S = 300
_FRACTION = 2.0**50
_LARGEST = 1e12


def sensor_5min(readings: DataFrame, spans: DataFrame, registry: DataFrame) -> DataFrame:
    """Return one row per sensor and 5-minute interval with readings, in the columns of `curated.sensor_5min`.

    `readings` are of `curated.readings`, `spans` of `stuck.stuck_spans`, `registry` of `reference.sensors`. A sensor
    that the registry does not know at the start of an interval has no interval_s, samples_expected and flow.
    """
    known = _with_registry(with_stuck(_with_bucket(readings), spans), registry)
    return _measures(_summed(_usable(_with_flags(known))))


def _with_bucket(readings: DataFrame) -> DataFrame:
    return readings.select(
        *("sensor_id", "ts", "vehicle_count", "speed_kmh", "occupancy_pct", "quality_flags"),
        F.expr(f"unix_seconds(cast(ts AS timestamp)) div {INTERVAL_S}").alias("bucket"),
    )


def with_stuck(samples: DataFrame, spans: DataFrame) -> DataFrame:
    """Add `stuck`: whether a reading lies in one of `stuck.stuck_spans`.

    Spans of a sensor do not overlap, so no sample is doubled.
    """
    samples, spans = samples.alias("sample"), F.broadcast(spans).alias("span")
    inside = F.expr("sample.ts BETWEEN span.stuck_from AND span.stuck_to")
    of_sensor = F.expr("sample.sensor_id = span.sensor_id")
    joined = samples.join(spans, on=of_sensor & inside, how="left")
    return joined.select("sample.*", F.col("span.sensor_id").isNotNull().alias("stuck"))


def _with_registry(samples: DataFrame, registry: DataFrame) -> DataFrame:
    """Add `interval_s` and `lanes_covered` of the version that is valid at the start of the interval."""
    versions = registry.select(
        F.col("sensor_id").alias("registered_id"),
        "interval_s",
        F.when(F.col("lane").isNotNull(), 1).otherwise(F.coalesce("lanes", F.lit(1))).alias("lanes_covered"),
        F.expr("unix_micros(cast(valid_from AS timestamp))").alias("valid_from_us"),
        F.expr("coalesce(unix_micros(cast(valid_to AS timestamp)), 9223372036854775807)").alias("valid_to_us"),
    )
    start_us = F.col("bucket") * INTERVAL_S * 1_000_000
    is_valid = (F.col("valid_from_us") <= start_us) & (start_us < F.col("valid_to_us"))
    of_sensor = F.col("sensor_id") == F.col("registered_id")
    joined = samples.join(F.broadcast(versions), on=of_sensor & is_valid, how="left")
    return joined.drop("registered_id", "valid_from_us", "valid_to_us")


def _with_flags(samples: DataFrame) -> DataFrame:
    """Add `flags`, one bit per flag of the contract: bits are summed up per interval at no cost."""
    bits = flag_bits()
    flags = F.lit(0)
    for flag in load("readings").flags:
        if flag.scope == "sample":
            holds = F.array_contains("quality_flags", flag.name)
            flags = flags.bitwiseOR(F.when(holds, bits[flag.name]).otherwise(0))
    from_sample = F.when(F.size("quality_flags") > 0, flags).otherwise(0)
    limit = F.col("interval_s") * F.col("lanes_covered") * LIMIT_VEH_H_LANE
    too_many = F.when(F.col("vehicle_count").cast("long") * 3600 > limit, bits["count_above_physical_limit"])
    stuck = F.when(F.col("stuck"), bits["stuck"])
    of_series = F.coalesce(too_many, F.lit(0)).bitwiseOR(F.coalesce(stuck, F.lit(0)))
    return samples.withColumn("flags", from_sample.bitwiseOR(of_series)).drop("quality_flags", "stuck")


def _usable(samples: DataFrame) -> DataFrame:
    """Replace each measure by what the roll-up may use of it; `counted` keeps whether a count was sent."""
    return samples.select(
        *("sensor_id", "bucket", "interval_s", "flags"),
        F.col("vehicle_count").isNotNull().cast("int").alias("counted"),
        _unless_flagged("vehicle_count", "volume").alias("n"),
        _unless_flagged("speed_kmh", "speed").alias("v"),
        _unless_flagged("occupancy_pct", "occupancy").alias("occupancy"),
    )


def _summed(usable: DataFrame) -> DataFrame:
    n, v = F.col("n"), F.col("v")
    moved = (n > 0) & (v > 0)
    return usable.groupBy("sensor_id", "bucket", "interval_s").agg(
        F.sum(F.when(n.isNotNull() | v.isNotNull(), 1).otherwise(0)).cast("int").alias("observed"),
        F.count("n").alias("counts"),
        F.sum("n").alias("volume"),
        F.max("counted").alias("counted"),
        F.sum(F.when(moved, n)).alias("moved"),
        _exact_sum(F.when(moved, n * 3600 / v)).alias("moved_s_per_km"),
        F.sum(F.when(v > 0, 1)).alias("speeds"),
        _exact_sum(F.when(v > 0, 3600 / v)).alias("s_per_km"),
        F.count("occupancy").alias("occupancies"),
        _exact_sum(F.col("occupancy")).alias("occupancy"),
        F.bit_or("flags").alias("flags"),
    )


def _measures(summed: DataFrame) -> DataFrame:
    space_mean = F.col("moved") * 3600 / F.col("moved_s_per_km")
    harmonic_mean = F.col("speeds") * 3600 / F.col("s_per_km")
    speed = F.when(F.col("moved") > 0, space_mean).when(F.col("counted") == 0, harmonic_mean)
    start = F.timestamp_seconds(F.col("bucket") * INTERVAL_S).cast("timestamp_ntz")
    flow = F.col("volume") * 3600 / (F.col("counts") * F.col("interval_s"))
    measures = {
        "interval_start": start,
        "samples_expected": F.round(INTERVAL_S / F.col("interval_s")),
        "samples_observed": F.col("observed"),
        "volume_veh": F.col("volume"),
        "flow_veh_h": flow,
        "speed_kmh": speed,
        "occupancy_pct": F.col("occupancy") / F.col("occupancies"),
        "quality_flags": _flag_names(F.col("flags")),
    }
    columns = [
        measures.get(field.name, F.col(field.name)).cast(field.dataType).alias(field.name)
        for field in table_schema("curated.sensor_5min")
    ]
    return summed.select(*columns)


def flag_bits() -> dict[str, int]:
    """Return the bit that stands for each flag of the contract."""
    return {name: 1 << position for position, name in enumerate(load("readings").flag_names)}


def _unless_flagged(column: str, measure: str) -> Column:
    """Return a measure of a sample, null where one of its flags keeps it out by the contract."""
    excluding = sum(flag_bits()[name] for name in load("readings").flags_excluding(measure))
    return F.when(F.col("flags").bitwiseAND(excluding) == 0, F.col(column))


def _flag_names(flags: Column) -> Column:
    """Return the names of the bits that are set, sorted."""
    return names_where({name: flags.bitwiseAND(bit) != 0 for name, bit in sorted(flag_bits().items())})


def _exact_sum(value: Column) -> Column:
    """Sum doubles without rounding by order: whole parts and fractions (in 2^-50) are added as integers.

    What no road can give (a vehicle that takes 1e12 s for a kilometre) is cut, so that the integers hold the sum.
    """
    held = F.when(value > _LARGEST, F.lit(_LARGEST)).otherwise(value)
    whole = F.floor(held)
    fraction = F.rint((held - whole) * _FRACTION).cast("long")
    return F.sum(whole) + F.sum(fraction) / _FRACTION
