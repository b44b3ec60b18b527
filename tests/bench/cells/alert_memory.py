"""What a process keeps of many segments: ten minutes of readings of two sensors each."""

import resource
import sys
import time
from typing import Any


def run(segments: int) -> dict[str, Any]:
    """Return bytes of memory per segment, and seconds per reading to fold them."""
    from ingestion.alerts import anomalies  # noqa: PLC0415 — importing is not measured
    from ingestion.alerts.segment_stream import JudgedReading, Record  # noqa: PLC0415
    from ingestion.alerts.thresholds import Thresholds  # noqa: PLC0415
    from ingestion.alerts.tracker import fold  # noqa: PLC0415

    start_us, steps = 1_772_438_400_000_000, 31
    states: dict = {}
    before = _resident_bytes()
    spent = 0.0
    for step in range(steps):
        ts_us = start_us + step * 20_000_000
        readings = [
            JudgedReading(
                f"segment-{number:05d}",
                f"sensor-{number:05d}-{lane}",
                ts_us,
                ts_us,
                5.0 + number % 60,
                5,
                [0, []],
                77 + step,
            )
            for number in range(segments)
            for lane in (1, 2)
        ]
        began = time.perf_counter()
        states |= fold([Record(ts_us, readings)], states, lambda _: {}, Thresholds(), anomalies.load()).states
        spent += time.perf_counter() - began
    del readings
    return {
        "bytes_per_segment": (_resident_bytes() - before) / segments,
        "seconds_per_reading": spent / (2 * segments * steps),
    }


def _resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
