"""What the simulated city sends: same bytes, any slice, and every kind of trouble in the share that was set."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.simulator import City, city, readings

DAY = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@cache
def small_city() -> City:
    return city(24, 7)


@cache
def one_day() -> list[dict | None]:
    """Documents of a day of the demo's city; None where one is not JSON."""
    found = []
    for document in readings(city(160, 1), DAY, DAY + 24 * HOUR):
        try:
            found.append(json.loads(document))
        except ValueError:
            found.append(None)
    return found


@cache
def by_sensor() -> dict[str, list[dict]]:
    """Sound documents of the day per sensor, each reading once."""
    seen: dict[str, dict] = defaultdict(dict)
    for document in one_day():
        if document and "sensor_id" in document and "timestamp" in document:
            seen[document["sensor_id"]][str(document["timestamp"])] = document
    return {sensor: list(documents.values()) for sensor, documents in seen.items()}


def sensors_with(fault: str) -> list[str]:
    return [device.sensor_id for device in city(160, 1).sensors if device.fault == fault]


def test_the_same_seed_gives_these_very_bytes():
    digest = hashlib.sha256()
    for document in readings(small_city(), DAY, DAY + 3 * HOUR):
        digest.update(document + b"\n")
    assert digest.hexdigest() == "32643b29ff94a7f3c1938242f0859d7d1210f176a69a43d25b42ebbf805de289"


def test_another_seed_gives_other_bytes():
    first, second = (list(readings(city(24, seed), DAY, DAY + HOUR)) for seed in (7, 8))
    assert first != second


@settings(max_examples=20)
@given(st.integers(0, 10_800), st.integers(0, 10_800))
def test_slices_put_together_are_the_whole(one: int, other: int):
    cut, end = (DAY + timedelta(seconds=second) for second in sorted((one, other)))
    whole = list(readings(small_city(), DAY, end))
    assert list(readings(small_city(), DAY, cut)) + list(readings(small_city(), cut, end)) == whole


def test_documents_come_in_order_of_arrival_and_within_the_range():
    arrivals = [document["received_at"] for document in one_day() if document]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= "2026-03-04T00:00:00.000Z"
    assert arrivals[-1] < "2026-03-05T00:00:00.000Z"


def test_without_received_at_the_document_is_what_the_device_sent():
    plain = [json.loads(d) for d in readings(small_city(), DAY, DAY + HOUR / 6, received_at=False)]
    stamped = [json.loads(d) for d in readings(small_city(), DAY, DAY + HOUR / 6)]
    assert plain == [{k: v for k, v in document.items() if k != "received_at"} for document in stamped]


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        next(readings(small_city(), datetime(2026, 3, 4), DAY))


def test_nearly_all_readings_of_a_sound_sensor_are_there():
    sound = [device for device in city(160, 1).sensors if not device.fault]
    per_sensor = [len(by_sensor()[device.sensor_id]) for device in sound]
    assert min(per_sensor) > 1400
    assert max(per_sensor) <= 1440 + 20  # some that were held back the day before


def test_each_defect_occurs_about_as_often_as_configured():
    documents = one_day()
    shares = city(160, 1).defect_shares
    found = Counter()
    for document in documents:
        if document is None:
            found["malformed"] += 1
            continue
        found["wrong_type"] += document.get("vehicle_count") == "many"
        found["negative_count"] += isinstance(document.get("vehicle_count"), int) and document["vehicle_count"] < 0
        found["fractional_count"] += isinstance(document.get("vehicle_count"), float)
        found["speed_900"] += document.get("avg_speed") == 900
        found["occupancy_140"] += document.get("occupancy") == 140
        found["time_without_zone"] += " " in str(document.get("timestamp"))
        found["time_absent"] += "timestamp" not in document
        found["time_unreadable"] += document.get("timestamp") == "yesterday"
        found["unknown_sensor"] += document.get("sensor_id", "").startswith("GHOST")
        found["sensor_id_absent"] += "sensor_id" not in document
        found["status_fault"] += document.get("status") == "fault"
        sent = document.get("timestamp")
        ahead = isinstance(sent, str) and sent.endswith("Z") and sent[:19] > document["received_at"][:19]
        found["future"] += ahead
    assert set(found) == set(shares)
    for kind, share in shares.items():
        expected = share * len(documents)
        # Four standard deviations of a Poisson count.
        assert abs(found[kind] - expected) <= 4 * expected**0.5 + 1, kind


