"""What a day brings to the city: its type, demand, weather and incidents.

A traffic day begins at 03:00 local time, when the roads are empty, so that days do not depend on each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ingestion.simulator.network import City
from ingestion.simulator.randomness import stream, unit, words

DAY_STARTS = time(3)

_TAG_DAY, _TAG_INCIDENTS, _TAG_WEATHER = 10, 11, 12

# Demand at each full local hour, 0 to 24, as a share of the peak. A corridor's inbound direction is worst in the
# morning, the other one in the afternoon.
_MORNING_PEAK = [
    *(0.10, 0.07, 0.06, 0.07, 0.14, 0.36, 0.76, 1.00, 0.97, 0.78, 0.66, 0.64),
    *(0.66, 0.67, 0.71, 0.78, 0.83, 0.84, 0.69, 0.51, 0.42, 0.36, 0.26, 0.17, 0.10),
]
_AFTERNOON_PEAK = [
    *(0.10, 0.07, 0.06, 0.06, 0.10, 0.24, 0.55, 0.76, 0.78, 0.68, 0.64, 0.67),
    *(0.70, 0.72, 0.79, 0.92, 0.99, 1.00, 0.82, 0.58, 0.46, 0.39, 0.29, 0.19, 0.10),
]
_DAY_OFF = [
    *(0.16, 0.12, 0.09, 0.07, 0.08, 0.12, 0.20, 0.30, 0.42, 0.55, 0.66, 0.73),
    *(0.77, 0.77, 0.75, 0.73, 0.71, 0.68, 0.62, 0.53, 0.44, 0.37, 0.30, 0.23, 0.16),
]
_WEEKDAY_LEVEL = (0.97, 0.99, 1.0, 1.01, 1.02)
_SATURDAY_LEVEL, _SUNDAY_LEVEL, _HOLIDAY_LEVEL = 1.0, 0.86, 0.78

# Mean temperature, °C, in the middle of each month from January; between the middles it is interpolated.
_MONTH_TEMPERATURE = (5.0, 6.5, 9.0, 12.0, 15.5, 18.5, 21.5, 21.5, 18.0, 12.5, 8.0, 5.0)


@dataclass(frozen=True)
class Incident:
    """Lanes of a segment closed during [start, end), UTC."""

    segment: int
    lanes_closed: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Weather:
    """Rain during [start, end), UTC, with an intensity of 0 to 1 (0: a dry day), and the day's mean in °C."""

    intensity: float
    start: datetime
    end: datetime
    temperature_c: float


def us_federal_holidays(year: int) -> set[date]:
    """Return the federal holidays of a year on the day itself, without substitute days."""

    def nth(month: int, weekday: int, number: int) -> date:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))

    memorial = date(year, 5, 31)
    memorial -= timedelta(days=memorial.weekday())
    fixed = {date(year, 1, 1), date(year, 6, 19), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)}
    return fixed | {nth(1, 0, 3), nth(2, 0, 3), memorial, nth(9, 0, 1), nth(10, 0, 2), nth(11, 3, 4)}


def traffic_day(city: City, instant: datetime) -> date:
    """Return the local date whose traffic day (03:00 to 03:00) the instant lies in."""
    local = instant.astimezone(ZoneInfo(city.time_zone))
    return local.date() - timedelta(days=1) if local.time() < DAY_STARTS else local.date()


def day_bounds(city: City, day: date) -> tuple[datetime, datetime]:
    """Return start and end, UTC, of a traffic day: 23, 24 or 25 hours."""
    zone = ZoneInfo(city.time_zone)
    start, end = (datetime.combine(d, DAY_STARTS, zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    return start, end


def _draws(city: City, tag: int, day: date) -> Iterator[float]:
    bits = stream(city.seed, tag, day.toordinal())
    while True:
        yield from unit(words(bits, 256)).tolist()


def _profile(day: date, inbound: bool) -> tuple[list[float], float]:
    if day in us_federal_holidays(day.year):
        return _DAY_OFF, _HOLIDAY_LEVEL
    if day.weekday() >= 5:
        return _DAY_OFF, _SATURDAY_LEVEL if day.weekday() == 5 else _SUNDAY_LEVEL
    return (_MORNING_PEAK if inbound else _AFTERNOON_PEAK), _WEEKDAY_LEVEL[day.weekday()]


def demand(city: City, day: date) -> list[list[float]]:
    """Return per quarter hour of the traffic day and per corridor the demand at the bottleneck, veh/h."""
    start, end = day_bounds(city, day)
    zone = ZoneInfo(city.time_zone)
    draw = _draws(city, _TAG_DAY, day)
    levels = [0.985 + 0.03 * next(draw) for _ in city.corridors]
    rows, instant = [], start
    while instant < end:
        local = instant.astimezone(zone)
        hour, share = local.hour, local.minute / 60.0
        row = []
        for corridor, level in zip(city.corridors, levels, strict=True):
            shape, height = _profile(local.date(), corridor.inbound)
            value = shape[hour] + (shape[hour + 1] - shape[hour]) * share
            noise = 0.97 + 0.06 * next(draw)
            row.append(value * height * level * noise * corridor.peak * corridor.bottleneck_capacity_veh_h)
        rows.append(row)
        instant += timedelta(minutes=15)
    return rows


def incidents(city: City, day: date) -> list[Incident]:
    """Return the incidents of a traffic day, at most one per corridor; starts and ends are full minutes."""
    start, _ = day_bounds(city, day)
    draw = _draws(city, _TAG_INCIDENTS, day)
    found = []
    for corridor in city.corridors:
        happens, place, when, length, severity = (next(draw) for _ in range(5))
        if happens < 0.12:
            segment = corridor.segments[int(place * len(corridor.segments))]
            begin = start + timedelta(minutes=180 + int(when * 14 * 60))
            lanes = city.segments[segment].lanes
            closed = 2 if severity > 0.8 and lanes > 2 else 1
            found.append(Incident(segment, closed, begin, begin + timedelta(minutes=20 + int(length * 55))))
    return found


def weather(city: City, day: date) -> Weather:
    """Return the weather of a traffic day; a spell of rain lasts two to eight hours on about a quarter of the days."""
    start, _ = day_bounds(city, day)
    draw = _draws(city, _TAG_WEATHER, day)
    rains, intensity, begins, lasts, warmth = (next(draw) for _ in range(5))
    begin = start + timedelta(minutes=int(begins * 15 * 60))
    end = begin + timedelta(minutes=120 + int(lasts * 360))
    month = (day.month - 1) + (day.day - 15) / 30.0
    before = int(month + 12) % 12
    share = month + 12 - int(month + 12)
    mean = _MONTH_TEMPERATURE[before] + (_MONTH_TEMPERATURE[(before + 1) % 12] - _MONTH_TEMPERATURE[before]) * share
    return Weather(0.3 + 0.7 * intensity if rains < 0.27 else 0.0, begin, end, mean + 8.0 * (warmth - 0.5))
