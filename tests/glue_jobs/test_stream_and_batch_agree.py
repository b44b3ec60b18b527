"""The same readings give the same episodes from the stream's functions and from the batch job's fold."""

import json
import math

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from glue_jobs.episodes import _readings, fold
from ingestion.alerts import anomalies, tracker
from ingestion.alerts.episodes import episodes
from ingestion.alerts.judge import judge
from ingestion.alerts.machine import Change, advance, changes, open_alert
from ingestion.alerts.reference import Reference, Segment, Sensor
from ingestion.alerts.segment_stream import packed, unpacked
from ingestion.alerts.thresholds import Thresholds
from ingestion.generated_reading import reading

SECOND_US = 1_000_000
START_US = 1_772_438_400_000_000
# Long after the readings: none is in the future, and what the batch knows of arrivals says nothing of their order.
ARRIVED_US = START_US + 86_400 * SECOND_US
UNTIL_US = ARRIVED_US
FREE_FLOW_KMH, CAPACITY_VEH = 100.0, 12.0
THRESHOLDS = Thresholds(window_s=120, clear_for_s=120)
SENSORS = ("a", "b", "c")
REFERENCE = Reference(
    {sensor: Sensor("s", CAPACITY_VEH, math.inf) for sensor in SENSORS},
    {"s": Segment("s", "Z", None, FREE_FLOW_KMH, None, None)},
)


@st.composite
def documents(draw):
    """Draw documents in order of time: jams and free flow, counts without speed, zeros, faults, readings of no use."""
    found, at_us = [], START_US
    for _ in range(draw(st.integers(1, 8))):
        speed = draw(st.sampled_from([8.0, 15.0, 30.0, 45.0, 95.0]))
        for _ in range(draw(st.integers(1, 12))):
            at_us += draw(st.sampled_from([5, 20, 20, 200])) * SECOND_US
            for sensor in draw(st.sets(st.sampled_from(SENSORS), min_size=1)):
                sent = {"sensor_id": sensor, "timestamp": at_us // 1000}
                kind = draw(st.integers(0, 9))
                if kind != 0:
                    sent["avg_speed"] = 0.0 if kind == 1 else speed
                if kind != 2:
                    sent["vehicle_count"] = 0 if kind == 3 else draw(st.integers(0, 15))
                if kind == 4:
                    sent["status"] = "fault"
                found.append(sent)
    return found


def by_the_stream(sent, data):
    """Return the episodes that the functions find: in any order within the allowed lateness, with repeats."""
    jitter = [data.draw(st.integers(0, THRESHOLDS.allowed_lateness_s * 1000 - 1)) for _ in sent]
    order = sorted(range(len(sent)), key=lambda n: sent[n]["timestamp"] + jitter[n])
    repeats = data.draw(st.lists(st.integers(0, len(order) - 1), max_size=5))
    arriving = [json.dumps(sent[n]).encode() for n in order]
    for at in repeats:
        arriving.insert(at, arriving[max(0, at - 1)])
    rules, states, told = anomalies.load(), {}, []
    judged = judge([(each, ARRIVED_US) for each in arriving], REFERENCE, rules)
    for _, record in packed(judged.readings, ARRIVED_US):
        folded = tracker.fold([unpacked(record)], states, lambda _: {}, THRESHOLDS, rules)
        states |= folded.states
        told += [each for each in folded.told.get("s", []) if isinstance(each, Change)]
    state, outputs = advance(states["s"].state, UNTIL_US, THRESHOLDS)
    assert state.late == 0 or repeats
    return episodes("s", told + changes(outputs), open_alert(state))


def by_the_batch(sent):
    """Return the episodes of the same readings, as the job has them from `curated.readings`."""
    rows = [reading(each, b"", ARRIVED_US, 0) for each in sent]
    frame = pd.DataFrame(
        {
            "sensor_id": [row.sensor_id for row in rows],
            "ts_us": [row.ts_us for row in rows],
            "speed_kmh": pd.Series([row.speed_kmh for row in rows], dtype=float),
            "vehicle_count": pd.Series([row.vehicle_count for row in rows], dtype=float),
            "flags": [list(row.flags) for row in rows],
            "free_flow_kmh": FREE_FLOW_KMH,
            "capacity_veh": CAPACITY_VEH,
        }
    )[[not row.reasons for row in rows]]
    return fold("s", list(_readings(frame)), THRESHOLDS, UNTIL_US)


@settings(max_examples=200)
@given(documents(), st.data())
def test_the_stream_in_any_allowed_order_and_with_repeats_agrees_with_the_batch(sent, data):
    assert by_the_stream(sent, data) == by_the_batch(sent)
