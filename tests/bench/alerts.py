"""(e) What the alerts' functions cost beside bare decoding and a naive function; (f) from MQTT to a queue."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.home import bench_home
from tests.bench.measure import CellError, Row, cell

SEGMENTS = 50_000
LATENCY_S = 40


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


def measure_latency(rates: Sequence[int], repeats: int, work: Path) -> list[Row]:
    """Measure the way of an alert from MQTT to a queue at each rate, once: half a minute holds a hundred alerts."""
    del repeats
    with bench_home(work / "latency") as environment:
        found = [
            cell(
                "alert_latency", {"rate": rate, "seconds": LATENCY_S, "home_folder": str(work / "latency")}, environment
            )
            for rate in rates
        ]
    return [_latency_row(rate, each) for rate, each in zip(rates, found, strict=True)]


def _latency_row(rate: int, found: dict[str, Any]) -> Row:
    seconds, around = sorted(found["seconds"]), found["around"]
    if not seconds:
        raise CellError(f"none of the alerts arrived at {rate} readings/s")
    median, worst = seconds[len(seconds) // 2], seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)]
    return Row(
        "(f) MQTT to queue",
        f"{rate:,} readings/s",
        sides=("an alert", ""),
        ours=tuple(seconds),
        detail=f"p50 {median * 1000:.0f} ms, p99 {worst * 1000:.0f} ms of {len(seconds)} alerts, {found['missing']} "
        f"missing; {around['acknowledged']:,} of {around['sent']:,} readings acknowledged, sent at "
        f"{around['sent'] / around['sent_s']:,.0f}/s",
    )
