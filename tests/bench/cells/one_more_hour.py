"""The whole hourly run, step by step, over one arrival hour after a first one that warms the engines up."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def run(lock_file: str, start: str, end: str, warm_up: bool) -> dict[str, Any]:
    """Run the pipeline over the arrival hours [start, end); with `warm_up` the hour before `start` goes first.

    Returns seconds by step and in all, and a digest of what this range became in the curated tables.
    """
    import duckdb  # noqa: PLC0415 — importing is not measured

    from glue_jobs.session import spark_session  # noqa: PLC0415
    from infra import run_steps  # noqa: PLC0415
    from infra.home.resources import create_resources  # noqa: PLC0415
    from infra.settings import settings  # noqa: PLC0415
    from ingestion.iceberg_catalog import open_catalog  # noqa: PLC0415

    # The home was filled by an endpoint without Athena, which keeps work groups of its own.
    create_resources()
    spark_session("bench", settings().lake_bucket).sql("SELECT 1").collect()
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    where = {"on_event": lambda _: None, "lock_file": Path(lock_file)}
    if warm_up:
        run_steps.run(first - timedelta(hours=1), first, **where)
    began = time.perf_counter()
    report = run_steps.run(first, last, **where)
    seconds = time.perf_counter() - began
    catalog = open_catalog()
    database = duckdb.connect()
    digests = []
    for table, column, measures in (
        ("curated.readings", "ts", ("vehicle_count", "speed_kmh")),
        ("curated.sensor_5min", "interval_start", ("volume_veh", "speed_kmh")),
    ):
        rows = catalog.load_table(table).scan(
            row_filter=f"{column} >= '{first.isoformat()}' and {column} < '{last.isoformat()}'",
            selected_fields=("sensor_id", column, *measures),
        )
        database.register("found", rows.to_arrow())
        sums = ", ".join(f"sum(round({measure} * 1000)::BIGINT)::BIGINT" for measure in measures)
        digests.append(list(database.execute(f"SELECT count(*), {sums} FROM found").fetchall()[0]))
    steps = {step.step: step.seconds for step in report.steps}
    return {"seconds": seconds, "steps": steps, "digest": digests}
