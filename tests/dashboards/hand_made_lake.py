"""Hand-made marts in DuckDB, and the page of them: the page's own SQL on another engine, no endpoint, no network."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from dashboards import spec
from dashboards.page import site
from dashboards.page.cells import CubeRows, PageData
from dashboards.page.cubes import attributes_sql, cells_sql, columns_of_days, cubes, days_sql

TIME_ZONE = "America/Los_Angeles"
LAST_DAY = date(2026, 3, 27)  # a Friday; the clocks went forward on the 8th
DAYS = 21
HOLIDAY = date(2026, 3, 16)
SEED = 7


@dataclass(frozen=True)
class Segment:
    """A segment of the hand-made city; `observed` is its share, `silent_last_hour` that it then sends nothing.

    `samples` are what it is expected to send in an hour.
    """

    segment_id: str
    corridor_id: str
    zone_id: str | None
    position_km: float
    placed: bool = True
    observed: float = 1.0
    silent_last_hour: bool = False
    samples: float = 12.0


CITY = (
    Segment("N-1", "north", "old-town", 0.0, samples=540.0),
    Segment("N-2", "north", "old-town", 1.0, silent_last_hour=True),
    Segment("N-3", "north", "harbor", 2.0, observed=0.5),
    Segment("S-1", "south", "harbor", 0.0, samples=180.0),
    Segment("S-2", "south", None, 1.0),
    Segment("E-1", "east", "harbor", 0.0, placed=False),
)


def lake(city: tuple[Segment, ...] = CITY, *, usable: bool = True, days: int = DAYS) -> duckdb.DuckDBPyConnection:
    """Return marts of a city; where nothing is `usable` its sensors send, and every figure is unknown."""
    connection = duckdb.connect()
    for schema in ("marts", "curated"):
        connection.execute(f"create schema {schema}")
    rows = pd.DataFrame(_hours(city, usable, days))
    connection.register("frame_of_hours", rows)
    connection.execute("create table marts.congestion_hourly as select * from frame_of_hours")
    _roll_up(connection, "congestion_daily", ["segment_id", "corridor_id", "zone_id"])
    segments = pd.DataFrame(
        {
            "segment_id": one.segment_id,
            "latitude": 45.5 + 0.01 * one.position_km if one.placed else None,
            "longitude": -122.7 + 0.02 * number if one.placed else None,
            "position_km": one.position_km,
            "corridor_id": one.corridor_id,
            "length_km": 1.0 + 0.5 * number,
        }
        for number, one in enumerate(city)
    )
    connection.register("frame_of_segments", segments)
    connection.execute("create table marts.dim_segment as select * from frame_of_segments")
    connection.execute(
        f"""
        create table marts.dim_date as
        select cast(day as date) as local_date, case when day = date '{HOLIDAY}' then 'holiday'
            when isodow(day) > 5 then 'weekend' else 'weekday' end as day_type
        from generate_series(date '2026-01-01', date '2026-12-31', interval 1 day) as days (day)
        """
    )
    _with_silent_segments(connection, city)
    connection.execute(
        """
        create table marts.reconciliation_hourly as
        select arrival_hour, 100 + n as sent, 100 + n as landed, 2 as conversion_errors, 90 + n as curated,
            7 as duplicates, 3 as rejected, true as is_balanced
        from (
            select timestamp '2026-03-25 08:00:00' + n * interval 1 hour as arrival_hour, n
            from range(48) as hours (n)
        )
        """
    )
    connection.execute(
        """
        create table curated.readings as
        select 'sensor-' || (n % 5) as sensor_id, timestamp '2026-03-25 08:00:00' + n * interval 5 minute as ts,
            timestamp '2026-03-25 08:00:00' + n * interval 5 minute + (60 * (n % 40)) * interval 1 second as arrived_at,
            date_trunc('hour', timestamp '2026-03-25 08:00:00' + n * interval 5 minute) as arrival_hour
        from range(576) as numbers (n)
        """
    )
    return connection


def with_episodes(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Add episodes: two that ended, one that became CRITICAL and is open."""
    connection.execute(
        """
        create table marts.congestion_episodes as select * from (values
            ('N-1', 'old-town', 'WARNING', timestamp '2026-03-26 14:00:00', timestamp '2026-03-26 14:30:00', 85.0, 3.5),
            ('S-1', 'harbor', 'CRITICAL', timestamp '2026-03-26 23:10:00', timestamp '2026-03-27 00:10:00', 95.0, 7.25),
            ('N-3', 'harbor', 'CRITICAL', timestamp '2026-03-27 15:00:00', null, 99.0, null)
        ) as found (segment_id, zone_id, level, started_at, cleared_at, worst_congestion_index, delay_veh_h)
        """
    )
    return connection


def page_data(connection: duckdb.DuckDBPyConnection, specs: spec.Specs | None = None) -> PageData:
    """Return what the page holds of these marts, all of their days."""
    specs = specs or spec.load()
    made, of_visual = cubes(specs)
    tables = {f"{one[0]}.{one[1]}" for one in connection.execute(
        "select table_schema, table_name from information_schema.tables"
    ).fetchall()}  # fmt: skip
    held = {}
    for name, cube in made.items():
        if cube.dataset.mart in tables:
            is_date = cube.dataset.all_columns[cube.dataset.date].type == "date"
            since = date(2000, 1, 1) if is_date else datetime(2000, 1, 1)
            held[name] = CubeRows(cube, connection.execute(cells_sql(cube, since)).df())
        else:
            columns = [*cube.dimensions, *(f"t{index}" for index in range(len(cube.terms)))]
            held[name] = CubeRows(cube, pd.DataFrame(columns=columns), missing=cube.dataset.absent)
    attributes = {
        dataset.name: connection.execute(attributes_sql(dataset)).df()
        for dataset in specs.datasets.values()
        if dataset.join
    }
    days = connection.execute(days_sql(columns_of_days(specs), date(2000, 1, 1), date(2100, 1, 1))).df()
    return PageData(held, of_visual, attributes, days, TIME_ZONE, datetime(2026, 3, 27, 19, 5, tzinfo=UTC))


