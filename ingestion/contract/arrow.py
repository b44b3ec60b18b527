"""Arrow schemas of the contract's tables. Times are naive microseconds, UTC.

All fields are nullable: what must not be empty is checked by the expectations, which can say what is wrong.
"""

import pyarrow as pa

from ingestion.contract import glue, model

_TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us"),
    "array<string>": pa.list_(pa.string()),
}


def landing_schema() -> pa.Schema:
    """Return the schema of the Parquet objects of `raw.sensor_readings` (no partition keys)."""
    return pa.schema([(name, _TYPES[physical]) for name, physical in glue.landing_columns()])


def table_schema(name: str) -> pa.Schema:
    """Return the schema of a table, such as `reference.sensors`; of a landing table without its partition keys."""
    columns = [column for column in model.table(name).columns if column not in model.LANDING_PARTITIONS]
    return pa.schema([(column.name, _TYPES[column.physical_type]) for column in columns])
