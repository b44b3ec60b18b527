"""The same curation and roll-up written by hand in DuckDB's SQL, on the same Parquet objects as files."""

import time
from pathlib import Path
from typing import Any

import duckdb

from ingestion.contract.model import load

NAME_TIME = r"-(\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2})-[^/]*$"

_TIME = """
    CASE
        WHEN regexp_full_match({0}, '[+-]?[0-9]*[.]?[0-9]+([eE][+-]?[0-9]+)?') THEN CASE
            WHEN abs(try_cast({0} AS DOUBLE)) < 1e11 THEN make_timestamp((try_cast({0} AS DOUBLE) * 1e6)::BIGINT)
            WHEN abs(try_cast({0} AS DOUBLE)) < 1e14 THEN make_timestamp((try_cast({0} AS DOUBLE) * 1e3)::BIGINT) END
        WHEN length({0}) > 10 THEN try_cast({0} AS TIMESTAMP) END"""

_TYPED = """
CREATE TABLE typed AS
WITH files AS (
    SELECT file AS source_file,
        strptime(regexp_extract(file, '{name_time}', 1), '%Y-%m-%d-%H-%M-%S') AS object_time,
        strptime(regexp_extract(file, 'dt=(.{{10}})/hour=(..)', 0), 'dt=%Y-%m-%d/hour=%H') AS arrival_hour
    FROM glob('{landing}/readings/*/*/*.parquet')),
sent AS (
    SELECT *, nullif(trim("timestamp"), '') AS sent_ts, lower(nullif(trim(speed_unit), '')) AS unit,
        coalesce(avg_speed, average_speed) AS sent_speed, file_row_number AS source_row, filename AS source_file
    FROM read_parquet('{landing}/readings/*/*/*.parquet',
        filename = true, file_row_number = true, hive_partitioning = false)),
received AS (
    SELECT sent.*, files.object_time, files.arrival_hour, {received} AS received
    FROM sent JOIN files USING (source_file))
SELECT * EXCLUDE (received), received AS received_time,
    CASE WHEN abs(date_sub('second', object_time, received)) <= 3600 THEN received END AS plausible,
    CASE WHEN sent_ts IS NULL
        THEN coalesce(plausible, object_time + to_microseconds(source_row)) ELSE {ts} END AS ts,
    coalesce(plausible, object_time + INTERVAL 300 SECOND) AS arrived_at,
    CASE WHEN unit = 'mph' THEN sent_speed * 1.609344
        WHEN unit IS NULL OR unit IN ('km/h', 'kmh', 'kph') THEN sent_speed END AS speed_kmh,
    vehicle_count AS n, occupancy AS occupancy_pct
FROM received
"""

_REASONS = {
    "sensor_id_missing": "sensor_id IS NULL OR trim(sensor_id) = ''",
    "sensor_id_too_long": "length(sensor_id) > 128",
    "timestamp_unreadable": "ts IS NULL",
    "timestamp_before_2000": "ts < TIMESTAMP '2000-01-01'",
    "timestamp_in_future": "ts > arrived_at + INTERVAL 5 MINUTE",
    "vehicle_count_not_whole": "n <> floor(n)",
    "vehicle_count_out_of_range": "n < 0 OR n > 100000",
    "speed_kmh_out_of_range": "speed_kmh < 0 OR speed_kmh > 300",
    "occupancy_pct_out_of_range": "occupancy_pct < 0 OR occupancy_pct > 100",
    "speed_unit_unknown": "unit NOT IN ('km/h', 'kmh', 'kph', 'mph')",
    "no_measurement": "n IS NULL AND sent_speed IS NULL AND occupancy_pct IS NULL",
}
_FLAGS = {
    "timestamp_without_zone": (
        "sent_ts IS NOT NULL AND NOT regexp_matches(sent_ts, '(Z|z|[0-9][+-][0-9]{2}(:?[0-9]{2})?|^[0-9.eE+-]+)$')"
    ),
    "timestamp_from_arrival": "sent_ts IS NULL",
    "occupancy_above_95_pct": "occupancy_pct > 95",
    "speed_above_160_kmh": "speed_kmh > 160",
    "speed_below_8_kmh": "speed_kmh < 8",
    "speed_zero_with_count": "speed_kmh = 0 AND n > 0",
    "speed_without_count": "speed_kmh > 0 AND n = 0",
    "occupancy_without_count": "occupancy_pct > 0 AND n = 0",
    "device_status_not_ok": "lower(trim(status)) NOT IN ('ok', 'active', 'online', 'good', '')",
    "reported_value_out_of_range": (
        "max_capacity < 0 OR congestion_index NOT BETWEEN 0 AND 100 OR temperature NOT BETWEEN -60 AND 90 "
        "OR battery NOT BETWEEN 0 AND 100"
    ),
}

