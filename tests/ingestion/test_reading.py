"""One record becomes readings and rejects; `tests/glue_jobs` holds them against the batch path, row by row."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.contract.glue import landing_columns
from ingestion.json_records import convert_payloads
from ingestion.moments import known_event_time
from ingestion.reading import CONVERSION_ERROR, read

ARRIVED_US = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z
GOOD = b'{"sensor_id":"a","timestamp":"2026-01-05T07:59:40Z","vehicle_count":4,"avg_speed":50}'


def test_a_reading_is_typed_in_the_contracts_units():
    document = (
        b'{"sensor_id":"a","timestamp":"2026-01-05T07:59:40Z","vehicle_count":4.0,"avg_speed":"50","speed_unit":"MPH",'
        b'"occupancy":12,"status":"fault","temperature":-3.5,"received_at":"2026-01-05T07:59:59.5Z"}'
    )
    (reading,), rejects = read(document, ARRIVED_US)
    assert not rejects
    assert reading.ts_us == ARRIVED_US - 20_000_000
    assert reading.received_us == reading.arrived_us == ARRIVED_US - 500_000
    assert (reading.sensor_id, reading.vehicle_count, reading.occupancy_pct) == ("a", 4, 12.0)
    assert (type(reading.vehicle_count), type(reading.occupancy_pct)) == (int, float)
    assert reading.speed_kmh == pytest.approx(80.4672)
    assert (reading.temperature_c, reading.flags, reading.reasons) == (-3.5, ("device_status_not_ok",), ())


def test_a_reading_under_the_names_of_the_other_family_is_the_same():
    document = b'{"sensor_id":"a","timestamp":1767599980,"vehicle_count":4,"average_speed":50.0}'
    assert read(document, ARRIVED_US) == read(GOOD, ARRIVED_US)


def test_what_is_refused_keeps_its_bytes_its_reasons_and_what_could_be_read():
    document = GOOD.replace(b":4,", b":-4.5,").replace(b":50}", b":900}")
    readings, (reject,) = read(document, ARRIVED_US)
    assert not readings
    assert reject.raw == document
    assert reject.reasons == reject.reading.reasons
    assert reject.reasons == ("vehicle_count_not_whole", "vehicle_count_out_of_range", "speed_kmh_out_of_range")
    assert reject.reading.flags == ("speed_above_160_kmh",)


@pytest.mark.parametrize("joint", [b"", b"\n", b" ", b"\r\n\r\n"])
def test_bad_documents_of_a_record_leave_the_others_alone(joint):
    bad = b'{"sensor_id":"b","vehicle_count":"many"}'
    readings, rejects = read(
        joint.join([GOOD, bad, b"[1]", GOOD.replace(b'"a"', b'"c"'), b'{"sensor_id":']), ARRIVED_US
    )
    assert [reading.sensor_id for reading in readings] == ["a", "c"]
    assert [reject.raw for reject in rejects] == [bad, b"[1]", b'{"sensor_id":']
    assert {reject.reasons for reject in rejects} == {CONVERSION_ERROR}
    assert all(reject.message and reject.reading is None for reject in rejects)


def test_readings_of_one_record_without_time_differ_in_time():
    readings, _ = read(b'{"sensor_id":"a","avg_speed":50}' * 3, ARRIVED_US)
    assert [reading.ts_us - ARRIVED_US for reading in readings] == [0, 1, 2]
    assert {reading.flags for reading in readings} == {("timestamp_from_arrival",)}


def test_a_very_long_time_is_not_kept_in_memory():
    text = b"1" * 100_000
    for _ in range(3):
        assert read(GOOD.replace(b"2026-01-05T07:59:40Z", text), ARRIVED_US)[1][0].reasons == ("timestamp_unreadable",)
    before = known_event_time.cache_info().currsize
    read(GOOD.replace(b"2026-01-05T07:59:40Z", text + b"2"), ARRIVED_US)
    assert known_event_time.cache_info().currsize == before


def test_nothing_but_the_standard_library_and_orjson_is_needed():
    code = (
        "import sys; before = set(sys.modules); import ingestion.reading; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "['ingestion', 'orjson']"


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
members = st.dictionaries(st.sampled_from([name for name, _ in landing_columns()] + ["Sensor_ID", "other"]), values)


@st.composite
def payloads(draw):
    documents = [
        json.dumps(each, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
        for each in draw(st.lists(members, max_size=4))
    ]
    pieces = [draw(st.sampled_from([piece, piece[:-1], piece + draw(st.binary(max_size=3))])) for piece in documents]
    return draw(st.sampled_from([b"", b"\n", b" ", b","])).join(pieces)


@given(payloads(), st.integers(0, 4 * 10**15))
def test_rows_and_failures_are_those_of_landing_whatever_is_sent(payload, arrived_us):
    table, failures = convert_payloads([payload], landing_columns())
    readings, rejects = read(payload, arrived_us)
    converted = len(readings) + sum(reject.reading is not None for reject in rejects)
    assert converted == table.num_rows
    failed = [reject for reject in rejects if reject.reading is None]
    assert [(reject.raw, reject.message) for reject in failed] == [(each.raw, each.message) for each in failures]
    assert all((reject.reasons == CONVERSION_ERROR) == (reject.reading is None) for reject in rejects)
