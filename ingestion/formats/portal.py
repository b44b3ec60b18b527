"""PORTAL (Portland State University / ODOT) 20-second loop detector data: the folder of the "Portland test data set".

A detector is a sensor, a station is a segment, a highway in one direction is a corridor. Times are local.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

import orjson

from ingestion.tabular import folder, number, rows

TIME_ZONE = "America/Los_Angeles"
INTERVAL_S = 20
ZONE_ID = "portland"
KM_PER_MILE = 1.609344
STATUS = {
    "0": "inhibited",
    "1": "disabled",
    "2": "OK",
    "3": "suspect",
    "4": "soft-failed",
    "5": "hard-failed",
}
_WHAT = "a PORTAL data set"
_DATA = "freeway_loopdata*.csv"
_TABLES = ("freeway_detectors.csv", "freeway_stations.csv", "highways.csv")


def documents(path: str) -> Iterator[bytes]:
    """Return one canonical document per 20-second record, in the order of the files; times become UTC.

    A cell that is empty is left out, one that is no number is passed on as text. Speeds stay mph and say so.
    Raises UnusableFileError when the folder or a file of it cannot be used.
    """
    for file in sorted(folder(path, _WHAT, _DATA).glob(_DATA)):
        for _, row in rows(file, "detectorid", "starttime", "volume", "speed", "occupancy", "status"):
            speed = number(row["speed"])
            document = {
                "sensor_id": row["detectorid"],
                "timestamp": _utc(row["starttime"]),
                "vehicle_count": number(row["volume"]),
                "avg_speed": speed,
                "speed_unit": None if speed is None else "mph",
                "occupancy": number(row["occupancy"]),
                "status": STATUS.get(row["status"], row["status"] or None),
            }
            yield orjson.dumps({key: value for key, value in document.items() if value is not None})


def registry_rows(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Return (line of the detector table, registry CSV row) per detector and station row of its station.

    Mileposts rise northwards and eastwards, so a position counts down where the road runs south or west. A
    detector whose station is unknown comes without a length, one whose station is listed twice comes twice: the
    registry's own rules refuse or collapse those. The set knows neither capacities nor speed limits; that all
    detectors lie in one zone, `portland`, is an assumption.
    """
    home = folder(path, _WHAT, *_TABLES)
    highways = {
        row["highwayid"]: row for _, row in rows(home / "highways.csv", "highwayid", "direction", "highwayname")
    }
    stations: dict[str, list[dict[str, str]]] = {}
    for _, row in rows(
        home / "freeway_stations.csv", "stationid", "highwayid", "milepost", "numberlanes", "latlon", "length"
    ):
        stations.setdefault(row["stationid"], []).append(row)
    for line, row in rows(home / "freeway_detectors.csv", "detectorid", "lanenumber", "stationid"):
        for station in stations.get(row["stationid"], [{}]):
            yield line, _registry_row(row, station, highways.get(station.get("highwayid", ""), {}))


def _registry_row(detector: dict[str, str], station: dict[str, str], highway: dict[str, str]) -> dict[str, str]:
    latitude, _, longitude = station.get("latlon", "").partition(",")
    downstream = -1 if highway.get("direction") in ("SOUTH", "WEST") else 1
    return {
        "sensor_id": detector["detectorid"],
        "segment_id": detector["stationid"],
        "corridor_id": f"{highway['highwayname']} {highway['direction']}" if highway else "",
        "zone_id": ZONE_ID,
        "lane": detector["lanenumber"],
        "lanes": station.get("numberlanes", ""),
        "latitude": latitude.strip(),
        "longitude": longitude.strip(),
        "position_km": _kilometres(station.get("milepost", ""), downstream),
        "length_km": _kilometres(station.get("length", ""), 1),
        "capacity_veh_h": "",
        "speed_limit_kmh": "",
        "interval_s": str(INTERVAL_S),
        "assumed_flow_veh_h": "",
        "valid_from": "",
    }


def _kilometres(miles: str, sign: int) -> str:
    value = number(miles)
    return str(round(sign * value * KM_PER_MILE, 9)) if isinstance(value, int | float) else miles


@cache
def _utc(text: str) -> str:
    """Return a local time as UTC; what is no such time is passed on as it is, to be refused as unreadable."""
    try:
        local = datetime.strptime(text, "%m/%d/%Y %H:%M:%S").replace(tzinfo=ZoneInfo(TIME_ZONE))
    except ValueError:
        return text
    return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
