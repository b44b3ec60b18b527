"""The simulated city: corridors of segments, the sensors on them, and the registry that describes them."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import fsum

from ingestion.registry.rows import COLUMNS
from ingestion.simulator.randomness import stream, unit, words

DEMO_SENSORS = 160
# 17 vehicles in 20 seconds are the most that one lane carries (PORTAL data guide).
LANE_LIMIT_VEH_H = 3060

# Share of the sensors that is broken in each way, in the order of the health verdicts; every kind has at least one
# sensor in a city of forty or more.
FAULT_SHARES = {
    "no_data": 0.012,
    "insufficient": 0.012,
    "stuck": 0.012,
    "speed_zero": 0.012,
    "high_values": 0.012,
    "intermittent": 0.018,
}
# Share of the readings that arrives spoilt in each way.
DEFECT_SHARES = {
    "malformed": 0.0001,
    "wrong_type": 0.0001,
    "negative_count": 0.0001,
    "fractional_count": 0.00005,
    "speed_900": 0.0001,
    "occupancy_140": 0.00005,
    "time_without_zone": 0.0002,
    "time_absent": 0.00005,
    "time_unreadable": 0.00005,
    "future": 0.0001,
    "unknown_sensor": 0.0002,
    "sensor_id_absent": 0.00005,
    "status_fault": 0.0003,
}
DUPLICATE_SHARE = 0.003
LATE_SHARE = 0.004

STYLES = ("canonical", "capacity", "weather", "mph", "speed_only", "count_only")

_TAG_NETWORK = 1
_CENTRE = (45.52, -122.67)
# Kilometres per degree near the city's latitude: a map needs no better, and no cosine has to agree across machines.
_KM_PER_DEGREE = (111.2, 77.9)
_DIRECTIONS = (("NB", 0.96, 0.28), ("EB", -0.28, 0.96), ("NE", 0.8, 0.6), ("SE", -0.6, 0.8))
_OPPOSITE = {"NB": "SB", "EB": "WB", "NE": "SW", "SE": "NW"}


@dataclass(frozen=True)
class RoadType:
    """A kind of corridor; speeds km/h, capacity veh/h and lane, lengths km."""

    name: str
    lanes: int
    lane_capacity: int
    free_flow: float
    speed_limit: int
    shortest: float
    segments: int
    per_lane: bool
    peak: tuple[float, float]


# The demand at the peak, as a share of the bottleneck's capacity, lies within `peak`: above 1 a queue builds.
_FREEWAY = RoadType("freeway", 3, 2050, 106.0, 100, 1.0, 9, True, (1.02, 1.12))
_EXPRESSWAY = RoadType("expressway", 2, 1950, 96.0, 90, 0.9, 8, True, (0.96, 1.08))
_ARTERIAL = RoadType("arterial", 2, 900, 62.0, 60, 0.7, 8, False, (0.92, 1.07))
_CYCLE = (_FREEWAY, _ARTERIAL, _EXPRESSWAY, _ARTERIAL)


@dataclass(frozen=True)
class Segment:
    """A stretch of road in one direction; capacity over all lanes in veh/h, speeds in km/h, lengths in km."""

    segment_id: str
    corridor: int
    corridor_id: str
    zone_id: str
    road: str
    lanes: int
    latitude: float
    longitude: float
    position_km: float
    length_km: float
    capacity_veh_h: int
    free_flow_kmh: float
    speed_limit_kmh: int
    demand_share: float
    """Undisturbed flow here as a share of the corridor's demand: ramps make it rise and fall."""


@dataclass(frozen=True)
class Sensor:
    """A device on a segment; `lane` is None where it covers all lanes, `fault` is empty where it is well."""

    sensor_id: str
    segment: int
    lane: int | None
    lanes_covered: int
    style: str
    fault: str
    assumed_flow_veh_h: int | None


