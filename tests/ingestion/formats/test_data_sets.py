import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.errors import UnusableFileError
from ingestion.formats import documents, registry_rows

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
PORTLAND = SHARED / "portland_i205"
METR_LA = SHARED / "metr_la_week"
needs_portland = pytest.mark.skipif(not PORTLAND.is_dir(), reason="shared/data/portland_i205 is absent")
needs_metr_la = pytest.mark.skipif(not METR_LA.is_dir(), reason="shared/data/metr_la_week is absent")


@pytest.fixture
def portal(tmp_path):
    files = {
        "freeway_loopdata_OneHour.csv": """detectorid,starttime,volume,speed,occupancy,status,dqflags
7,9/15/2011 0:00:00,3,56.5,4,2,0
7,9/15/2011 0:00:20,,,,0,0
7,yesterday,x,,0,9,0
""",
        "freeway_detectors.csv": """detectorid,highwayid,milepost,locationtext,detectorclass,lanenumber,stationid
7,4,2.5,Here SB,1,2,70
8,4,2.5,Here SB,1,3,71
""",
        "freeway_stations.csv": """stationid,highwayid,milepost,locationtext,numberlanes,latlon,length
70,4,2.5,Here SB,3,"45.5,-122.5",0.5
70,4,2.5,Here SB,3,"45.5,-122.5",0.7
""",
        "highways.csv": "highwayid,shortdirection,direction,highwayname\n4,S,SOUTH,I-205\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_portal_record_becomes_a_canonical_reading_in_utc(portal):
    assert [json.loads(d) for d in documents("portal", str(portal))] == [
        {"sensor_id": "7", "timestamp": "2011-09-15T07:00:00Z", "vehicle_count": 3, "avg_speed": 56.5,
         "speed_unit": "mph", "occupancy": 4, "status": "OK"},
        {"sensor_id": "7", "timestamp": "2011-09-15T07:00:20Z", "status": "inhibited"},
        {"sensor_id": "7", "timestamp": "yesterday", "vehicle_count": "x", "occupancy": 0, "status": "9"},
    ]  # fmt: skip


def test_a_portal_detector_becomes_one_registry_row_per_row_of_its_station(portal):
    rows = list(registry_rows("portal", str(portal)))
    assert [(line, row["sensor_id"], row["segment_id"], row["length_km"]) for line, row in rows] == [
        (2, "7", "70", "0.804672"),
        (2, "7", "70", "1.1265408"),
        (3, "8", "71", ""),
    ]
    assert rows[0][1] == {
        "sensor_id": "7", "segment_id": "70", "corridor_id": "I-205 SOUTH", "zone_id": "portland", "lane": "2",
        "lanes": "3", "latitude": "45.5", "longitude": "-122.5", "position_km": "-4.02336", "length_km": "0.804672",
        "capacity_veh_h": "", "speed_limit_kmh": "", "interval_s": "20", "assumed_flow_veh_h": "", "valid_from": "",
    }  # fmt: skip


def test_metr_la_rows_are_five_minutes_apart_and_cells_that_are_no_number_are_passed_on(tmp_path):
    (tmp_path / "los_speed.csv").write_text("11,22\n64.375,\n0,fast\n")
    assert [json.loads(d) for d in documents("metr-la", str(tmp_path))] == [
        {"sensor_id": "11", "timestamp": "2012-03-01T08:00:00Z", "avg_speed": 64.375, "speed_unit": "mph"},
        {"sensor_id": "22", "timestamp": "2012-03-01T08:00:00Z"},
        {"sensor_id": "11", "timestamp": "2012-03-01T08:05:00Z", "avg_speed": 0, "speed_unit": "mph"},
        {"sensor_id": "22", "timestamp": "2012-03-01T08:05:00Z", "avg_speed": "fast", "speed_unit": "mph"},
    ]


def test_a_ragged_metr_la_row_is_refused_because_its_cells_cannot_be_told_apart(tmp_path):
    (tmp_path / "los_speed.csv").write_text("11,22\n64.375\n")
    with pytest.raises(UnusableFileError, match="line 2: 1 cells for 2 sensors"):
        list(documents("metr-la", str(tmp_path)))


@pytest.mark.parametrize("name", ["portal", "metr-la"])
def test_a_folder_that_is_not_the_data_set_is_refused(tmp_path, name):
    with pytest.raises(UnusableFileError, match="missing"):
        list(documents(name, str(tmp_path)))
    with pytest.raises(UnusableFileError, match="not a folder"):
        list(documents(name, str(tmp_path / "none")))


def test_a_binary_file_in_the_place_of_a_csv_is_refused(portal):
    (portal / "highways.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UnusableFileError, match="not UTF-8"):
        list(registry_rows("portal", str(portal)))


def test_a_missing_column_is_named(portal):
    (portal / "highways.csv").write_text("highwayid,direction\n")
    with pytest.raises(UnusableFileError, match="no column highwayname"):
        list(registry_rows("portal", str(portal)))


@needs_portland
def test_every_portland_record_comes_out_with_its_figures():
    with (PORTLAND / "freeway_loopdata_OneHour.csv").open() as file:
        source = list(csv.DictReader(file))
    found = [json.loads(d) for d in documents("portal", str(PORTLAND))]
    assert len(found) == len(source) == 12_420
    assert sum(d.get("vehicle_count", 0) for d in found) == sum(int(r["volume"] or 0) for r in source)
    assert sum("avg_speed" not in d for d in found) == sum(r["speed"] == "" for r in source) == 3_172
    assert {d["timestamp"] for d in found} == {
        (datetime(2011, 9, 15, 7, tzinfo=UTC) + timedelta(seconds=20 * i)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for i in range(180)
    }


@needs_metr_la
def test_every_metr_la_cell_comes_out_once():
    found = [json.loads(d) for d in documents("metr-la", str(METR_LA))]
    assert len(found) == 2_016 * 207
    assert found[0]["timestamp"] == "2012-03-01T08:00:00Z"
    assert found[-1]["timestamp"] == "2012-03-08T07:55:00Z"
    lines = (METR_LA / "los_speed.csv").read_text().split("\n", 1)[1].replace("\n", ",").strip(",").split(",")
    assert sum(d["avg_speed"] for d in found) == pytest.approx(sum(map(float, lines)), rel=1e-12)
