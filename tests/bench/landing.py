"""(c) The local landing path, JSON over Kinesis and Firehose to Parquet, against DuckDB's read_json to Parquet."""

from pathlib import Path
from typing import Any

from tests.bench.home import bench_home
from tests.bench.measure import CellError, Row, cell


def measure(documents: int, repeats: int, work: Path) -> list[Row]:
    """Send the same documents through both, in turn. Raises CellError when a side fails or the rows differ."""
    lines, out = work / "documents.jsonl", work / "duckdb.parquet"
    made = cell("documents", {"out": str(lines), "count": documents})
    ours: list[dict[str, Any]] = []
    other: list[dict[str, Any]] = []
    with bench_home(work / "home") as environment:
        for _ in range(repeats):
            ours.append(cell("publish_live", {"documents": str(lines)}, environment))
            other.append(cell("duckdb_landing", {"documents": str(lines), "out": str(out)}))
            if ours[-1]["digest"] != other[-1]["digest"]:
                raise CellError(f"the two sides differ: {ours[-1]['digest']} landed, {other[-1]['digest']} in DuckDB")
    scale = f"{documents:,} documents, {made['bytes'] / 1e6:.0f} MB"
    seconds = tuple(each["seconds"]["land"] for each in ours)
    fastest = documents / min(seconds)
    return [
        Row(
            benchmark="(c) JSON to Parquet",
            scale=scale,
            sides=("Kinesis and Firehose", "DuckDB"),
            ours=seconds,
            other=tuple(each["seconds"] for each in other),
            versions=f"local endpoint / DuckDB {other[0]['version']}",
            detail=f"{fastest:,.0f} rows/s landed, up to 5 s of it Firehose's buffering; "
            f"{documents / min(each['seconds']['send'] for each in ours):,.0f} rows/s sent",
        )
    ]