_CURATED = """
CREATE TABLE winners AS
SELECT sensor_id, ts, n::INTEGER AS vehicle_count, speed_kmh, occupancy_pct, status AS device_status,
    zone_id AS reported_zone_id, location_id AS reported_location_id, max_capacity AS reported_max_capacity_veh,
    congestion_index AS reported_congestion_index, temperature AS temperature_c, weather_condition,
    battery AS battery_pct, received_time AS received_at, {flags} AS quality_flags,
    arrived_at, arrival_hour, source_file, source_row, date_trunc('hour', ts) AS ts_hour
FROM judged WHERE len(reasons) = 0
QUALIFY row_number() OVER (PARTITION BY sensor_id, ts
    ORDER BY arrival_hour DESC, object_time DESC, source_file DESC, source_row DESC) = 1
"""

_STUCK = """
CREATE TABLE spans AS
WITH suspects AS (
    SELECT DISTINCT sensor_id FROM (
        SELECT sensor_id, epoch(ts)::BIGINT // 1800 AS half FROM curated GROUP BY ALL
        HAVING count(*) > 1
            AND min(coalesce(vehicle_count, -1)) = max(coalesce(vehicle_count, -1))
            AND min(coalesce(speed_kmh, -1)) = max(coalesce(speed_kmh, -1))
            AND min(coalesce(occupancy_pct, -1)) = max(coalesce(occupancy_pct, -1)))),
begun AS (
    SELECT *, CASE WHEN vehicle_count IS NOT DISTINCT FROM lag(vehicle_count) OVER w
        AND speed_kmh IS NOT DISTINCT FROM lag(speed_kmh) OVER w
        AND occupancy_pct IS NOT DISTINCT FROM lag(occupancy_pct) OVER w
        AND epoch(ts) - epoch(lag(ts) OVER w) <= 600 THEN 0 ELSE 1 END AS begins
    FROM curated WHERE sensor_id IN (FROM suspects) WINDOW w AS (PARTITION BY sensor_id ORDER BY ts)),
runs AS (SELECT *, sum(begins) OVER (PARTITION BY sensor_id ORDER BY ts) AS run FROM begun),
known AS (
    SELECT *, epoch(ts) - epoch(min(ts) OVER w) AS lasted, count(*) OVER w AS readings
    FROM runs WINDOW w AS (PARTITION BY sensor_id, run ORDER BY ts))
SELECT sensor_id, min(ts) AS stuck_from, max(ts) AS stuck_to FROM known
WHERE lasted >= 3600 AND readings >= 10 AND (vehicle_count > 0 OR speed_kmh > 0 OR occupancy_pct > 0)
GROUP BY sensor_id, run
"""

_ROLL_UP = """
CREATE TABLE rolled AS
WITH flagged AS (
    SELECT c.sensor_id, time_bucket(INTERVAL 5 MINUTE, c.ts) AS interval_start, r.interval_s,
        c.vehicle_count, c.speed_kmh, c.occupancy_pct,
        list_concat(c.quality_flags,
            CASE WHEN c.vehicle_count * 3600 > r.interval_s * r.covered * 3060
                THEN ['count_above_physical_limit'] ELSE [] END,
            CASE WHEN s.sensor_id IS NOT NULL THEN ['stuck'] ELSE [] END) AS flags
    FROM curated c
    LEFT JOIN (SELECT *, CASE WHEN lane IS NOT NULL THEN 1 ELSE coalesce(lanes, 1) END AS covered
        FROM read_csv('{registry}')) r USING (sensor_id)
    LEFT JOIN spans s ON s.sensor_id = c.sensor_id AND c.ts BETWEEN s.stuck_from AND s.stuck_to),
usable AS (
    SELECT *,
        CASE WHEN len(flags) = 0 OR NOT list_has_any(flags, {no_volume}) THEN vehicle_count END AS n,
        CASE WHEN len(flags) = 0 OR NOT list_has_any(flags, {no_speed}) THEN speed_kmh END AS v,
        CASE WHEN len(flags) = 0 OR NOT list_has_any(flags, {no_occupancy}) THEN occupancy_pct END AS o
    FROM flagged),
summed AS (
    SELECT sensor_id, interval_start, interval_s,
        count(*) FILTER (n IS NOT NULL OR v IS NOT NULL) AS samples_observed,
        count(n) AS counts, sum(n) AS volume, count(vehicle_count) AS counted,
        sum(n) FILTER (n > 0 AND v > 0) AS moved, sum(n / v) FILTER (n > 0 AND v > 0) AS moved_h,
        count(*) FILTER (v > 0) AS speeds, sum(1 / v) FILTER (v > 0) AS hours, avg(o) AS occupancy_pct,
        list(flags) FILTER (len(flags) > 0) AS flags
    FROM usable GROUP BY ALL)
SELECT sensor_id, interval_start, round(300 / interval_s)::INTEGER AS samples_expected,
    samples_observed::INTEGER AS samples_observed, volume::DOUBLE AS volume_veh,
    volume * 3600.0 / (counts * interval_s) AS flow_veh_h,
    CASE WHEN moved > 0 THEN moved / moved_h WHEN counted = 0 THEN speeds / hours END AS speed_kmh,
    occupancy_pct, CASE WHEN flags IS NULL THEN [] ELSE list_sort(list_distinct(flatten(flags))) END AS quality_flags,
    interval_s, date_trunc('hour', interval_start) AS ts_hour
FROM summed
"""


