"""METR-LA: 5-minute mean speeds of Los Angeles loop sensors, as a table of intervals × sensors without times.

Row i of `los_speed.csv` is 2012-03-01 00:00 local time + 5 i minutes. The set knows speeds and places only, so the
registry made from it rests on assumptions: each sensor is a segment of 1 km with a flow of 1,500 veh/h, all in one
zone, without corridors, lanes or speed limits. Delays computed from it are therefore relative, not absolute.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson

from ingestion.errors import UnusableFileError
from ingestion.tabular import folder, number, raw_rows, rows

TIME_ZONE = "America/Los_Angeles"
START = datetime(2012, 3, 1)
INTERVAL_S = 300
ZONE_ID = "los-angeles"
ASSUMED_LENGTH_KM = 1.0
ASSUMED_FLOW_VEH_H = 1500
_WHAT = "a METR-LA data set"
_SPEEDS = "los_speed.csv"
_PLACES = "graph_sensor_locations.csv"


def documents(path: str) -> Iterator[bytes]:
    """Return one canonical document per sensor and 5 minutes, in order of time; speeds stay mph and say so.

    An empty cell gives a document without a speed, one that is no number is passed on as text. Raises
    UnusableFileError when the folder or its file cannot be used, or a row has more or fewer cells than sensors.
    """
    file = folder(path, _WHAT, _SPEEDS) / _SPEEDS
    start = START.replace(tzinfo=ZoneInfo(TIME_ZONE)).astimezone(UTC)
    lines = raw_rows(file)
    _, sensors = next(lines, (0, []))
    heads = [b'{"sensor_id":%s,"timestamp":"' % orjson.dumps(sensor) for sensor in sensors]
    for index, (line, cells) in enumerate(lines):
        if len(cells) != len(heads):
            raise UnusableFileError(f"{file}, line {line}: {len(cells)} cells for {len(heads)} sensors.")
        time = (start + timedelta(seconds=index * INTERVAL_S)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        for head, cell in zip(heads, cells, strict=True):
            speed = number(cell)
            if speed is None:
                yield b'%s%s"}' % (head, time)
            else:
                yield b'%s%s","avg_speed":%s,"speed_unit":"mph"}' % (head, time, orjson.dumps(speed))


def registry_rows(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Return (line of the sensor table, registry CSV row) per sensor; see the module for what is assumed.

    Raises UnusableFileError when the folder or its file cannot be used.
    """
    file = folder(path, _WHAT, _PLACES) / _PLACES
    for line, row in rows(file, "sensor_id", "latitude", "longitude"):
        yield (
            line,
            {
                "sensor_id": row["sensor_id"],
                "segment_id": row["sensor_id"],
                "corridor_id": "",
                "zone_id": ZONE_ID,
                "lane": "",
                "lanes": "",
                "latitude": row["latitude"],
                "longitude": row["longitude"],
                "position_km": "",
                "length_km": str(ASSUMED_LENGTH_KM),
                "capacity_veh_h": "",
                "speed_limit_kmh": "",
                "interval_s": str(INTERVAL_S),
                "assumed_flow_veh_h": str(ASSUMED_FLOW_VEH_H),
                "valid_from": "",
            },
        )
