"""Reads the records that `trafficlake run` leaves in the lake."""

from typing import Any


def run() -> dict[str, Any]:
    """Return the records of the last runs that published something, the latest first."""
    from infra.runners import record  # noqa: PLC0415 — needs the endpoint's environment
    from infra.settings import settings  # noqa: PLC0415

    records = record.latest(settings().lake_bucket, count=20)
    return {"records": [each for each in records if each["outcome"] == "published"]}