def run(landing: str, registry: str, out: str) -> dict[str, Any]:
    """Curate all objects under `landing` and roll them up; writes Parquet by event hour under `out`.

    Returns seconds of both parts and what became of the rows.
    """
    database = duckdb.connect()
    database.execute("SET memory_limit = '4GB'; SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    database.execute(f"SET temp_directory = '{out}/spilled'")
    Path(out).mkdir(parents=True)
    began = time.perf_counter()
    counts = _curate(database, landing, out)
    curated = time.perf_counter()
    _roll_up(database, registry, out)
    rolled = time.perf_counter()
    seconds = {"curate": curated - began, "roll_up": rolled - curated}
    return {"seconds": seconds, "counts": counts, "version": duckdb.__version__}


def _curate(database: duckdb.DuckDBPyConnection, landing: str, out: str) -> dict[str, int]:
    ts, received = _TIME.format("sent_ts"), _TIME.format("received_at")
    database.execute(_TYPED.format(name_time=NAME_TIME, landing=landing, ts=ts, received=received))
    reasons = _names({name: _REASONS[name] for name in load("readings").reason_names if name in _REASONS})
    database.execute(f"CREATE VIEW judged AS SELECT *, {reasons} AS reasons FROM typed")
    database.execute(_CURATED.format(flags=_names(_FLAGS)))
    _write(database, "SELECT * FROM winners", f"{out}/readings", "ts_hour")
    keys = "arrival_hour, source_file, source_row, sensor_id, ts"
    _write(database, f"SELECT {keys} FROM judged WHERE len(reasons) = 0", f"{out}/landed_keys", "arrival_hour")
    original = 'to_json(struct_pack(sensor_id, "timestamp", vehicle_count, avg_speed, occupancy, status))'
    rejected = f"SELECT arrival_hour, arrived_at, source_file, source_row, sensor_id, reasons, {original} AS original"
    _write(database, f"{rejected} FROM judged WHERE len(reasons) > 0", f"{out}/rejected", "arrival_hour")
    database.execute("DROP TABLE winners")

    def count(folder: str) -> int:
        return database.execute(f"SELECT count(*) FROM '{out}/{folder}/*/*.parquet'").fetchall()[0][0]

    landed = database.execute("SELECT count(*) FROM typed").fetchall()[0][0]
    database.execute("DROP VIEW judged; DROP TABLE typed")
    kept, accepted, refused = count("readings"), count("landed_keys"), count("rejected")
    return {"landed": landed, "curated": kept, "duplicates": accepted - kept, "rejected": refused}


def _roll_up(database: duckdb.DuckDBPyConnection, registry: str, out: str) -> None:
    database.execute(f"CREATE VIEW curated AS SELECT * EXCLUDE (ts_hour) FROM '{out}/readings/*/*.parquet'")
    database.execute(_STUCK)
    excluding = {f"no_{m}": list(load("readings").flags_excluding(m)) for m in ("volume", "speed", "occupancy")}
    database.execute(_ROLL_UP.format(registry=registry, **excluding))
    _write(database, "SELECT * FROM rolled", f"{out}/sensor_5min", "ts_hour")


def _write(database: duckdb.DuckDBPyConnection, query: str, folder: str, partition: str) -> None:
    database.execute(f"COPY ({query}) TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({partition}))")


def _names(conditions: dict[str, str]) -> str:
    """Return the list of names whose condition holds, as SQL; most rows take the quick way out."""
    any_holds = " OR ".join(f"coalesce({condition}, false)" for condition in conditions.values())
    each = ", ".join(f"CASE WHEN {condition} THEN '{name}' END" for name, condition in conditions.items())
    return f"CASE WHEN {any_holds} THEN list_filter([{each}], lambda x: x IS NOT NULL) ELSE []::VARCHAR[] END"
