"""Find the episodes of congestion that started in a span of event time, by the state machine of the alerts.

A day in front of the span is read too, so that an episode that was under way at its start is not taken for a new one,
and a day after it, so that one that started in it is followed to its end. So a row is a function of the readings, and
repeating this gives equal rows. Repeat a span when its readings, or those of the day after it, have changed: a daily
run, which names no span, covers the two days (UTC) before the present one. What is not cleared a day after the span is
left open; and of an episode that began more than a day in front of it only the reach is seen, so that a rise above
`warning` in the span may count as a new one.
"""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from glue_jobs import stuck
from glue_jobs.arguments import ArgumentError, job_arguments, utc_time
from glue_jobs.episodes import delays, found_episodes, measured, sensor_versions, with_delay, with_zone
from glue_jobs.hours import timestamp
from glue_jobs.session import spark_session
from glue_jobs.tables import ensure_table, in_table_order, qualified, read_or_empty
from ingestion.alerts.machine import CRITICAL
from ingestion.alerts.thresholds import Thresholds
from ingestion.contract.spark import table_schema

EPISODES = "marts.congestion_episodes"
READINGS = "curated.readings"
SENSORS, SEGMENTS = "reference.sensors", "reference.segments"
FREE_FLOW, INTERVALS = "marts.int_segment__free_flow", "marts.int_segment__5min"
AROUND = timedelta(days=1)
LAST_DAYS = timedelta(days=2)
_BOUNDS = ("from", "to")
_LEVELS = ("warning", "critical", "clear")


@dataclass(frozen=True)
class Span:
    """Event time `[start, end)`, naive UTC; raises ArgumentError where it is empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse a span that holds no time."""
        if self.end <= self.start:
            raise ArgumentError(f"the span from {self.start} to {self.end} holds no time")

    @property
    def read_until(self) -> datetime:
        """The end of the readings that are folded."""
        return self.end + AROUND

    def read(self, column: str) -> str:
        """Return the SQL condition on times that are read."""
        return f"{column} >= {timestamp(self.start - AROUND)} AND {column} < {timestamp(self.read_until)}"

    def holds(self, column: str) -> str:
        """Return the SQL condition on times within the span."""
        return f"{column} >= {timestamp(self.start)} AND {column} < {timestamp(self.end)}"

    def days(self, column: str) -> str:
        """Return the SQL condition on the whole days (UTC) that the span touches: the partitions of the table."""
        last = self.end - timedelta(microseconds=1)
        first, after = (datetime(day.year, day.month, day.day) for day in (self.start, last + timedelta(days=1)))
        return f"{column} >= {timestamp(first)} AND {column} < {timestamp(after)}"


@dataclass(frozen=True)
class EpisodeCounts:
    """Episodes that started in the span: all, those that became CRITICAL, those that were not cleared."""

    episodes: int
    critical: int
    still_open: int


def run(spark: SparkSession, span: Span, thresholds: Thresholds) -> EpisodeCounts:
    """Put the episodes that started in the span in place of those that the table holds of it."""
    ensure_table(spark, EPISODES)
    table = spark.table(qualified(EPISODES))
    # Iceberg replaces whole partitions in one commit, so what they hold of other times is written again.
    kept = table.where(span.days("started_at")).where(f"NOT ({span.holds('started_at')})")
    rows = in_table_order(episodes_of(spark, span, thresholds), EPISODES).unionByName(kept)
    rows.repartition(1).writeTo(qualified(EPISODES)).overwrite(F.expr(span.days("started_at")))
    counts = spark.table(qualified(EPISODES)).where(span.holds("started_at")).agg(
        F.count("*"), F.count_if(F.col("level") == CRITICAL), F.count_if(F.col("cleared_at").isNull())
    )  # fmt: skip
    return EpisodeCounts(*counts.first())


def episodes_of(spark: SparkSession, span: Span, thresholds: Thresholds) -> DataFrame:
    """Return the episodes that started in the span, in the columns of the table; writes nothing.

    Where dbt has built no marts yet, no free-flow speed is estimated and delay_veh_h is empty.
    """
    readings = spark.table(qualified(READINGS)).where(span.read("ts"))
    segments = read_or_empty(spark, SEGMENTS)
    estimated = read_or_empty(spark, FREE_FLOW, "segment_id STRING, free_flow_kmh DOUBLE")
    versions = sensor_versions(read_or_empty(spark, SENSORS), segments)
    known = measured(readings, stuck.stuck_spans(readings), versions, estimated)
    found = found_episodes(known, thresholds, span.read_until).where(span.holds("started_at"))
    intervals = read_or_empty(
        spark,
        INTERVALS,
        "segment_id STRING, interval_start TIMESTAMP_NTZ, speed_limit_kmh DOUBLE, vkt DOUBLE, vht DOUBLE",
    ).where(span.read("interval_start"))
    rows = with_delay(with_zone(found, segments), delays(intervals, estimated), span.read_until)
    return rows.select(table_schema(EPISODES).names)


def span_of(given: dict[str, str], now: datetime) -> Span:
    """Return the span of the job's arguments, by default the last two whole days (UTC) before `now`.

    Raises ArgumentError where they cannot be used.
    """
    if not (given["from"] and given["to"]):
        if given["from"] or given["to"]:
            raise ArgumentError("give --from and --to together, or neither of them")
        today = datetime(now.year, now.month, now.day)
        return Span(today - LAST_DAYS, today)
    return Span(utc_time(given["from"]), utc_time(given["to"]))


def thresholds_of(given: dict[str, str]) -> Thresholds:
    """Return the thresholds of the job's arguments; raises ArgumentError where they cannot be used."""
    try:
        levels = {name: float(given[name]) for name in _LEVELS if given.get(name)}
        return Thresholds(**levels)
    except ValueError as error:
        raise ArgumentError(str(error)) from error


def main(argv: list[str] | None = None) -> None:
    """Run the job with Glue's arguments and print its counts as JSON."""
    given = job_arguments(argv, ("lake_bucket",), dict.fromkeys((*_BOUNDS, *_LEVELS), ""))
    span, thresholds = span_of(given, datetime.now(UTC)), thresholds_of(given)
    counts = run(spark_session("congestion_episodes", given["lake_bucket"]), span, thresholds)
    sys.stdout.write(json.dumps(asdict(counts)) + "\n")


if __name__ == "__main__":
    main()
