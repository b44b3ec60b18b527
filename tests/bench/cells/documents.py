"""Writes JSON lines for the landing benchmark."""

from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from ingestion.simulator import city, readings
from tests.bench import data


def run(out: str, count: int) -> dict[str, Any]:
    """Write `count` documents of the demo's city that convert without error; returns their number and bytes."""
    documents = readings(city(), data.START, data.START + timedelta(days=365))
    written = 0
    with Path(out).open("wb") as lines:
        for document in islice(data.convertible(documents), count):
            written += lines.write(document + b"\n")
    return {"documents": count, "bytes": written}
