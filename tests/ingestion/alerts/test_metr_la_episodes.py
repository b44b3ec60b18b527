"""A real week of Los Angeles: the episodes of its sensors are those that pandas finds in another way.

The alerts' functions, all but their clients, take the documents that devices would send; pandas reads the table of
speeds, takes rolling means on a time index and finds starts and ends by searching sorted times. Each sensor is a
segment; free flow is the 85th percentile of its speeds, the same figure for both.
"""

import math
import os
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ingestion.alerts import anomalies
from ingestion.alerts.episodes import episodes
from ingestion.alerts.judge import judge
from ingestion.alerts.machine import CRITICAL, WARNING, Change, advance, changes, open_alert
from ingestion.alerts.reference import Reference, Segment, Sensor
from ingestion.alerts.segment_stream import packed, unpacked
from ingestion.alerts.thresholds import Thresholds
from ingestion.alerts.tracker import fold
from ingestion.formats import metr_la

MILE_KM = 1.609344
MOST_CONGESTED, EVERY = 40, 10
TEN_MINUTES = pd.Timedelta(minutes=10)


@pytest.fixture(scope="module")
def folder():
    root = Path(os.environ.get("TRAFFICLAKE_SHARED_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
    if not (root / "metr_la_week").is_dir():
        pytest.skip(f"the real set metr_la_week is not at {root} (TRAFFICLAKE_SHARED_DATA names another folder)")
    return root / "metr_la_week"


def speeds_kmh(folder):
    """Return the table of speeds by time and sensor; zero is a sensor that measured nothing."""
    table = pd.read_csv(folder / "los_speed.csv")
    # row i is 2012-03-01 00:00 in Los Angeles, in winter 08:00 UTC, + 5 i minutes
    table.index = pd.date_range("2012-03-01 08:00", periods=len(table), freq="5min", unit="us")
    return (table * MILE_KM).where(table > 0)


def chosen(speeds, free_flow_kmh):
    """Return the sensors with the most stop-and-go, and every tenth of all."""
    slow = (speeds < 0.3 * free_flow_kmh).sum().sort_values(ascending=False)
    return sorted({*slow.index[:MOST_CONGESTED], *speeds.columns[::EVERY]})


def by_pandas(speed_kmh, free_flow_kmh):
    """Return (level, started, escalated, cleared, worst mean) of each episode of a sensor."""
    index = (100 * (free_flow_kmh - speed_kmh) / (0.8 * free_flow_kmh)).clip(0, 100).dropna()
    # float sums leave noise at the thresholds; no mean of two readings in millionths has a seventh digit but 5
    mean = index.round(6).rolling("10min").mean().round(8)
    below = mean < 70
    breaks = (below != below.shift()) | (mean.index.to_series().diff() > TEN_MINUTES)
    since = mean.index.to_series().groupby(breaks.cumsum()).transform("first")
    clear_at = mean.index[below & (mean.index.to_series() - since >= TEN_MINUTES)]
    start_at, critical_at = mean.index[mean > 80], mean.index[mean > 90]
    found, after = [], mean.index[0] - TEN_MINUTES
    while (at := start_at.searchsorted(after, side="right")) < len(start_at):
        started = start_at[at]
        end = clear_at.searchsorted(started, side="right")
        cleared = clear_at[end] if end < len(clear_at) else None
        during = mean[started:cleared]
        critical = critical_at[(critical_at >= started) & (critical_at <= during.index[-1])]
        escalated = critical[0] if len(critical) and critical[0] > started else None
        found.append((CRITICAL if len(critical) else WARNING, started, escalated, cleared, during.max()))
        if cleared is None:
            break
        after = cleared
    return found


def by_the_functions(folder, free_flow_kmh):
    """Return the same of each sensor in `free_flow_kmh`: its documents judged, packed and folded as on the stream."""
    reference = Reference(
        {sensor: Sensor(sensor, None, math.inf) for sensor in free_flow_kmh},
        {sensor: Segment(sensor, None, None, free_flow, None, None) for sensor, free_flow in free_flow_kmh.items()},
    )
    states, told, rules = {}, {sensor: [] for sensor in free_flow_kmh}, anomalies.load()
    arrived_us = int(datetime(2012, 3, 9, tzinfo=UTC).timestamp()) * 1_000_000
    for documents in batched(metr_la.documents(str(folder)), 5000):
        judged = judge(((document, arrived_us) for document in documents), reference, rules)
        records = [unpacked(data) for _, data in packed(judged.readings, arrived_us)]
        folded = fold(records, states, lambda _: {}, Thresholds(), rules)
        states |= folded.states
        for sensor, all_told in folded.told.items():
            told[sensor] += [each for each in all_told if isinstance(each, Change)]
    found = {}
    for sensor, tracked in states.items():
        state, outputs = advance(tracked.state, arrived_us, Thresholds())
        found[sensor] = [
            (e.level, at(e.started_us), at(e.escalated_us), at(e.cleared_us), e.worst_index)
            for e in episodes(sensor, told[sensor] + changes(outputs), open_alert(state))
        ]
    return found


def batched(documents, size):
    while batch := list(islice(documents, size)):
        yield batch


def at(time_us):
    return None if time_us is None else pd.Timestamp(time_us, unit="us")


def test_episodes_of_a_real_week_are_those_that_pandas_finds(folder):
    speeds = speeds_kmh(folder)
    free_flow_kmh = speeds.quantile(0.85)
    sensors = chosen(speeds, free_flow_kmh)
    found = by_the_functions(folder, {sensor: float(free_flow_kmh[sensor]) for sensor in sensors})
    for sensor in sensors:
        expected = by_pandas(speeds[sensor], free_flow_kmh[sensor])
        assert [episode[:4] for episode in found[sensor]] == [episode[:4] for episode in expected], sensor
        np.testing.assert_allclose(
            [episode[4] for episode in found[sensor]], [episode[4] for episode in expected], atol=2e-6
        )
    all_found = [episode for sensor in sensors for episode in found[sensor]]
    # the week must try every kind of episode, or the comparison says little
    assert len(sensors) >= MOST_CONGESTED
    assert len(all_found) > 400
    assert {level for level, *_ in all_found} == {WARNING, CRITICAL}
    assert any(escalated is not None for _, _, escalated, _, _ in all_found)
