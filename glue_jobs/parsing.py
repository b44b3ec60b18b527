"""From landed rows to readings, by the contract: each row gets its typed values, its flags and why it is refused.

Nothing is dropped here: one row in, one row out.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from glue_jobs import timestamps
from glue_jobs.landing import PLACE, SOURCE_ROW
from ingestion.contract.model import Column as ContractColumn
from ingestion.contract.model import Contract, load
from ingestion.contract.rules import KMH_PER_MPH, rejections, sample_flags
from ingestion.contract.spark import curated_schema, landing_schema
from ingestion.moments import PLAUSIBLE_S

PLACE_NAMES = [*PLACE.names, SOURCE_ROW.name]


def parse(landed: DataFrame, buffering_interval_s: int) -> DataFrame:
    """Return one row per landed row: curated columns, `original` and `reasons` (empty where it is valid).

    `landed` is a frame of `landing.read_readings`. `arrived_at` is received_at where that lies within an hour of the
    object's own time, else the last moment at which a delivery stream with this buffering took it. `original` is the
    JSON text of what was sent, null where the row is valid. A blank time or unit counts as not sent.
    """
    return _judged(_with_arrival(_with_values(landed), buffering_interval_s))


def valid(parsed: DataFrame) -> DataFrame:
    """Keep the rows that no reason refuses, as curated columns."""
    return parsed.where(F.size("reasons") == 0).drop("reasons", "original")


def _with_values(landed: DataFrame) -> DataFrame:
    """Give each contract column its value in the contract's unit; beside it what `rules.BESIDE` names."""
    contract = load("readings")
    speed, sent_ts = _as_sent(contract.column("speed_kmh")), _not_blank(_as_sent(contract.column("ts")))
    unit = F.lower(_not_blank(_as_sent(contract.column("speed_unit"))))
    values = {column.name: _as_sent(column) for column in contract.columns if not column.derived} | {
        "ts": timestamps.parsed(sent_ts),
        "received_at": timestamps.parsed(_as_sent(contract.column("received_at"))),
        "speed_unit": unit,
        "speed_kmh": F.when(unit == "mph", speed * KMH_PER_MPH).when(_is_allowed(contract, unit), speed),
    }
    return landed.select(
        *(value.alias(name) for name, value in values.items()),
        *PLACE_NAMES,
        sent_ts.alias("ts_sent"),
        timestamps.has_zone(sent_ts).alias("ts_zoned"),
        speed.alias("speed_sent"),
        F.struct(*landing_schema().names).alias("_landed"),
    )


def _with_arrival(valued: DataFrame, buffering_interval_s: int) -> DataFrame:
    """Add `arrived_at`, and let the time of arrival stand for a time that was not sent."""
    apart = F.abs(F.expr("timestampdiff(SECOND, object_time, received_at)"))
    timed = valued.withColumn("_received", F.when(apart <= PLAUSIBLE_S, F.col("received_at")))
    buffered = F.expr(f"timestampadd(SECOND, {int(buffering_interval_s)}, object_time)")
    # Rows of one object must differ in time, or all but one of a sensor's readings would be duplicates.
    in_object = F.expr("timestampadd(MICROSECOND, source_row, object_time)")
    arrival = F.when(F.col("ts_sent").isNull(), F.coalesce("_received", in_object)).otherwise(F.col("ts"))
    return timed.withColumns({"arrived_at": F.coalesce("_received", buffered), "ts": arrival})


def _judged(timed: DataFrame) -> DataFrame:
    """Turn the values into the curated columns, with flags and reasons."""
    contract = load("readings")
    flags = _names_of(sample_flags(contract))
    columns = [
        (flags if field.name == "quality_flags" else F.col(field.name).cast(field.dataType)).alias(field.name)
        for field in curated_schema()
    ]
    reasons = _names_of(rejections(contract))
    judged = timed.select(*columns, reasons.alias("reasons"), "_landed")
    original = F.when(F.size("reasons") > 0, F.to_json("_landed")).alias("original")
    return judged.select(*curated_schema().names, original, "reasons")


def _names_of(conditions: dict[str, str]) -> Column:
    return names_where({name: F.expr(condition) for name, condition in conditions.items()})


def _as_sent(column: ContractColumn) -> Column:
    """Return what was sent for a column, under whichever of its names."""
    return F.coalesce(*(F.col(name) for name in column.landing_names))


def _not_blank(text: Column) -> Column:
    return F.when(F.trim(text) != "", F.trim(text))


def _is_allowed(contract: Contract, unit: Column) -> Column:
    return unit.isNull() | unit.isin(*contract.column("speed_unit").enum)


def names_where(conditions: dict[str, Column]) -> Column:
    """Return the names whose condition holds, in order, as an array.

    By way of a text, because Spark interprets `array_compact` and all that is in it row by row.
    """
    names = F.concat_ws(",", *(F.when(condition, F.lit(name)) for name, condition in conditions.items()))
    return F.when(names == "", F.array().cast("array<string>")).otherwise(F.split(names, ","))
