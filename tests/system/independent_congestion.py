"""Congestion by the metrics definition, computed a second time: pandas, straight sums, nothing of the product.

Samples become 5 minutes per sensor, then per segment, then hours and days of segments and zones. The sets have no
speed limits and no capacities, so free flow is always estimated and an index always rests on speed.
"""

import numpy as np
import pandas as pd
from independent_flags import KEEPS_OUT

FIVE_MINUTES = pd.Timedelta(minutes=5)
# Share of the free-flow speed that is lost at an index of 100, and share below which five minutes are congested.
LOST_AT_100 = 0.8
CONGESTED_BELOW = 0.9
RELIABLE_FROM = 0.8
# Differences of speeds that are below this, km/h, are no differences.
ROUNDING = 1e-9


def sensor_5min(samples: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    """Return one row per sensor and interval with samples: observed, volume_veh, speed_kmh, and each flag.

    A sample is observed where a count or a speed of it is usable, that is, sent and not kept out by a flag. Speed is
    the space mean over the samples with vehicles; the harmonic mean where the sensor sends no counts.
    """
    usable = {
        what: samples[column].mask(flags[[flag for flag, out in KEEPS_OUT.items() if what in out]].any(axis=1))
        for what, column in (("count", "count"), ("speed", "speed_kmh"))
    }
    count, speed = usable["count"], usable["speed"]
    passed = (count > 0) & (speed > 0)
    table = pd.DataFrame(
        {
            "sensor_id": samples["sensor_id"],
            "interval_start": samples["ts"].dt.floor(FIVE_MINUTES),
            "observed": count.notna() | speed.notna(),
            "volume_veh": count,
            "passed": count.where(passed),
            "passed_h_per_km": (count / speed).where(passed),
            "speeds": (speed > 0).astype(float),
            "h_per_km": (1 / speed).where(speed > 0),
            "sends_counts": samples["count"].notna(),
        }
    ).join(flags)
    by_interval = table.groupby(["sensor_id", "interval_start"])
    added = by_interval[["observed", "volume_veh", "passed", "passed_h_per_km", "speeds", "h_per_km"]].sum(min_count=1)
    any_of = by_interval[["sends_counts", *flags.columns]].any()
    harmonic = (added["speeds"] / added["h_per_km"]).where(~any_of["sends_counts"])
    speed_kmh = (added["passed"] / added["passed_h_per_km"]).fillna(harmonic)
    found = added[["observed", "volume_veh"]].assign(speed_kmh=speed_kmh).join(any_of[list(flags.columns)])
    return found.reset_index()


def segment_5min(
    intervals: pd.DataFrame, sensors: pd.DataFrame, segments: pd.DataFrame, interval_s: int
) -> pd.DataFrame:
    """Return one row per segment and 5 minutes, with vkt, vht, and samples observed and expected.

    Volumes of the lanes are added; where only some lanes have one, their sum stands for all lanes. A segment whose
    sensors send speed but no count has its assumed flow spread evenly, and no volume where that is unknown.
    """
    known = intervals.merge(sensors, on="sensor_id")
    known["lane_h_per_km"] = known["volume_veh"] / known["speed_kmh"]
    known["with_speed"] = known["volume_veh"].where(known["speed_kmh"].notna())
    by_segment = known.groupby(["segment_id", "interval_start"])
    rows = by_segment[["observed", "volume_veh", "lane_h_per_km", "with_speed"]].sum(min_count=1)
    rows["lanes_counted"] = by_segment["volume_veh"].count()
    # Without any count the segments of these sets have one sensor.
    rows["speed_kmh"] = (rows["with_speed"] / rows["lane_h_per_km"]).fillna(by_segment["speed_kmh"].max())
    rows = rows.reset_index().merge(segments, on="segment_id")
    scaled = rows["volume_veh"] * rows["lanes"] / rows["lanes_counted"]
    assumed = (rows["assumed_flow_veh_h"] / 12).where(rows["speed_kmh"].notna())
    rows["volume_veh"] = scaled.where(rows["lanes_counted"] > 0, assumed)
    rows["expected"] = rows["lanes"] * 300 / interval_s
    rows["vkt"] = rows["volume_veh"] * rows["length_km"]
    # Where nobody passed, nobody spent time.
    rows["vht"] = (rows["vkt"] / rows["speed_kmh"]).mask(rows["volume_veh"] == 0, 0)
    return rows


def free_flow(rows: pd.DataFrame) -> pd.Series:
    """Return each segment's free-flow speed, km/h: the 85th percentile of its 5-minute speeds in off-peak hours.

    Off-peak is 09-16 and 19-22 on weekdays, 06-22 at weekends, local; without any such speed all hours count. The
    percentile lies between its two neighbours, in proportion. `rows` have `local`.
    """
    hour, is_weekend = rows["local"].dt.hour, rows["local"].dt.day_of_week >= 5
    on_weekday = hour.between(9, 15) | hour.between(19, 21)
    off_peak = on_weekday.where(~is_weekend, hour.between(6, 21))
    with_speed = rows[rows["speed_kmh"].notna()].assign(off_peak=off_peak)
    estimates = {}
    for segment, speeds in with_speed.groupby("segment_id"):
        quiet = speeds[speeds["off_peak"]]
        estimates[segment] = np.percentile((quiet if len(quiet) else speeds)["speed_kmh"], 85, method="linear")
    return pd.Series(estimates, dtype=float)


def measured(rows: pd.DataFrame, free_flow_kmh: pd.Series) -> pd.DataFrame:
    """Add what 5 minutes lose against free flow: delay_veh_h, congestion_index, is_congested, free_flow_vht.

    `is_on_the_edge` where the speed is 0.9 x free flow but for rounding: arithmetic in doubles may call it either.
    """
    reference = rows["segment_id"].map(free_flow_kmh)
    ideal = rows["vkt"] / reference
    lost = (reference - rows["speed_kmh"]) / (LOST_AT_100 * reference)
    below = rows["speed_kmh"] - CONGESTED_BELOW * reference
    return rows.assign(
        free_flow_kmh=reference,
        free_flow_vht=ideal.where(rows["vht"].notna()),
        delay_veh_h=(rows["vht"] - ideal).clip(lower=0).mask(rows["vkt"] == 0, 0),
        congestion_index=100 * lost.clip(0, 1),
        is_congested=below < -ROUNDING,
        is_on_the_edge=below.abs() <= ROUNDING,
    )


def rolled_up(rows: pd.DataFrame, keys: list[str], expected: pd.Series) -> pd.DataFrame:
    """Return the measures of each cell, by `keys`; `expected` gives the samples that a whole cell should have.

    Sums are of the 5-minute values; speed is Σ vkt ÷ Σ vht and the travel time index Σ vht ÷ Σ (vkt ÷ free flow),
    both over the 5 minutes whose travel time is known; the mean index is weighted by the share that was observed.
    """
    has_index = rows["congestion_index"].notna()
    share = (rows["observed"] / rows["expected"]).where(has_index)
    table = rows.assign(
        known_vkt=rows["vkt"].where(rows["vht"].notna()),
        weight=share,
        weighted_index=rows["congestion_index"] * share,
        congested_minutes=5 * rows["is_congested"].astype(int),
        edge_minutes=5 * rows["is_on_the_edge"].astype(int),
    )
    cells = table.groupby(keys)
    added = cells[
        [
            *("volume_veh", "vkt", "vht", "delay_veh_h", "known_vkt", "free_flow_vht", "weight", "weighted_index"),
            *("congested_minutes", "edge_minutes", "observed"),
        ]
    ].sum(min_count=1)
    index = cells["congestion_index"]
    observed_share = added["observed"] / added.reset_index()[keys[0]].map(expected).to_numpy()
    return added[["volume_veh", "vkt", "vht", "delay_veh_h", "congested_minutes", "edge_minutes"]].assign(
        speed_kmh=added["known_vkt"] / added["vht"].where(added["vht"] > 0),
        travel_time_index=added["vht"] / added["free_flow_vht"].where(added["free_flow_vht"] > 0),
        congestion_index_avg=added["weighted_index"] / added["weight"],
        congestion_index_min=index.min(),
        congestion_index_max=index.max(),
        observed_share=observed_share,
        is_reliable=observed_share >= RELIABLE_FROM,
    )
