"""What the sensors measure in one hour, with their faults, and when each reading arrives."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ingestion.simulator import day as calendar
from ingestion.simulator.network import LANE_LIMIT_VEH_H, STYLES, City
from ingestion.simulator.randomness import Floats, bell, field, stream, words
from ingestion.simulator.traffic import day_state

# One row per delivery: times in epoch seconds (`ts`, start of the interval) and milliseconds (`arrival`), speed,
# occupancy and temperature in tenths, -1 where the device sends none; `copy` is 1 for a second delivery.
ROW = np.dtype(
    [
        ("sensor", "i4"),
        ("ts", "i8"),
        ("count", "i4"),
        ("speed", "i4"),
        ("occupancy", "i4"),
        ("temperature", "i4"),
        ("wet", "i1"),
        ("defect", "i1"),
        ("copy", "i1"),
        ("arrival", "i8"),
    ]
)
Rows = NDArray[np.void]

LATEST_S = 6 * 3600
"""The longest that a reading is held back on its way."""

_TAG_SAMPLES, _TAG_OUTAGES = 20, 21
_LEVELS, _QUANTILES = 256, 4096
# A vehicle and the detector's loop are 7 m long together, so 1 veh/km is over the detector 0.7 % of the time.
_OCCUPANCY_PER_DENSITY = 0.7
_INSUFFICIENT_SHARE = 0.42
_OUTAGE_SHARE, _OUTAGE_BLOCK_S = 0.22, 600


@lru_cache(maxsize=16)
def _counts(most: int) -> NDArray[np.int16]:
    """Quantiles of the binomial distribution: rows are p = row/256, columns (column + 0.5)/4096; values 0 to `most`.

    Counts of a lane are Poisson-like when it is empty and even when it is full, and never beyond what it can carry.
    """
    quantile = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    table = np.zeros((_LEVELS + 1, _QUANTILES), np.int16)
    for level in range(1, _LEVELS // 2 + 1):
        p = level / _LEVELS
        probability = 1.0
        for _ in range(most):
            probability *= 1.0 - p
        cumulated, total = [], 0.0
        for k in range(most):
            total += probability
            cumulated.append(total)
            probability *= (most - k) / (k + 1) * (p / (1.0 - p))
        table[level] = np.searchsorted(np.array(cumulated), quantile)
        table[_LEVELS - level] = most - table[level][::-1]
    table[_LEVELS] = most
    return table


@dataclass(frozen=True, eq=False)
class _Devices:
    """Constant arrays over sensors."""

    segment: NDArray[np.int64]
    lanes_covered: NDArray[np.int64]
    flow_share: Floats
    speed_factor: Floats
    most: NDArray[np.int64]
    style: NDArray[np.int64]
    fault: dict[str, NDArray[np.int64]]


@lru_cache(maxsize=4)
def _devices(city: City) -> _Devices:
    share, factor = [], []
    for device in city.sensors:
        lanes = city.segments[device.segment].lanes
        from_middle = (lanes + 1) / 2 - device.lane if device.lane is not None else 0.0
        share.append((1.0 + 0.08 * from_middle) * device.lanes_covered / lanes)
        factor.append(1.0 + 0.05 * from_middle)
    covered = np.array([device.lanes_covered for device in city.sensors])
    faults = {device.fault for device in city.sensors}
    return _Devices(
        segment=np.array([device.segment for device in city.sensors]),
        lanes_covered=covered,
        flow_share=np.array(share),
        speed_factor=np.array(factor),
        most=np.maximum(LANE_LIMIT_VEH_H * city.interval_s // 3600, 1) * covered,
        style=np.array([STYLES.index(device.style) for device in city.sensors]),
        fault={f: np.array([i for i, d in enumerate(city.sensors) if d.fault == f]) for f in sorted(faults - {""})},
    )


def hour_rows(city: City, hour: datetime) -> Rows:
    """Return all deliveries of the readings whose interval starts in this UTC hour, sorted by arrival."""
    devices = _devices(city)
    number = int(hour.timestamp()) // 3600
    slots = 3600 // city.interval_s
    raw = words(stream(city.seed, _TAG_SAMPLES, number), 6, len(city.sensors), slots)
    flow, speed, rain, temperature = _road(city, hour)
    rows = np.zeros((len(city.sensors), slots), ROW)
    rows["sensor"] = np.arange(len(city.sensors))[:, None]
    rows["ts"] = number * 3600 + np.arange(slots) * city.interval_s
    rows["temperature"] = np.rint(temperature * 10)
    rows["wet"] = rain > 0
    counts = _count(city, flow[:, devices.segment].T * devices.flow_share[:, None], raw[0])
    speeds = speed[:, devices.segment].T * devices.speed_factor[:, None] * (1.0 + 0.03 * bell(raw[1]))
    speeds = np.clip(speeds, 2.0, 155.0)
    density = counts * (3600.0 / city.interval_s) / devices.lanes_covered[:, None] / speeds
    occupancy = density * _OCCUPANCY_PER_DENSITY * (1.0 + 0.05 * bell(raw[2]))
    rows["count"] = counts
    rows["speed"] = np.where(counts > 0, np.rint(speeds * 10), -1)
    rows["occupancy"] = np.where(counts > 0, np.rint(np.clip(occupancy, 0.1, 94.0) * 10), 0)
    only_speed = devices.style == STYLES.index("speed_only")
    rows["speed"][only_speed] = np.rint(speeds[only_speed] * 10)
    sent = _break(city, number, rows, raw[3])
    rows["count"][only_speed] = rows["occupancy"][only_speed] = -1
    rows["speed"][devices.style == STYLES.index("count_only")] = -1
    _deliver(city, rows, raw[4])
    _spoil(city, rows, raw[5])
    repeated = sent & (field(raw[4], 40, 24) < city.duplicate_share * (1 << 24))
    again = rows[repeated]
    again["copy"] = 1
    again["arrival"] += 1000 + field(raw[5][repeated], 24, 19)
    everything = np.concatenate([rows[sent], again])
    return in_arrival_order(everything)


def in_arrival_order(rows: Rows) -> Rows:
    """Return the rows sorted by arrival, a total order."""
    return rows[np.lexsort((rows["copy"], rows["sensor"], rows["ts"], rows["arrival"]))]


def _road(city: City, hour: datetime) -> tuple[Floats, Floats, Floats, Floats]:
    """Flow and speed (slots × segments), rain and temperature (slots) in the middle of each interval of the hour."""
    slots = 3600 // city.interval_s
    found: list[tuple[Floats, ...]] = []
    done = 0
    while done < slots:
        begin = hour + timedelta(seconds=done * city.interval_s)
        state = day_state(city, calendar.traffic_day(city, begin))
        _, day_end = calendar.day_bounds(city, calendar.traffic_day(city, begin))
        here = min(slots - done, int((day_end - begin).total_seconds()) // city.interval_s)
        middle = int((begin - state.start).total_seconds()) + city.interval_s // 2
        minute = (middle + np.arange(here) * city.interval_s) // 60
        found.append((state.flow[minute], state.speed[minute], state.rain[minute], state.temperature[minute]))
        done += here
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _count(city: City, flow: Floats, raw: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Vehicles counted by each sensor in each interval, given its flow in veh/h."""
    devices = _devices(city)
    # A level between two rows of the table is drawn from either, so that the mean is the flow's.
    level = np.minimum(flow * (city.interval_s / 3600.0) / devices.most[:, None] * _LEVELS, _LEVELS - 1.0)
    row = (level + field(raw, 0, 16) / 65536.0).astype(np.int64)
    column = field(raw, 16, 12)
    counts = np.empty(flow.shape, np.int64)
    for most in np.unique(devices.most):
        of_size = devices.most == most
        counts[of_size] = _counts(int(most))[row[of_size], column[of_size]]
    return counts


