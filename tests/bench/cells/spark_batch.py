"""Curation and roll-up by the product's own Spark jobs, each step timed; the session is started before."""

import time
from datetime import datetime
from typing import Any


def run(start: str, end: str, fresh: bool) -> dict[str, Any]:
    """Curate the arrival hours [start, end) and roll them up; `fresh` empties the curated tables before.

    Returns seconds by step, of the start of the session, and what curation counted.
    """
    from glue_jobs import curate_readings, rollup_5min  # noqa: PLC0415 — importing is not measured
    from glue_jobs.session import spark_session  # noqa: PLC0415
    from infra.settings import settings  # noqa: PLC0415
    from quality.suites import warm_up  # noqa: PLC0415

    if fresh:
        _drop_curated()
    began = time.perf_counter()
    warm_up().join()
    spark = spark_session("bench", settings().lake_bucket)
    spark.sql("SELECT 1").collect()
    started = time.perf_counter() - began
    batch = curate_readings.Batch(
        spark=spark,
        raw_bucket=settings().raw_bucket,
        start=datetime.fromisoformat(start),
        end=datetime.fromisoformat(end),
        buffering_interval_s=300,
    )
    seconds: dict[str, float] = {}
    for step in curate_readings.STEPS:
        began = time.perf_counter()
        step(batch)
        seconds[step.__name__] = time.perf_counter() - began
    began = time.perf_counter()
    rolled = rollup_5min.Rollup(spark, "bench")
    for step in rollup_5min.STEPS:
        step(rolled)
    seconds["roll_up"] = time.perf_counter() - began
    counts = curate_readings.counts(batch)
    answer = {"seconds": seconds, "session_s": started, "counts": counts.__dict__, "version": spark.version}
    spark.stop()
    return answer


def _drop_curated() -> None:
    import boto3  # noqa: PLC0415

    glue = boto3.client("glue")
    for table in glue.get_tables(DatabaseName="curated")["TableList"]:
        glue.delete_table(DatabaseName="curated", Name=table["Name"])
