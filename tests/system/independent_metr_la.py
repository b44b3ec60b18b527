"""The Los Angeles week, read by pandas straight from its files: 5-minute speeds of 207 sensors."""

from pathlib import Path

import pandas as pd

INTERVAL_S = 300
MILE_KM = 1.609344
# What the file does not say and the product's documentation of the set assumes.
LENGTH_KM = 1.0
FLOW_VEH_H = 1500.0


def records(folder: Path) -> pd.DataFrame:
    """Return every record: sensor_id, ts (UTC), speed_kmh; count and occupancy_pct are NaN, status_ok is true.

    Row i is 2012-03-01 00:00 local time + 5 i minutes; in winter local is UTC - 8 h.
    """
    long = pd.read_csv(folder / "los_speed.csv").stack().rename_axis(["row", "sensor_id"]).reset_index(name="mph")
    start = pd.Timestamp("2012-03-01 08:00")
    return pd.DataFrame(
        {
            "sensor_id": long["sensor_id"],
            "ts": start + pd.to_timedelta(5 * long["row"], unit="min"),
            "count": float("nan"),
            "speed_kmh": long["mph"] * MILE_KM,
            "occupancy_pct": float("nan"),
            "status_ok": True,
        }
    )


def sensors(folder: Path) -> pd.DataFrame:
    """Return sensor_id and segment_id: each sensor is a segment."""
    places = pd.read_csv(folder / "graph_sensor_locations.csv", dtype={"sensor_id": str})
    return pd.DataFrame({"sensor_id": places["sensor_id"], "segment_id": places["sensor_id"]})


def segments(folder: Path) -> pd.DataFrame:
    """Return segment_id, zone_id, length_km, lanes and assumed_flow_veh_h of each segment."""
    return sensors(folder)[["segment_id"]].assign(
        zone_id="los-angeles", length_km=LENGTH_KM, lanes=1, assumed_flow_veh_h=FLOW_VEH_H
    )
