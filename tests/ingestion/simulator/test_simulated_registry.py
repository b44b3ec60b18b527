"""The registry CSV describes the city in the columns that `trafficlake registry load` reads, and the CLI writes it."""

import csv
import gzip
import io
import subprocess
import sys

from ingestion.simulator import city, registry_csv

COLUMNS = (
    "sensor_id,segment_id,corridor_id,zone_id,lane,lanes,latitude,longitude,position_km,length_km,"
    "capacity_veh_h,speed_limit_kmh,interval_s,assumed_flow_veh_h,valid_from"
)


def test_one_row_per_sensor_under_the_header_of_the_interface():
    text = registry_csv(city(160, 1))
    assert text.splitlines()[0] == COLUMNS
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len({row["sensor_id"] for row in rows}) == 160
    assert all(row["segment_id"] and float(row["length_km"]) > 0 and row["interval_s"] == "60" for row in rows)


def test_attributes_of_a_segment_are_the_same_in_all_its_rows():
    rows = list(csv.DictReader(io.StringIO(registry_csv(city(300, 4)))))
    of_segment = ("corridor_id", "lanes", "position_km", "length_km", "capacity_veh_h", "assumed_flow_veh_h")
    seen: dict[str, tuple] = {}
    for row in rows:
        assert seen.setdefault(row["segment_id"], tuple(row[c] for c in of_segment)) == tuple(
            row[c] for c in of_segment
        )


def test_a_sensor_that_sends_no_count_has_an_assumed_flow():
    place = city(160, 1)
    rows = {row["sensor_id"]: row for row in csv.DictReader(io.StringIO(registry_csv(place)))}
    without_count = [device.sensor_id for device in place.sensors if device.style == "speed_only"]
    assert without_count
    assert all(float(rows[sensor]["assumed_flow_veh_h"]) > 0 for sensor in without_count)


def test_positions_rise_downstream_along_each_corridor():
    place = city(300, 4)
    for corridor in place.corridors:
        positions = [place.segments[index].position_km for index in corridor.segments]
        assert positions == sorted(set(positions))


def test_the_module_writes_the_same_file_twice(tmp_path):
    def run(name: str) -> bytes:
        out = tmp_path / name
        span = ["--from", "2026-03-04T10:00", "--to", "2026-03-04T10:10Z"]
        command = [sys.executable, "-m", "ingestion.simulator", "--sensors", "12", "--seed", "9", *span]
        subprocess.run([*command, "--out", out, "--registry", tmp_path / "registry.csv"], check=True)
        return out.read_bytes()

    first = run("a.jsonl.gz")
    assert first == run("b.jsonl.gz")
    assert len(gzip.decompress(first).splitlines()) > 100
    assert (tmp_path / "registry.csv").read_text() == registry_csv(city(12, 9))


def test_unusable_arguments_end_with_one_sentence_and_exit_code_2():
    command = [
        sys.executable,
        "-m",
        "ingestion.simulator",
        "--from",
        "2026-03-04",
        "--to",
        "2026-03-05",
        "--sensors",
        "0",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "a city needs at least one sensor, not 0\n"
