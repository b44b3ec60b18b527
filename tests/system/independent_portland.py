"""The Portland hour, read by pandas straight from its files: raw loop records and what stands where."""

from pathlib import Path

import pandas as pd

INTERVAL_S = 20
# Kilometres in a statute mile.
MILE_KM = 1.609344


def records(folder: Path) -> pd.DataFrame:
    """Return every record: sensor_id, ts (UTC), count, speed_kmh, occupancy_pct, status_ok, and dqflags as published.

    Status 2 is OK, all others are not.
    """
    raw = pd.read_csv(folder / "freeway_loopdata_OneHour.csv", dtype={"detectorid": str})
    local = pd.to_datetime(raw["starttime"], format="%m/%d/%Y %H:%M:%S")
    return pd.DataFrame(
        {
            "sensor_id": raw["detectorid"],
            # Daylight saving time: local is UTC - 7 h.
            "ts": local + pd.Timedelta(hours=7),
            "count": raw["volume"],
            "speed_kmh": raw["speed"] * MILE_KM,
            "occupancy_pct": raw["occupancy"],
            "status_ok": raw["status"] == 2,
            "dqflags": raw["dqflags"],
        }
    )


def sensors(folder: Path) -> pd.DataFrame:
    """Return sensor_id and segment_id of each detector; each is one lane of its station."""
    detectors = pd.read_csv(folder / "freeway_detectors.csv", dtype=str)
    return pd.DataFrame({"sensor_id": detectors["detectorid"], "segment_id": detectors["stationid"]})


def segments(folder: Path) -> pd.DataFrame:
    """Return segment_id, zone_id, length_km, lanes and assumed_flow_veh_h (none) of each station."""
    stations = pd.read_csv(folder / "freeway_stations.csv", dtype={"stationid": str})
    return pd.DataFrame(
        {
            "segment_id": stations["stationid"],
            "zone_id": "portland",
            "length_km": stations["length"] * MILE_KM,
            "lanes": stations["numberlanes"],
            "assumed_flow_veh_h": float("nan"),
        }
    )
