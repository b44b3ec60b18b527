"""(e) The alerts' functions: what they cost beside bare decoding and beside a naive function, and what they need."""

import statistics
from pathlib import Path

from tests.bench.home import bench_home
from tests.bench.measure import Row, cell

SEGMENTS = 50_000


def measure(records: int, repeats: int, work: Path) -> list[Row]:
    """Measure the functions in this process's stead, on a real endpoint. Raises CellError when a side fails."""
    with bench_home(work / "home") as environment:
        found = cell("alert_handlers", {"records": records, "repeats": max(repeats, 5)}, environment)
    seconds = {side: tuple(each) for side, each in found["seconds"].items()}
    memory = cell("alert_memory", {"segments": SEGMENTS})
    started = cell("alert_import", {})
    scale = f"{records:,} readings, one a record"
    return [
        Row("(e) judge", scale, ("judge, no I/O", "base64 + JSON"), seconds["judge"], seconds["decode"]),
        Row(
            "(e) judge function", scale, ("with its put", "base64 + JSON"), seconds["judge function"], seconds["decode"]
        ),
        Row(
            "(e) judge function",
            scale,
            ("with its put", "naive: put each, scan"),
            seconds["judge function"],
            seconds["naive"],
        ),
        Row(
            "(e) track function",
            scale,
            ("with its writes", "naive: put each, scan"),
            seconds["track function"],
            seconds["naive"],
            detail=f"{found['writes_per_1000']:.1f} items written per 1,000 readings (naive: 1,000)",
        ),
        Row(
            "(e) memory",
            f"{SEGMENTS:,} segments, 10 minutes of 2 sensors at 20 s",
            reason=f"{memory['bytes_per_segment'] * SEGMENTS / 1e6:,.0f} MB, {memory['bytes_per_segment']:,.0f} bytes "
            f"a segment; {memory['seconds_per_reading'] * 1e6:.1f} µs to fold a reading",
        ),
        Row(
            "(e) cold import",
            f"package of {started['package_bytes'] / 1e6:.2f} MB",
            reason=", ".join(f"{name} {own * 1000:.0f} ms" for name, (_, own) in started["seconds"].items())
            + f"; boto3 before it {statistics.median(each[0] for each in started['seconds'].values()) * 1000:.0f} ms",
        ),
    ]
