from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingestion.registry import history as scd2
from ingestion.registry.rows import COLUMNS, RegistryRow

EVER = datetime(2000, 1, 1)
DAY = timedelta(days=1)
BLANK = {name: None for name in COLUMNS if name != "valid_from"}


def row(sensor="S", valid_from=None, line=1, **attributes):
    said = {"segment_id": "G", "length_km": 1.0, "interval_s": 20, **attributes}
    return RegistryRow(line, valid_from, {**BLANK, "sensor_id": sensor, **said})


def versions(history):
    return [(r["sensor_id"], r["valid_from"], r["valid_to"], r["length_km"]) for r in scd2.to_records(history)]


NOW = datetime(2024, 5, 1, 12)


def test_a_new_sensor_without_a_date_holds_since_ever():
    history, changes = scd2.merge({}, [row()], NOW)
    assert versions(history) == [("S", EVER, None, 1.0)]
    assert changes == {"S": EVER}


def test_a_change_without_a_date_closes_the_old_version_now():
    history, _ = scd2.merge({}, [row()], NOW - DAY)
    history, changes = scd2.merge(history, [row(length_km=2.0)], NOW)
    assert versions(history) == [("S", EVER, NOW, 1.0), ("S", NOW, None, 2.0)]
    assert changes == {"S": NOW}


def test_a_late_statement_about_an_earlier_time_falls_into_its_place():
    later, earlier = datetime(2024, 1, 1), datetime(2022, 1, 1)
    history, _ = scd2.merge({}, [row(), row(valid_from=later, length_km=3.0)], NOW)
    history, changes = scd2.merge(history, [row(valid_from=earlier, length_km=2.0)], NOW)
    assert versions(history) == [("S", EVER, earlier, 1.0), ("S", earlier, later, 2.0), ("S", later, None, 3.0)]
    assert changes == {"S": earlier}


def test_a_sensor_that_the_file_leaves_out_stays():
    history, _ = scd2.merge({}, [row("A"), row("B")], NOW)
    history, changes = scd2.merge(history, [row("B", length_km=2.0)], NOW)
    assert [v[0] for v in versions(history)] == ["A", "B", "B"]
    assert changes.keys() == {"B"}


def test_merging_does_not_touch_the_history_it_was_given():
    before, _ = scd2.merge({}, [row()], NOW)
    scd2.merge(before, [row(length_km=2.0)], NOW)
    assert versions(before) == [("S", EVER, None, 1.0)]


days = st.integers(-2000, 2000).map(lambda n: NOW + n * DAY)
loads = st.lists(
    st.tuples(
        st.lists(
            st.builds(
                row,
                sensor=st.sampled_from("AB"),
                valid_from=st.none() | days,
                length_km=st.sampled_from([1.0, 2.0, 3.0]),
            ),
            max_size=4,
            unique_by=lambda r: (r.sensor_id, r.valid_from),
        ),
        days,
    ),
    max_size=5,
)


def replay(load_sequence):
    """Say everything again, in order, in the plainest way: what was said last of a time counts from then on."""
    said = {}
    for rows, now in load_sequence:
        known_before = {sensor for sensor, _ in said}
        for r in rows:
            dated = any(o.sensor_id == r.sensor_id and o.valid_from for o in rows)
            start = r.valid_from
            if start is None and r.sensor_id in known_before and not dated:
                if naive_as_of(said, r.sensor_id, now) == r.attributes["length_km"]:
                    continue
                start = now
            said[r.sensor_id, start or EVER] = r.attributes["length_km"]
    return said


def naive_as_of(said, sensor, moment):
    found = [(start, length) for (s, start), length in said.items() if s == sensor and start <= moment]
    return max(found)[1] if found else None


@given(loads, st.lists(days, min_size=1, max_size=10))
def test_versions_never_overlap_and_a_lookup_equals_a_naive_replay(load_sequence, moments):
    history = {}
    for rows, now in load_sequence:
        history, _ = scd2.merge(history, rows, now)
        assert scd2.merge(history, rows, now + DAY)[0] == history or any(
            # saying "now" again a day later may be news, when a version was due to begin in between
            r.valid_from is None and any(now < start <= now + DAY for start in history[r.sensor_id])
            for r in rows
        )
    records = scd2.to_records(history)
    for one, other in pairwise(records):
        if one["sensor_id"] == other["sensor_id"]:
            assert one["valid_to"] == other["valid_from"]
        else:
            assert one["valid_to"] is None
    assert all(r["valid_to"] is None or r["valid_from"] < r["valid_to"] for r in records)
    assert scd2.from_records(records) == history
    said = replay(load_sequence)
    for sensor in "AB":
        for moment in moments:
            found = [
                r["length_km"]
                for r in records
                if r["sensor_id"] == sensor
                and r["valid_from"] <= moment
                and (r["valid_to"] is None or moment < r["valid_to"])
            ]
            expected = naive_as_of(said, sensor, moment)
            assert found == ([] if expected is None else [expected])


@given(loads)
def test_segments_cover_exactly_the_time_that_their_sensors_do(load_sequence):
    history = {}
    for rows, now in load_sequence:
        history, _ = scd2.merge(history, rows, now)
    found = scd2.segments(history)
    for one, other in pairwise(found):
        assert one["valid_to"] == other["valid_from"]
        assert one["length_km"] != other["length_km"]
    if found:
        assert found[0]["valid_from"] == min(r["valid_from"] for r in scd2.to_records(history))
        assert found[-1]["valid_to"] is None


def test_a_segment_is_what_its_latest_statement_says_and_lies_amid_its_sensors():
    change = datetime(2024, 1, 1)
    history, _ = scd2.merge(
        {},
        [
            row("A", latitude=10.0, longitude=1.0),
            row("B", latitude=20.0, longitude=1.0),
            row("A", valid_from=change, latitude=10.0, longitude=1.0, length_km=2.0),
        ],
        NOW,
    )
    found = [(s["valid_from"], s["valid_to"], s["length_km"], s["latitude"]) for s in scd2.segments(history)]
    assert found == [(EVER, change, 1.0, 15.0), (change, None, 2.0, 15.0)]


def test_a_segment_that_loses_its_only_sensor_ends():
    change = datetime(2024, 1, 1)
    history, _ = scd2.merge({}, [row(), row(valid_from=change, segment_id="H")], NOW)
    found = [(s["segment_id"], s["valid_from"], s["valid_to"]) for s in scd2.segments(history)]
    assert found == [("G", EVER, change), ("H", change, None)]


def test_a_zone_keeps_the_name_that_the_city_gave_it():
    history, _ = scd2.merge({}, [row("A", zone_id="Z1"), row("B", zone_id="Z2"), row("C")], NOW)
    assert scd2.zones(history, {"Z1": "Harbour"}) == [
        {"zone_id": "Z1", "name": "Harbour"},
        {"zone_id": "Z2", "name": "Z2"},
    ]