def test_duplicates_and_late_readings_occur_about_as_often_as_configured():
    keys = Counter()
    late = total = 0
    for document in one_day():
        if document and isinstance(document.get("timestamp"), str) and document["timestamp"].endswith("Z"):
            keys[document.get("sensor_id"), document["timestamp"]] += 1
            sent, arrived = (datetime.fromisoformat(document[name]) for name in ("timestamp", "received_at"))
            total += 1
            late += arrived - sent > timedelta(minutes=13)
    repeated = sum(count - 1 for count in keys.values())
    assert 0.0025 < repeated / total < 0.0035
    # Of the late ones those that are not merely minutes late.
    assert 0.001 < late / total < 0.004


def test_every_way_of_reporting_occurs():
    documents = [document for document in one_day() if document]
    assert any(document.get("speed_unit") == "mph" for document in documents)
    assert any({"average_speed", "max_capacity", "location_id"} <= set(document) for document in documents)
    assert any({"zone_id", "congestion_index", "temperature", "weather_condition"} <= set(d) for d in documents)
    assert any("vehicle_count" not in d and "occupancy" not in d and "avg_speed" in d for d in documents)
    assert any("avg_speed" not in d and "average_speed" not in d and "vehicle_count" in d for d in documents)
    times = {type(document.get("timestamp")) for document in documents}
    assert times == {str, int, type(None)}


def test_a_dead_sensor_sends_nothing():
    for sensor in sensors_with("no_data"):
        assert sensor not in by_sensor()


def test_an_insufficient_sensor_sends_less_than_the_verdict_asks_for():
    for sensor in sensors_with("insufficient"):
        assert 0.3 < len(by_sensor()[sensor]) / 1440 < 0.55


def test_an_intermittent_sensor_falls_silent_for_minutes_but_sends_enough():
    for sensor in sensors_with("intermittent"):
        assert 0.65 < len(by_sensor()[sensor]) / 1440 < 0.9


def test_a_stuck_sensor_repeats_one_reading_that_is_not_zero():
    for sensor in sensors_with("stuck"):
        values = Counter((d.get("vehicle_count"), d.get("avg_speed")) for d in by_sensor()[sensor])
        (count, speed), often = values.most_common(1)[0]
        assert count > 0
        assert speed > 0
        assert often / len(by_sensor()[sensor]) > 0.99


def test_a_sensor_with_speed_always_zero_still_counts():
    for sensor in sensors_with("speed_zero"):
        documents = by_sensor()[sensor]
        speeds = [d.get("avg_speed", d.get("average_speed")) for d in documents]
        assert sum(speed == 0 for speed in speeds) / len(speeds) > 0.99
        assert sum(d["vehicle_count"] for d in documents if isinstance(d.get("vehicle_count"), int)) > 1000


def test_high_values_are_beyond_what_a_lane_can_carry():
    lanes = {device.sensor_id: device.lanes_covered for device in city(160, 1).sensors}
    for sensor in sensors_with("high_values"):
        counts = [d["vehicle_count"] for d in by_sensor()[sensor] if isinstance(d.get("vehicle_count"), int)]
        assert sum(count > 51 * lanes[sensor] for count in counts) / len(counts) > 0.99


def test_sound_sensors_report_nothing_that_the_contract_flags_as_impossible():
    sound = {device.sensor_id: device.lanes_covered for device in city(160, 1).sensors if not device.fault}
    for sensor, lanes in sound.items():
        for document in by_sensor()[sensor]:
            count, occupancy = document.get("vehicle_count"), document.get("occupancy")
            if not isinstance(count, int) or count < 0 or occupancy == 140 or document.get("avg_speed") == 900:
                continue
            assert count <= 51 * lanes
            assert occupancy is None or (occupancy <= 95 and (occupancy == 0) == (count == 0))


def test_the_processor_does_not_change_the_bytes():
    """Numpy picks other code on other processors; without its vector units the bytes are the same."""
    start, end = DAY + 15 * HOUR, DAY + 16 * HOUR
    program = (
        "import hashlib, sys; from datetime import datetime; from ingestion.simulator import city, readings\n"
        "start, end = map(datetime.fromisoformat, sys.argv[1:])\n"
        "print(hashlib.sha256(b''.join(readings(city(24, 7), start, end))).hexdigest())"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, start.isoformat(), end.isoformat()]
    features = {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3 AVX F16C SSE42"}
    plain = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | features)
    assert plain.stdout.strip() == hashlib.sha256(b"".join(readings(small_city(), start, end))).hexdigest()
