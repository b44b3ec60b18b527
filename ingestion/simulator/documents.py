"""Readings as the JSON documents that devices send, in the order in which they arrive."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ingestion.simulator.devices import LATEST_S, Rows, hour_rows, in_arrival_order
from ingestion.simulator.network import STYLES, City

_CHUNK = 20_000
_HOUR = timedelta(hours=1)
# A reading may also wait for its interval to end, for the network and to be sent a second time.
_WARM_UP_HOURS = LATEST_S // 3600 + 2
# The last entry is what an index of -1, "not sent", finds.
_TENTHS = [f"{value // 10}.{value % 10}" for value in range(4000)] + ["null"]
_MILES = [_TENTHS[round(value * 0.621371192)] for value in range(4000)] + ["null"]
_MILLISECONDS = [f".{value:03d}Z" for value in range(1000)]


def readings(city: City, start: datetime, end: datetime, *, received_at: bool = True) -> Iterator[bytes]:
    """Yield the documents that arrive in [start, end), one JSON object each, in order of arrival.

    Any slice holds the same bytes as the whole. With `received_at` each document says when it arrived, as the
    platform's gateway does; without, it is what the device sends. Raises ValueError for a time without zone.
    """
    for text, arrival in _texts(city, start, end):
        yield f'{text},"received_at":"{arrival}"}}'.encode() if received_at else f"{text}}}".encode()


def deliveries(city: City, start: datetime, end: datetime) -> Iterator[Rows]:
    """Yield the rows (`devices.ROW`) that arrive in [start, end), an hour at a time, in order of arrival."""
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end need a time zone")
    first, last = (round(edge.timestamp() * 1000) for edge in (start, end))
    hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    waiting = [_arriving(hour_rows(city, hour - _HOUR * back), first, last) for back in range(_WARM_UP_HOURS, 0, -1)]
    while hour < end:
        rows = in_arrival_order(np.concatenate([*waiting, _arriving(hour_rows(city, hour), first, last)]))
        hour += _HOUR
        due = int(np.searchsorted(rows["arrival"], int(hour.timestamp()) * 1000))
        waiting = [rows[due:]]
        yield rows[:due]


def _arriving(rows: Rows, first_ms: int, last_ms: int) -> Rows:
    begin, stop = np.searchsorted(rows["arrival"], [first_ms, last_ms])
    return rows[begin:stop]


def _texts(city: City, start: datetime, end: datetime) -> Iterator[tuple[str, str]]:
    """Yield each document without its closing brace, and its time of arrival."""
    for rows in deliveries(city, start, end):
        for begin in range(0, len(rows), _CHUNK):
            chunk = rows[begin : begin + _CHUNK]
            arrival, milliseconds = np.divmod(chunk["arrival"], 1000)
            seconds = _per_value(arrival, lambda value: _instant(value).strftime("%Y-%m-%dT%H:%M:%S"))
            times = [
                second + _MILLISECONDS[millisecond]
                for second, millisecond in zip(seconds, milliseconds.tolist(), strict=True)
            ]
            yield from zip(_bodies(city, chunk), times, strict=True)


def _instant(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


def _per_value(values: np.ndarray, spell: Callable[[int], str]) -> list[str]:
    """Spell each distinct value once."""
    distinct, place = np.unique(values, return_inverse=True)
    return np.array([spell(int(value)) for value in distinct], object)[place].tolist()


def _bodies(city: City, rows: Rows) -> list[str]:
    styles = np.array([STYLES.index(device.style) for device in city.sensors])[rows["sensor"]]
    found = np.empty(len(rows), object)
    for number, style in enumerate(STYLES):
        which = np.flatnonzero(styles == number)
        if len(which):
            found[which] = _SPELL[style](city, rows[which])
    kinds = list(city.defect_shares)
    for place in np.flatnonzero(rows["defect"]).tolist():
        found[place] = _spoilt(found[place], kinds[rows["defect"][place] - 1], rows[place])
    return found.tolist()


def _iso(values: np.ndarray) -> list[str]:
    return _per_value(values, lambda value: _instant(value).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _heads(city: City, rows: Rows) -> list[str]:
    return [f'{{"sensor_id":"{city.sensors[i].sensor_id}","timestamp":' for i in rows["sensor"].tolist()]


def _columns(rows: Rows, *names: str) -> list[list[int]]:
    return [rows[name].tolist() for name in names]


def _canonical(city: City, rows: Rows) -> list[str]:
    return [
        f'{head}"{ts}","vehicle_count":{n},"avg_speed":{_TENTHS[v]},"occupancy":{_TENTHS[o]},"status":"ok"'
        for head, ts, n, v, o in zip(
            _heads(city, rows), _iso(rows["ts"]), *_columns(rows, "count", "speed", "occupancy"), strict=True
        )
    ]


def _mph(city: City, rows: Rows) -> list[str]:
    return [
        f'{head}"{ts}","vehicle_count":{n},"avg_speed":{_MILES[v]},"speed_unit":"mph","occupancy":{_TENTHS[o]}'
        for head, ts, n, v, o in zip(
            _heads(city, rows), _iso(rows["ts"]), *_columns(rows, "count", "speed", "occupancy"), strict=True
        )
    ]


def _capacity_of_interval(city: City, rows: Rows) -> list[int]:
    per_sensor = []
    for device in city.sensors:
        road = city.segments[device.segment]
        per_hour = road.capacity_veh_h * device.lanes_covered // road.lanes
        per_sensor.append(max(per_hour * city.interval_s // 3600, 1))
    return np.array(per_sensor)[rows["sensor"]].tolist()


def _capacity(city: City, rows: Rows) -> list[str]:
    """The payload family that names its capacity and location; its times are epoch seconds, and no speed is 0."""
    zones = [f"{city.segments[device.segment].zone_id}-{device.segment}" for device in city.sensors]
    return [
        f'{head}{ts},"vehicle_count":{n},"average_speed":{_TENTHS[max(v, 0)]},"max_capacity":{most},'
        f'"location_id":"{zones[i]}"'
        for head, ts, n, v, most, i in zip(
            _heads(city, rows),
            rows["ts"].tolist(),
            *_columns(rows, "count", "speed"),
            _capacity_of_interval(city, rows),
            rows["sensor"].tolist(),
            strict=True,
        )
    ]


def _weather(city: City, rows: Rows) -> list[str]:
    """The payload family with weather and an index of its own; its times carry the local offset."""
    zone = ZoneInfo(city.time_zone)
    local = _per_value(rows["ts"], lambda value: _instant(value).astimezone(zone).isoformat())
    zones = [city.segments[device.segment].zone_id for device in city.sensors]
    return [
        f'{head}"{ts}","zone_id":"{zones[i]}","vehicle_count":{n},"avg_speed":{_TENTHS[v]},"occupancy":{_TENTHS[o]},'
        f'"congestion_index":{min(100 * n // most, 100)},"temperature":{t / 10},'
        f'"weather_condition":"{"rain" if wet else "dry"}"'
        for head, ts, n, v, o, t, wet, most, i in zip(
            _heads(city, rows),
            local,
            *_columns(rows, "count", "speed", "occupancy", "temperature", "wet"),
            _capacity_of_interval(city, rows),
            rows["sensor"].tolist(),
            strict=True,
        )
    ]


def _speed_only(city: City, rows: Rows) -> list[str]:
    return [
        f'{head}{ts}000,"avg_speed":{_TENTHS[v]}'
        for head, ts, v in zip(_heads(city, rows), *_columns(rows, "ts", "speed"), strict=True)
    ]


def _count_only(city: City, rows: Rows) -> list[str]:
    return [
        f'{head}"{ts}","vehicle_count":{n},"status":"ok"'
        for head, ts, n in zip(_heads(city, rows), _iso(rows["ts"]), rows["count"].tolist(), strict=True)
    ]


_SPELL = {
    "canonical": _canonical,
    "capacity": _capacity,
    "weather": _weather,
    "mph": _mph,
    "speed_only": _speed_only,
    "count_only": _count_only,
}


def _at(row: np.void, later: timedelta, pattern: str) -> str:
    return (_instant(int(row["ts"])) + later).strftime(pattern)


# What a defect changes in a document, given its row; None takes the member out.
_CHANGES: dict[str, Callable[[np.void], dict[str, object]]] = {
    "wrong_type": lambda _: {"vehicle_count": "many"},
    "negative_count": lambda row: {"vehicle_count": -1 - abs(int(row["count"]))},
    "fractional_count": lambda row: {"vehicle_count": abs(int(row["count"])) + 0.5},
    "speed_900": lambda _: {"avg_speed": 900.0, "average_speed": None, "speed_unit": None},
    "occupancy_140": lambda _: {"occupancy": 140.0},
    "time_without_zone": lambda row: {"timestamp": _at(row, timedelta(0), "%Y-%m-%d %H:%M:%S")},
    "time_absent": lambda _: {"timestamp": None},
    "time_unreadable": lambda _: {"timestamp": "yesterday"},
    # Further ahead than a reading can be held back on its way.
    "future": lambda row: {"timestamp": _at(row, timedelta(seconds=LATEST_S + 7200), "%Y-%m-%dT%H:%M:%SZ")},
    "unknown_sensor": lambda row: {"sensor_id": f"GHOST-{int(row['sensor']):03d}"},
    "sensor_id_absent": lambda _: {"sensor_id": None},
    "status_fault": lambda _: {"status": "fault"},
}


def _spoilt(text: str, kind: str, row: np.void) -> str:
    """Return the document, given and returned without its closing brace, with one defect."""
    if kind == "malformed":
        return text[: len(text) * 3 // 5]
    changes = _CHANGES[kind](row)
    document = json.loads(text + "}") | changes
    kept = {name: value for name, value in document.items() if name not in changes or value is not None}
    return json.dumps(kept, separators=(",", ":"))[:-1]