def _break(city: City, number: int, rows: Rows, raw: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Apply each broken sensor's fault to its rows, and return which rows are sent at all."""
    devices = _devices(city)
    sent = np.ones(rows.shape, bool)
    for fault, which in devices.fault.items():
        broken = rows[which]
        most = devices.most[which][:, None]
        if fault == "no_data":
            sent[which] = False
        elif fault == "insufficient":
            sent[which] = field(raw[which], 0, 16) < _INSUFFICIENT_SHARE * 65536
        elif fault == "intermittent":
            per_block = max(_OUTAGE_BLOCK_S // city.interval_s, 1)
            blocks = -(-rows.shape[1] // per_block)
            silent = field(words(stream(city.seed, _TAG_OUTAGES, number), len(which), blocks), 0, 16)
            sent[which] = np.repeat(silent >= _OUTAGE_SHARE * 65536, per_block, axis=1)[:, : rows.shape[1]]
        elif fault == "stuck":
            broken["count"] = np.maximum(most // 4, 1)
            broken["speed"] = 573 + 7 * which[:, None]  # its last good value, another one for each sensor
            broken["speed"] = np.minimum(broken["speed"], 1000)
            broken["occupancy"] = 94
        elif fault == "speed_zero":
            broken["speed"] = 0
        elif fault == "high_values":
            broken["count"] += most + 1 + most // 4
            broken["occupancy"] = 960 + field(raw[which], 0, 5)
        rows[which] = broken
    return sent


def _deliver(city: City, rows: Rows, raw: NDArray[np.uint64]) -> None:
    """Set when each reading arrives: seconds after its interval, a few minutes or hours later."""
    hurry = field(raw, 0, 12)
    rows["arrival"] = (rows["ts"] + city.interval_s) * 1000 + 300 + hurry * hurry * 6000 // (1 << 24)
    held = field(raw, 24, 16) < city.late_share * 65536
    # The square makes minutes more frequent than hours.
    wait = field(raw, 12, 12)
    rows["arrival"] += np.where(held, 60_000 + wait * wait * (LATEST_S * 1000 // 4096) // 4096, 0)


def _spoil(city: City, rows: Rows, raw: NDArray[np.uint64]) -> None:
    """Mark the readings that are sent spoilt; the number is the kind's place in the city's shares, from 1."""
    drawn = field(raw, 0, 24)
    edges = np.cumsum([share * (1 << 24) for share in city.defect_shares.values()])
    kind = np.searchsorted(edges, drawn, side="right") + 1
    rows["defect"] = np.where(kind > len(edges), 0, kind)