def write_page(connection: duckdb.DuckDBPyConnection, folder: Path, specs: spec.Specs | None = None) -> Path:
    """Write the page of these marts and return its entry page."""
    specs = specs or spec.load()
    return site.write(folder, specs, page_data(connection, specs))


def _hours(city: tuple[Segment, ...], usable: bool, days: int) -> list[dict[str, object]]:
    random = np.random.default_rng(SEED)
    zone = ZoneInfo(TIME_ZONE)
    end = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, 12, tzinfo=zone).astimezone(UTC)
    made = []
    for hours_ago in range(24 * days, 0, -1):
        start = end - timedelta(hours=hours_ago)
        local = start.astimezone(zone)
        day_type = "holiday" if local.date() == HOLIDAY else "weekend" if local.weekday() >= 5 else "weekday"
        peak = day_type == "weekday" and local.hour in (7, 8, 16, 17, 18)
        for one in city:
            if one.silent_last_hour and hours_ago == 1:
                continue
            index = float(random.uniform(50, 95) if peak else random.uniform(0, 15))
            vkt, free_flow = float(random.uniform(500, 2000)), 100.0
            speed = free_flow * (1 - 0.8 * index / 100)
            known = {
                "volume_veh": vkt, "vkt": vkt, "vht": vkt / speed, "speed_kmh": speed,
                "delay_veh_h": vkt / speed - vkt / free_flow, "travel_time_index": free_flow / speed,
                "congestion_index_avg": index, "congestion_index_max": min(100.0, index + 5),
                "volume_basis": "assumed" if one.corridor_id == "east" else "observed",
            }  # fmt: skip
            made.append(
                {
                    "segment_id": one.segment_id,
                    "corridor_id": one.corridor_id,
                    "zone_id": one.zone_id,
                    "hour_start": pd.Timestamp(start.replace(tzinfo=None)),
                    "local_date": local.date(),
                    "local_hour": local.hour,
                    "day_type": day_type,
                    "free_flow_kmh": free_flow,
                    **(known if usable else dict.fromkeys(known)),
                    "congested_minutes": 60 if peak and usable else 0,
                    "imputation": "lane" if one.segment_id == "N-1" and local.hour == 3 else "none",
                    "samples_observed": one.samples * one.observed if usable else 0.0,
                    "samples_expected": one.samples,
                }
            )
    return made


def _roll_up(connection: duckdb.DuckDBPyConnection, name: str, things: list[str]) -> None:
    keys = ", ".join(things)
    connection.execute(
        f"""
        create table marts.{name} as
        select {keys}, local_date, day_type, sum(volume_veh) as volume_veh, sum(vkt) as vkt, sum(vht) as vht,
            sum(vkt) / nullif(sum(vht), 0) as speed_kmh, sum(delay_veh_h) as delay_veh_h,
            sum(vht) / nullif(sum(vkt / free_flow_kmh), 0) as travel_time_index,
            sum(congestion_index_avg * samples_observed / samples_expected)
                / nullif(sum(samples_observed / samples_expected), 0) as congestion_index_avg,
            max(congestion_index_max) as congestion_index_max, sum(congested_minutes) as congested_minutes,
            sum(samples_observed) as samples_observed, sum(samples_expected) as samples_expected
        from marts.congestion_hourly group by all
        """
    )


def _with_silent_segments(connection: duckdb.DuckDBPyConnection, city: tuple[Segment, ...]) -> None:
    """Make the views of the marts with the hours and days in which a segment, or all, sent nothing, as dbt has them."""
    registered = pd.DataFrame(
        [(one.segment_id, one.corridor_id, one.zone_id, one.samples) for one in city],
        columns=["segment_id", "corridor_id", "zone_id", "samples"],
    )
    connection.register("frame_of_registered", registered)
    connection.execute("create table marts.registered as select * from frame_of_registered")
    local = f"timezone('{TIME_ZONE}', timezone('UTC', hour_start))"
    hours = f"select hour_start, cast({local} as date) as local_date, hour({local}) as local_hour from steps"
    days = "select cast(local_date as date) as local_date from steps"
    for view, mart, period, step, periods, of_period in (
        ("segment_hours", "congestion_hourly", "hour_start", "hour", hours, "1"),
        ("segment_days", "congestion_daily", "local_date", "day", days, "if(local_date = date '2026-03-08', 23, 24)"),
    ):
        connection.execute(
            f"""
            create view marts.{view} as
            with steps as (
                select unnest(generate_series(min({period}), max({period}), interval 1 {step})) as {period}
                from marts.{mart}
            ),
            periods as ({periods})
            select * from marts.{mart}
            union all by name
            select registered.* exclude (samples), periods.*, day_type, 0.0 as samples_observed,
                samples * {of_period} as samples_expected
            from marts.registered cross join periods join marts.dim_date using (local_date)
            anti join marts.{mart} as heard using (segment_id, {period})
            """
        )
