"""Makes the input of a benchmark: landing objects as files, and in the lake with their registry."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench import data


def run(
    *, landing: str, registry: str, readings: int = 0, sensors: int = 0, hours: int = 0, since: str = ""
) -> dict[str, Any]:
    """Write and upload one hour of about `readings` readings, or `hours` since then of a city with `sensors` at 60 s.

    Returns the number of readings and the arrival range that they lie in.
    """
    from infra.home.resources import create_resources  # noqa: PLC0415 — needs the endpoint's environment
    from infra.settings import settings  # noqa: PLC0415
    from ingestion.iceberg_catalog import open_catalog  # noqa: PLC0415
    from ingestion.registry.load import load_registry  # noqa: PLC0415
    from ingestion.registry.rows import read_registry  # noqa: PLC0415
    from ingestion.simulator import city, registry_csv  # noqa: PLC0415

    place = data.dense_city(readings) if readings else city(sensors, 1)
    Path(registry).write_text(registry_csv(place), encoding="utf-8")
    if readings:
        written, span = data.write_hour(place, data.START, Path(landing)), 2
        start = data.START
    else:
        start = datetime.fromisoformat(since).replace(tzinfo=UTC)
        written, span = data.write_arrivals(place, start, hours, Path(landing)), hours
    create_resources()
    data.upload(Path(landing), settings().raw_bucket)
    rows, findings = read_registry(registry)
    if any(finding.refused for finding in findings):
        raise ValueError(f"the registry was refused in part: {findings[0]}")
    load_registry(rows, open_catalog())
    return {"readings": written, "start": _naive(start), "end": _naive(start + timedelta(hours=span))}


def _naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()
