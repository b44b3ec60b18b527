"""DuckDB's own way from JSON lines to Parquet."""

import time
from typing import Any

import duckdb

from ingestion.contract.glue import landing_columns
from tests.bench.cells.publish_live import digest

_TYPES = {"string": "VARCHAR", "double": "DOUBLE"}


def run(documents: str, out: str) -> dict[str, Any]:
    """Convert a file of JSON lines to one Parquet file with the landing columns."""
    columns = ", ".join(f"'{name}': '{_TYPES[kind]}'" for name, kind in landing_columns())
    database = duckdb.connect()
    began = time.perf_counter()
    database.execute(
        f"COPY (SELECT * FROM read_json('{documents}', format = 'newline_delimited', columns = {{{columns}}})) "
        f"TO '{out}' (FORMAT parquet, COMPRESSION snappy)"
    )
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "digest": digest(out), "version": duckdb.__version__}
