"""Whether both sides of the batch benchmark ended with the same tables; read through pyiceberg, compared in DuckDB."""

from typing import Any

import duckdb

_FILE = "regexp_extract(source_file, '[^/]*$')"
# Order-free digests: two tables with other rows differ in them. Speeds are compared to a millionth.
_READINGS = f"""
SELECT count(*), sum(vehicle_count), sum(round(speed_kmh * 1e6)::HUGEINT), sum(round(occupancy_pct * 1e6)::HUGEINT),
    sum(hash(sensor_id, epoch_us(ts), {_FILE}, source_row, list_sort(quality_flags), epoch_us(arrived_at))::HUGEINT)
FROM {{0}}"""
_REJECTED = f"SELECT count(*), sum(hash({_FILE}, source_row, list_sort(reasons))::HUGEINT) FROM {{0}}"
_KEYS = f"SELECT count(*), sum(hash({_FILE}, source_row, sensor_id, epoch_us(ts))::HUGEINT) FROM {{0}}"
_MEASURES = ("volume_veh", "flow_veh_h", "speed_kmh", "occupancy_pct")


def run(out: str) -> dict[str, Any]:
    """Compare the lake's curated tables with DuckDB's Parquet under `out`; returns the differences as sentences."""
    from ingestion.iceberg_catalog import open_catalog  # noqa: PLC0415 — needs the endpoint's environment

    database, catalog = duckdb.connect(), open_catalog()
    database.execute("SET memory_limit = '8GB'; SET TimeZone = 'UTC'")
    differences = []
    for table, folder, digest in (
        ("curated.readings", "readings", _READINGS),
        ("curated.rejected_readings", "rejected", _REJECTED),
        ("curated.landed_keys", "landed_keys", _KEYS),
    ):
        database.register("lake", catalog.load_table(table).scan().to_arrow_batch_reader())
        ours = database.execute(digest.format("lake")).fetchall()[0]
        other = database.execute(digest.format(f"'{out}/{folder}/*/*.parquet'")).fetchall()[0]
        if ours != other:
            differences.append(f"{table}: {ours} in the lake, {other} in DuckDB")
    differences += _rolled(database, catalog, out)
    return {"differences": differences}


def _rolled(database: duckdb.DuckDBPyConnection, catalog: Any, out: str) -> list[str]:
    lake = catalog.load_table("curated.sensor_5min").scan().to_arrow()
    database.register("lake", lake)
    far = " OR ".join(
        f"(a.{m} IS NULL) <> (b.{m} IS NULL) OR abs(a.{m} - b.{m}) > 1e-9 * greatest(abs(b.{m}), 1)" for m in _MEASURES
    )
    rows, unequal = database.execute(f"""
        SELECT count(*), count(*) FILTER (a.sensor_id IS NULL OR b.sensor_id IS NULL OR {far}
            OR a.samples_observed <> b.samples_observed OR a.samples_expected IS DISTINCT FROM b.samples_expected
            OR a.quality_flags <> b.quality_flags)
        FROM lake a FULL JOIN '{out}/sensor_5min/*/*.parquet' b USING (sensor_id, interval_start)""").fetchall()[0]
    return [f"curated.sensor_5min: {unequal} of {rows} intervals differ"] if unequal else []
