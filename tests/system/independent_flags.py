"""What is doubtful about a sample: the rules of the metrics definition and of the contract, said a second time.

Nothing here imports the product: the tests compare the two.
"""

import pandas as pd

# The contract's own words on what a flag keeps out of the measures; flags that are not listed keep nothing out.
KEEPS_OUT = {
    "occupancy_above_95_pct": {"count", "speed"},
    "speed_above_160_kmh": {"speed"},
    "speed_zero_with_count": {"speed"},
    "speed_without_count": {"speed"},
    "occupancy_without_count": {"count"},
    "device_status_not_ok": {"count", "speed"},
    "count_above_physical_limit": {"count", "speed"},
    "stuck": {"count", "speed"},
}
# These need the registry or the sensor's other samples, so they are known at 5 minutes only.
OF_SERIES = ("count_above_physical_limit", "stuck")


def flags(samples: pd.DataFrame, interval_s: int) -> pd.DataFrame:
    """Return a table of booleans, one row per sample and one column per flag that these samples can have.

    `samples` has sensor_id, ts (UTC), count, speed_kmh, occupancy_pct (NaN: not sent) and status_ok, of sensors that
    cover one lane each. A comparison with what was not sent is false.
    """
    count, speed, occupancy = samples["count"], samples["speed_kmh"], samples["occupancy_pct"]
    return pd.DataFrame(
        {
            "occupancy_above_95_pct": occupancy > 95,
            "speed_above_160_kmh": speed > 160,
            "speed_below_8_kmh": speed < 8,
            "speed_zero_with_count": (speed == 0) & (count > 0),
            "speed_without_count": (speed > 0) & (count == 0),
            "occupancy_without_count": (occupancy > 0) & (count == 0),
            "device_status_not_ok": ~samples["status_ok"],
            # 17 vehicles in 20 seconds on one lane.
            "count_above_physical_limit": count > 17 * interval_s / 20,
            "stuck": _stuck(samples),
        }
    )


def _stuck(samples: pd.DataFrame) -> pd.Series:
    """Return whether the sensor has been saying the same, not all zero, for an hour and ten samples by then.

    A silence of more than 10 minutes ends a repetition. The samples of the first hour are not stuck: nobody could
    have known.
    """
    said = samples[["count", "speed_kmh", "occupancy_pct"]].fillna(-1)
    seconds = (samples["ts"] - pd.Timestamp("1970-01-01")) // pd.Timedelta(seconds=1)
    in_order = samples.sort_values(["sensor_id", "ts"]).index
    stuck = []
    last, last_at, since, repeated = None, 0, 0, 0
    columns = (samples.loc[in_order, "sensor_id"], *(said.loc[in_order, name] for name in said), seconds[in_order])
    for sensor, count, speed, occupancy, now_at in zip(*map(pd.Series.tolist, columns), strict=True):
        now = (sensor, count, speed, occupancy)
        if now == last and now_at - last_at <= 600:
            repeated += 1
        else:
            since, repeated = now_at, 1
        last, last_at = now, now_at
        stuck.append(now_at - since >= 3600 and repeated >= 10 and max(count, speed, occupancy) > 0)
    return pd.Series(stuck, index=in_order).reindex(samples.index)