@dataclass(frozen=True)
class Corridor:
    """Ordered segments in one direction; `peak` is demand ÷ bottleneck capacity in its worse rush hour."""

    corridor_id: str
    road: str
    inbound: bool
    peak: float
    bottleneck_capacity_veh_h: float
    segments: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class City:
    """A city; two with the same arguments are alike, and each is hashed by identity so that days can be cached."""

    seed: int
    interval_s: int
    time_zone: str
    corridors: tuple[Corridor, ...]
    segments: tuple[Segment, ...]
    sensors: tuple[Sensor, ...]
    defect_shares: dict[str, float] = field(default_factory=lambda: dict(DEFECT_SHARES))
    duplicate_share: float = DUPLICATE_SHARE
    late_share: float = LATE_SHARE


def _uniforms(seed: int, *tags: int) -> Iterator[float]:
    bits = stream(seed, _TAG_NETWORK, *tags)
    while True:
        yield from unit(words(bits, 256)).tolist()


def city(
    sensors: int = DEMO_SENSORS, seed: int = 1, *, interval_s: int = 60, time_zone: str = "America/Los_Angeles"
) -> City:
    """Lay out a city with exactly this many sensors, each reporting every `interval_s` seconds.

    Raises ValueError when there is no sensor or when the interval does not divide five minutes.
    """
    if sensors < 1:
        raise ValueError(f"a city needs at least one sensor, not {sensors}")
    if interval_s < 1 or 300 % interval_s:
        raise ValueError(f"the reporting interval must divide 300 seconds; {interval_s} does not")
    draw = _uniforms(seed)
    corridors: list[Corridor] = []
    segments: list[Segment] = []
    devices: list[tuple[int, int | None]] = []
    while len(devices) < sensors:
        number, first = len(corridors), len(segments)
        road = _CYCLE[number // 2 % len(_CYCLE)]
        stretches, peak, bottleneck = _corridor(number, road, draw)
        lanes = range(1, road.lanes + 1) if road.per_lane else (None,)
        devices.extend((first + index, lane) for index in range(len(stretches)) for lane in lanes)
        # A city whose sensors run out in the middle of a corridor ends there.
        segments.extend(stretches[: devices[:sensors][-1][0] + 1 - first])
        members = tuple(range(first, len(segments)))
        corridors.append(
            Corridor(stretches[0].corridor_id, road.name, number % 2 == 0, peak, float(bottleneck), members)
        )
    equipped = _equip(seed, segments, devices[:sensors])
    return City(seed, interval_s, time_zone, tuple(corridors), tuple(segments), equipped)


def _corridor(number: int, road: RoadType, draw: Iterator[float]) -> tuple[list[Segment], float, int]:
    """Return a corridor's segments, its peak demand ÷ bottleneck capacity, and that capacity in veh/h.

    Corridors come in pairs: an even number leads inbound, the odd one after it back.
    """
    inbound = number % 2 == 0
    name, north, east = _DIRECTIONS[number // 2 % len(_DIRECTIONS)]
    sign = 1.0 if inbound else -1.0
    corridor_id = f"{road.name[0].upper()}{number // 2 + 1:02d}-{name if inbound else _OPPOSITE[name]}"
    # Parallel roads of a large city lie side by side instead of on top of each other.
    offset = 1.5 * (number // (2 * len(_DIRECTIONS)))
    bottleneck = 5 + int(next(draw) * 2)
    squeezed = round(road.lane_capacity * road.lanes * (0.84 + 0.06 * next(draw)) / 10) * 10
    lengths = [round(road.shortest * (1.0 + 0.55 * next(draw)), 2) for _ in range(road.segments)]
    middle = fsum(lengths) / 2
    segments, position = [], 0.0
    for index, length in enumerate(lengths):
        along = (position + length / 2 - middle) * sign
        north_km, east_km = along * north - offset * east, along * east + offset * north
        segments.append(
            Segment(
                segment_id=f"{corridor_id}-{index + 1:02d}",
                corridor=number,
                corridor_id=corridor_id,
                zone_id=_zone(north_km, east_km),
                road=road.name,
                lanes=road.lanes,
                latitude=round(_CENTRE[0] + north_km / _KM_PER_DEGREE[0], 5),
                longitude=round(_CENTRE[1] + east_km / _KM_PER_DEGREE[1], 5),
                position_km=round(position, 2),
                length_km=length,
                capacity_veh_h=squeezed if index == bottleneck else road.lane_capacity * road.lanes,
                free_flow_kmh=round(road.free_flow * (0.97 + 0.06 * next(draw)), 1),
                speed_limit_kmh=road.speed_limit,
                demand_share=1.0 - (0.055 if index <= bottleneck else 0.07) * abs(bottleneck - index),
            )
        )
        position += length
    low, high = road.peak
    return segments, low + (high - low) * next(draw), squeezed


def _zone(north_km: float, east_km: float) -> str:
    if abs(north_km) < 1.4 and abs(east_km) < 1.4:
        return "centre"
    if north_km >= 0:
        return "hills" if east_km >= 0 else "campus"
    if north_km < -3.5:
        return "airport" if east_km >= 0 else "harbor"
    return "old-town"


def _equip(seed: int, segments: list[Segment], devices: list[tuple[int, int | None]]) -> tuple[Sensor, ...]:
    """Give each device its way of reporting and its fault."""
    count = len(devices)
    draw = _uniforms(seed, 2)
    keys = [next(draw) for _ in range(count)]
    order = sorted(range(count), key=keys.__getitem__)
    fault_of: dict[int, str] = {}
    for fault, share in FAULT_SHARES.items():
        for _ in range(max(1 if count >= 40 else 0, round(share * count))):
            fault_of[order.pop()] = fault
    # Faults are spread over sensors that count and measure speed, so special reporters are chosen among the rest.
    whole_road = [index for index in order if devices[index][1] is None]
    single_lane = [index for index in order if devices[index][1] is not None]
    few = max(1, round(0.012 * count))
    style_of = dict.fromkeys(whole_road[: round(0.08 * count)], "speed_only")
    style_of |= dict.fromkeys(single_lane[:few], "mph") | dict.fromkeys(single_lane[few : 2 * few], "count_only")
    made = []
    for index, (segment_index, lane) in enumerate(devices):
        segment = segments[segment_index]
        by_zone = {"harbor": "capacity", "hills": "weather"}.get(segment.zone_id, "canonical")
        style = style_of.get(index, by_zone)
        # A device broken by "high values" or a frozen occupancy has to be able to report them.
        if fault_of.get(index) in {"stuck", "high_values"} and style == "capacity":
            style = "canonical"
        assumed = round(segment.capacity_veh_h * 0.45 / 10) * 10 if style == "speed_only" else None
        made.append(
            Sensor(
                sensor_id=f"{segment.segment_id}-{'A' if lane is None else lane}",
                segment=segment_index,
                lane=lane,
                lanes_covered=1 if lane is not None else segment.lanes,
                style=style,
                fault=fault_of.get(index, ""),
                assumed_flow_veh_h=assumed,
            )
        )
    return tuple(made)


def registry_csv(city: City) -> str:
    """Return the registry as CSV text with a header, one row per sensor, valid since ever (`valid_from` is empty)."""
    # The assumed flow belongs to the segment, so all its sensors carry the same.
    assumed = {device.segment: device.assumed_flow_veh_h for device in city.sensors if device.assumed_flow_veh_h}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for device in city.sensors:
        road = city.segments[device.segment]
        writer.writerow(
            {
                "sensor_id": device.sensor_id,
                "segment_id": road.segment_id,
                "corridor_id": road.corridor_id,
                "zone_id": road.zone_id,
                "lane": device.lane,
                "lanes": road.lanes,
                "latitude": road.latitude,
                "longitude": road.longitude,
                "position_km": road.position_km,
                "length_km": road.length_km,
                "capacity_veh_h": road.capacity_veh_h,
                "speed_limit_kmh": road.speed_limit_kmh,
                "interval_s": city.interval_s,
                "assumed_flow_veh_h": assumed.get(device.segment),
            }
        )
    return out.getvalue()
