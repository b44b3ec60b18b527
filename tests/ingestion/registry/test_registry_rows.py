from datetime import datetime
from pathlib import Path

import pytest

from ingestion import formats
from ingestion.errors import UnusableFileError
from ingestion.registry import check_rows, read_registry

HEADER = (
    "sensor_id,segment_id,corridor_id,zone_id,lane,lanes,latitude,longitude,position_km,length_km,capacity_veh_h,"
    "speed_limit_kmh,interval_s,assumed_flow_veh_h,valid_from"
)
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture
def write(tmp_path):
    def _write(content: str | bytes) -> Path:
        file = tmp_path / "registry.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return _write


def minimal(*rows: str) -> str:
    return "\n".join(["sensor_id,segment_id,length_km,interval_s,zone_id,valid_from", *rows]) + "\n"


def refused(findings):
    return [(f.line, f.column, f.value) for f in findings if f.refused]


def test_a_full_row_is_read_with_its_types(write):
    rows, findings = read_registry(write(f"{HEADER}\nS1,G1,C1,Z1,1,3,45.5,-122.5,-4.2,1.5,6000,90,20,,2024-03-01\n"))
    assert findings == []
    assert rows[0].valid_from == datetime(2024, 3, 1)
    assert rows[0].attributes == {
        "sensor_id": "S1", "segment_id": "G1", "corridor_id": "C1", "zone_id": "Z1", "lane": 1, "lanes": 3,
        "latitude": 45.5, "longitude": -122.5, "position_km": -4.2, "length_km": 1.5, "capacity_veh_h": 6000.0,
        "speed_limit_kmh": 90.0, "interval_s": 20, "assumed_flow_veh_h": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        (",G,1,20,,", "sensor_id", "sensor_id is missing"),
        ("S,,1,20,,", "segment_id", "segment_id is missing"),
        ("S,G,,20,,", "length_km", "length_km is missing"),
        ("S,G,0,20,,", "length_km", "length_km must be above 0"),
        ("S,G,-1,20,,", "length_km", "length_km must be above 0"),
        ("S,G,201,20,,", "length_km", "length_km must be at most 200"),
        ("S,G,nan,20,,", "length_km", "length_km is not a number"),
        ("S,G,1e999,20,,", "length_km", "length_km must be at most 200"),
        ("S,G,1_0,20,,", "length_km", "length_km is not a number"),
        ('S,G,"1,5",20,,', "length_km", "length_km is not a number"),
        ("S,G,1,0,,", "interval_s", "interval_s must be between 1 and 300"),
        ("S,G,1,20.5,,", "interval_s", "interval_s is not a whole number"),
        ("S,G,1,20,,soon", "valid_from", "valid_from is not a date or time"),
        ("S,G,1,20,,0202-01-01", "valid_from", "valid_from must be between 1900"),
        (f"{'S' * 129},G,1,20,,", "sensor_id", "sensor_id is longer than 128 characters"),
        ("S,G,1,20,,,surplus", "", "the row has more cells than the header"),
    ],
)
def test_a_wrong_cell_refuses_its_row_and_no_other(write, cells, column, reason):
    rows, findings = read_registry(write(minimal("A,GA,1,20,,", cells, "B,GB,1,20,,")))
    assert [row.sensor_id for row in rows] == ["A", "B"]
    assert [(f.line, f.column) for f in findings] == [(3, column)]
    assert reason in findings[0].reason


def test_all_that_is_wrong_with_a_row_is_said_at_once(write):
    _, findings = read_registry(write(minimal("S,G,0,0,,soon")))
    assert refused(findings) == [(2, "length_km", "0"), (2, "interval_s", "0"), (2, "valid_from", "soon")]


def test_identical_rows_count_once_and_conflicting_ones_lose_to_the_first(write):
    rows, findings = read_registry(write(minimal("S,G,1,20,,", "S,G,1.0,20,,", "S,G,1,30,,", "S,G,1,30,,2024-01-01")))
    assert [(row.line, row.attributes["interval_s"]) for row in rows] == [(2, 20), (5, 30)]
    assert [(f.line, f.refused) for f in findings] == [(3, False), (4, True)]
    assert "interval_s 20, not 30" in findings[1].reason


def test_sensors_that_disagree_about_their_segment_lose_to_the_first(write):
    rows, findings = read_registry(write(minimal("A,G,1,20,Z1,", "B,G,2,20,Z1,", "C,G,1,20,Z2,", "D,G,1,300,Z1,")))
    assert [row.sensor_id for row in rows] == ["A", "D"]
    assert refused(findings) == [(3, "length_km", "2.0"), (4, "zone_id", "Z2")]
    assert "line 2 (sensor A) says 1.0" in findings[0].reason


def test_sensors_may_say_different_things_of_a_segment_for_different_times(write):
    rows, findings = read_registry(
        write(minimal("A,G,1,20,,2020-01-01", "A,G,2,20,,2024-01-01", "B,G,2,20,,2024-01-01", "C,G,1,20,,2020-01-01"))
    )
    # C claims length 1 without end, so it contradicts A's second version
    assert [row.line for row in rows] == [2, 3, 4]
    assert refused(findings) == [(5, "length_km", "1.0")]


@pytest.mark.parametrize("encode", [
    lambda text: b"\xef\xbb\xbf" + text.encode(),
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: text.replace("\n", "\n\n").encode(),
    lambda text: text.replace("sensor_id", " Sensor_ID ").encode(),
])  # fmt: skip
def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(write, encode):
    rows, findings = read_registry(write(encode(minimal("S,G,1,20,,"))))
    assert [row.sensor_id for row in rows] == ["S"]
    assert findings == []


def test_an_unknown_column_is_noticed_and_left_out(write):
    rows, findings = read_registry(write("sensor_id,segment_id,length_km,interval_s,colour\nS,G,1,20,red\n"))
    assert len(rows) == 1
    assert [(f.column, f.refused) for f in findings] == [("colour", False)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        (b"\x00\x01\x02\xff\xfe", "not UTF-8"),
        (b"a\x00b,c\n", "not a text file"),
        ("sensor_id;segment_id;length_km;interval_s\nS;G;1;20\n", "separated by semicolons"),
        ("sensor_id\tsegment_id\n", "separated by tabs"),
        ("sensor_id,segment_id,interval_s\nS,G,20\n", "has no column length_km; a registry needs at least"),
        ("sensor_id,segment_id,length_km,interval_s,sensor_id\n", "column sensor_id more than once"),
        ('sensor_id,segment_id,length_km,interval_s\n"S,G,1,20\n', "not a CSV file: line 2"),
    ],
)
def test_an_unusable_file_says_why_in_one_sentence(write, content, sentence):
    with pytest.raises(UnusableFileError, match=sentence):
        read_registry(write(content))


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(UnusableFileError, match="No such file"):
        read_registry(tmp_path / "none.csv")


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data is absent")
@pytest.mark.parametrize(
    ("name", "folder", "sensors"), [("portal", "portland_i205", 52), ("metr-la", "metr_la_week", 207)]
)
def test_the_registries_of_the_real_sets_are_accepted_whole(name, folder, sensors):
    rows, findings = check_rows(formats.registry_rows(name, str(SHARED / folder)))
    assert len(rows) == sensors
    assert findings == []
