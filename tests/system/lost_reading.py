"""A curated reading that vanishes, as no run may ever let one vanish."""

from datetime import datetime
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import And, EqualTo

from ingestion.contract import arrow


def lose(catalog: Catalog, reading: dict[str, Any], arrival_hour: datetime) -> None:
    """Delete a reading from the curated table, and note its hours as pending, so that the next run looks at them."""
    by_key = And(EqualTo("sensor_id", reading["sensor_id"]), EqualTo("ts", reading["ts"].isoformat()))
    catalog.load_table("curated.readings").delete(by_key)
    pending = [
        {"kind": "arrival", "hour_start": arrival_hour},
        {"kind": "event", "hour_start": reading["ts"].replace(minute=0, second=0, microsecond=0)},
    ]
    schema = arrow.table_schema("curated.pending_hours")
    catalog.load_table("curated.pending_hours").append(pa.Table.from_pylist(pending, schema=schema))
