"""The audit of the marts: hand-written suites on the rows that a run touched, read through Athena into pandas.

Zero touched rows is a valid batch: an hour of rejected readings leaves none in `marts.congestion_hourly`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from quality.results import ExpectationsFailedError, ValidationResult
from quality.suites import Expectation, run_suite
from quality.touched_hours import overlapping

if TYPE_CHECKING:
    import pandas as pd

NEXT_STEP = (
    "The run stopped before it was published, and its hours stay in curated.pending_hours. Correct the cause (a model, "
    "the registry or the input) and run again: the same hours are then computed and checked anew."
)
# Sums are floating point, so an average may leave its bounds in the last digits.
COMPARED = ("congestion_index_avg", "congestion_index_min", "congestion_index_max", "vht", "delay_veh_h")
COMPARED_DIGITS = 6
MAX_SPEED_KMH = 300
DOCS_PREFIX = "quality/marts/"
# A changed reading can begin or end a run of stuck readings, which changes figures of the hours beside it.
MARGIN = timedelta(hours=1)

MEASURES = (
    "volume_veh",
    "vkt",
    "vht",
    "speed_kmh",
    "free_flow_kmh",
    "delay_veh_h",
    "travel_time_index",
    "congestion_index_avg",
    "congestion_index_min",
    "congestion_index_max",
    "congested_minutes",
    "observed_share",
    "is_reliable",
)


def _expect(rule: str, **kwargs: Any) -> Expectation:  # noqa: ANN401
    return {"type": f"expect_{rule}", "kwargs": kwargs}


def _not_null(*columns: str) -> list[Expectation]:
    return [_expect("column_values_to_not_be_null", column=column) for column in columns]


def _unique(*columns: str) -> Expectation:
    if len(columns) == 1:
        return _expect("column_values_to_be_unique", column=columns[0])
    return _expect("compound_columns_to_be_unique", column_list=list(columns))


def _between(column: str, minimum: float | None = None, maximum: float | None = None, **strict: bool) -> Expectation:
    return _expect("column_values_to_be_between", column=column, min_value=minimum, max_value=maximum, **strict)


def _at_least(larger: str, smaller: str) -> Expectation:
    return _expect(
        "column_pair_values_a_to_be_greater_than_b",
        column_A=larger,
        column_B=smaller,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    )


def congestion_suite(key: Sequence[str], others: Sequence[str], most_minutes: int | None) -> list[Expectation]:
    """Return what every congestion mart promises, unique per `key`.

    `most_minutes` bounds the congested minutes of a row; None in a zone, where they are the sum over its segments.
    """
    return [
        _expect("table_columns_to_match_set", column_set=[*key, *others, *MEASURES], exact_match=False),
        *_not_null(*key, "observed_share", "is_reliable", "congested_minutes"),
        _unique(*key),
        *(_between(column, 0) for column in ("volume_veh", "vkt", "vht", "delay_veh_h")),
        _between("speed_kmh", 0, MAX_SPEED_KMH, strict_min=True),
        _between("free_flow_kmh", 0, MAX_SPEED_KMH, strict_min=True),
        _between("travel_time_index", 0, strict_min=True),
        *(_between(f"congestion_index_{what}", 0, 100) for what in ("min", "avg", "max")),
        _at_least("congestion_index_avg", "congestion_index_min"),
        _at_least("congestion_index_max", "congestion_index_avg"),
        _between("congested_minutes", 0, most_minutes),
        _between("observed_share", 0, 1),
        # Delay is the part of the travel time beyond free flow, so it cannot exceed it.
        _at_least("vht", "delay_veh_h"),
    ]


_HOUR_COLUMNS = ("local_date", "local_hour", "day_type")
_LOCAL_HOUR = (*_not_null(*_HOUR_COLUMNS), _between("local_hour", 0, 23))
_DAY_TYPE = _not_null("day_type")

SUITES: Mapping[str, Sequence[Expectation]] = {
    "congestion_hourly": [
        *congestion_suite(("segment_id", "hour_start"), ("corridor_id", "zone_id", *_HOUR_COLUMNS), 60),
        *_LOCAL_HOUR,
    ],
    "congestion_daily": [
        *congestion_suite(("segment_id", "local_date"), ("corridor_id", "zone_id", "day_type"), 25 * 60),
        *_DAY_TYPE,
    ],
    "zone_congestion_hourly": [
        *congestion_suite(("zone_id", "hour_start"), _HOUR_COLUMNS, None),
        *_LOCAL_HOUR,
    ],
    "zone_congestion_daily": [
        *congestion_suite(("zone_id", "local_date"), ("day_type",), None),
        *_DAY_TYPE,
    ],
    "reconciliation_hourly": [
        *_not_null("arrival_hour", "landed", "conversion_errors", "curated", "duplicates", "rejected", "is_balanced"),
        _unique("arrival_hour"),
        *(
            _between(column, 0)
            for column in ("sent", "landed", "conversion_errors", "curated", "duplicates", "rejected")
        ),
        _expect("column_values_to_be_in_set", column="is_balanced", value_set=[True]),
    ],
}


def check(mart: str, frame: pd.DataFrame) -> ValidationResult:
    """Check rows of `marts.<mart>` against its suite; raises nothing for data that fails."""
    compared = frame[[column for column in COMPARED if column in frame.columns]]
    rounded = compared.astype("float64").round(COMPARED_DIGITS)
    return run_suite(f"marts.{mart}", SUITES[mart], frame.assign(**dict(rounded.items())), "pandas")


def queries(event_hours: Collection[datetime], arrival_hours: Collection[datetime], database: str) -> dict[str, str]:
    """Return the SQL that reads the touched rows of every mart; hours are the naive UTC starts of hours."""
    touched = {hour + margin for hour in event_hours for margin in (-MARGIN, timedelta(0), MARGIN)}
    hourly = overlapping("hour_start", touched)
    dates = f"select distinct local_date from {database}.{{mart}} where {hourly}"  # noqa: S608
    conditions = {
        "congestion_hourly": hourly,
        "congestion_daily": f"local_date in ({dates.format(mart='congestion_hourly')})",
        "zone_congestion_hourly": hourly,
        "zone_congestion_daily": f"local_date in ({dates.format(mart='zone_congestion_hourly')})",
        "reconciliation_hourly": overlapping("arrival_hour", arrival_hours),
    }
    return {mart: f"select * from {database}.{mart} where {condition}" for mart, condition in conditions.items()}  # noqa: S608


def read(sql: str, database: str, workgroup: str) -> pd.DataFrame:
    """Run a query in Athena and return its rows."""
    import awswrangler as wr  # noqa: PLC0415

    # A touched batch is small: without a CTAS no temporary table is left behind by a killed run.
    return wr.athena.read_sql_query(sql, database=database, workgroup=workgroup, ctas_approach=False)


def audit(
    event_hours: Collection[datetime], arrival_hours: Collection[datetime], *, workgroup: str, database: str = "marts"
) -> list[ValidationResult]:
    """Check the rows of every mart that the given hours touch, and return what held; raises nothing for bad data."""
    statements = queries(event_hours, arrival_hours, database)
    with ThreadPoolExecutor(max_workers=4) as pool:
        frames = pool.map(lambda sql: read(sql, database, workgroup), statements.values())
        return [check(mart, frame) for mart, frame in zip(statements, frames, strict=True)]


def require(results: Collection[ValidationResult]) -> None:
    """Raise ExpectationsFailedError, with all results, when an expectation does not hold."""
    if not all(result.success for result in results):
        raise ExpectationsFailedError(results, NEXT_STEP)
