"""How the traffic of one day moves: a cell transmission model in steps of 30 seconds.

Each segment is a cell with a fundamental diagram q(k): below the critical density the speed falls slightly with
density, above it the flow falls linearly to nothing at the jam density. What a cell sends is limited by what the
next one can take, so a queue grows upstream from a bottleneck, an incident or a full on-ramp, and dissolves again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np

from ingestion.simulator import day as calendar
from ingestion.simulator.network import City
from ingestion.simulator.randomness import Floats

STEP_S = 30
JAM_VEH_KM_LANE = 125.0
# Speed lost between an empty road and one at capacity.
_SLOWING = 0.14
# A queue discharges less than the road carried before it broke down.
_DISCHARGE = 0.94
_RAMP_PRIORITY = 0.25


@dataclass(frozen=True, eq=False)
class DayState:
    """Per minute (rows, from `start`, UTC) and segment (columns): flow veh/h, speed km/h and density veh/km over all
    lanes with q = k·v, the capacity veh/h then in force, and per minute the intensity of rain and the temperature."""

    start: datetime
    flow: Floats
    speed: Floats
    density: Floats
    capacity: Floats
    rain: Floats
    temperature: Floats


@dataclass(frozen=True, eq=False)
class _Roads:
    """Constant arrays over cells."""

    length: Floats
    lanes: Floats
    capacity: Floats
    free_flow: Floats
    first: np.ndarray
    last: np.ndarray
    corridor: np.ndarray
    share: Floats
    ramp: Floats
    through: Floats


@lru_cache(maxsize=4)
def _roads(city: City) -> _Roads:
    cells = city.segments
    share = np.array([cell.demand_share for cell in cells])
    corridor = np.array([cell.corridor for cell in cells])
    first = np.r_[True, corridor[1:] != corridor[:-1]]
    last = np.r_[corridor[1:] != corridor[:-1], True]
    rise = np.r_[0.0, share[1:] - share[:-1]]
    ratio = np.r_[share[1:] / share[:-1], 1.0]
    return _Roads(
        length=np.array([cell.length_km for cell in cells]),
        lanes=np.array([float(cell.lanes) for cell in cells]),
        capacity=np.array([float(cell.capacity_veh_h) for cell in cells]),
        free_flow=np.array([cell.free_flow_kmh for cell in cells]),
        first=first,
        last=last,
        corridor=corridor,
        share=share,
        ramp=np.where(first, share, np.maximum(rise, 0.0)),
        through=np.where(last, 1.0, np.minimum(ratio, 1.0)),
    )


@dataclass(frozen=True, eq=False)
class _Conditions:
    """What weather and incidents leave of the roads: arrays over cells for the steps [begin, end)."""

    begin: int
    end: int
    capacity: Floats
    free_flow: Floats
    critical: Floats
    jam: Floats
    wave: Floats


def _conditions(city: City, day: date) -> Iterator[_Conditions]:
    """Yield stretches of unchanged conditions, together the whole day."""
    roads = _roads(city)
    start, end = calendar.day_bounds(city, day)
    accidents, sky = calendar.incidents(city, day), calendar.weather(city, day)
    edges = {start, end, sky.start, sky.end, *(i.start for i in accidents), *(i.end for i in accidents)}
    instants = sorted(edge for edge in edges if start <= edge <= end)
    for begin, finish in pairwise(instants):
        open_share = np.ones(len(city.segments))
        for accident in accidents:
            if accident.start <= begin < accident.end:
                lanes = city.segments[accident.segment].lanes
                # Beside a closed lane drivers slow down to look.
                open_share[accident.segment] = (lanes - accident.lanes_closed) / lanes * 0.88
        rain = sky.intensity if sky.start <= begin < sky.end else 0.0
        capacity = roads.capacity * open_share * (1.0 - 0.11 * rain)
        free_flow = roads.free_flow * (1.0 - 0.07 * rain)
        critical = capacity / (free_flow * (1.0 - _SLOWING))
        jam = JAM_VEH_KM_LANE * roads.lanes * open_share
        yield _Conditions(
            begin=int((begin - start).total_seconds()) // STEP_S,
            end=int((finish - start).total_seconds()) // STEP_S,
            capacity=capacity,
            free_flow=free_flow,
            critical=critical,
            jam=jam,
            wave=capacity / (jam - critical),
        )


def _speed_and_flow(density: Floats, now: _Conditions) -> tuple[Floats, Floats]:
    """Speed and flow on the fundamental diagram; q = k·v by construction."""
    free = now.free_flow * (1.0 - _SLOWING * density / now.critical)
    queued = now.wave * (now.jam - density) / np.maximum(density, now.critical)
    # Where a lane closes, more vehicles than its jam density may stand for a moment; they crawl.
    speed = np.where(density <= now.critical, free, np.maximum(queued, 2.0))
    return speed, np.minimum(density * speed, now.capacity)


@lru_cache(maxsize=4)
def day_state(city: City, day: date) -> DayState:
    """Simulate one traffic day of the city."""
    roads = _roads(city)
    start, end = calendar.day_bounds(city, day)
    steps = int((end - start).total_seconds()) // STEP_S
    wanted = np.array(calendar.demand(city, day))[:, roads.corridor] * roads.ramp
    # Demand is interpolated between quarter hours, so that no step of it makes a queue.
    wanted = np.vstack([wanted, wanted[-1:]])
    per_quarter = 900 // STEP_S
    hours = STEP_S / 3600.0
    minutes = steps * STEP_S // 60
    kind = np.float64 if len(city.segments) < 2000 else np.float32
    flow, speed, density, limit = (np.empty((minutes, len(city.segments)), kind) for _ in range(4))

    k = (
        wanted[0][roads.first][np.cumsum(roads.first) - 1]
        * roads.share
        / roads.share[roads.first][np.cumsum(roads.first) - 1]
    )
    k = k / roads.free_flow
    waiting = np.zeros(len(city.segments))
    arriving, sent_on = np.zeros(len(k)), np.empty(len(k))
    for now in _conditions(city, day):
        for step in range(now.begin, now.end):
            v, q = _speed_and_flow(k, now)
            if step % 2 == 0:
                minute = step // 2
                flow[minute], speed[minute], density[minute], limit[minute] = k * v, v, k, now.capacity
            quarter, part = divmod(step, per_quarter)
            joining = wanted[quarter] + (wanted[quarter + 1] - wanted[quarter]) * (part / per_quarter)
            sending = np.where(k <= now.critical, q, np.minimum(_DISCHARGE * now.capacity, k * roads.length / hours))
            space = np.maximum(np.minimum(now.capacity, now.wave * (now.jam - k)), 0.0)
            arriving[1:] = (sending * roads.through)[:-1]
            arriving[roads.first] = 0.0
            ramp = waiting / hours + joining
            entering = np.minimum(ramp, np.maximum(space - arriving, _RAMP_PRIORITY * space))
            entering = np.where(roads.first, np.minimum(ramp, space), entering)
            main = np.minimum(arriving, space - entering)
            sent_on[:-1] = main[1:] / roads.through[:-1]
            leaving = np.where(roads.last, sending, sent_on)
            waiting = np.maximum(waiting + (joining - entering) * hours, 0.0)
            k = np.maximum(k + (main + entering - leaving) * hours / roads.length, 0.0)
    rain, temperature = _sky(city, day, start, minutes)
    return DayState(start, flow, speed, density, limit, rain, temperature)


def _sky(city: City, day: date, start: datetime, minutes: int) -> tuple[Floats, Floats]:
    """Intensity of rain and temperature per minute; it is warmest in the afternoon."""
    sky = calendar.weather(city, day)
    minute = np.arange(minutes)
    begin, end = ((edge - start) // timedelta(minutes=1) for edge in (sky.start, sky.end))
    rain = np.where((minute >= begin) & (minute < end), sky.intensity, 0.0)
    from_warmest = np.abs(minute - 12 * 60) / 720.0
    warmer = np.maximum(1.0 - 1.2 * from_warmest * from_warmest, -0.2)
    return rain, sky.temperature_c - 4.0 + 7.0 * warmer - 2.0 * rain
