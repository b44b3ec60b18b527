from datetime import datetime

import duckdb
import pytest

from quality.touched_hours import merge_hours, overlapping


def hour(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-0{text}")


def it_merges(hours: list[str]) -> list[tuple[str, str]]:
    return [(f"{a:%d %H}", f"{b:%d %H}") for a, b in merge_hours(map(hour, hours))]


def test_hours_in_any_order_and_repeated_become_half_open_ranges():
    assert it_merges(["1 23:00", "1 22:00", "2 00:00", "2 05:00", "1 22:00"]) == [
        ("01 22", "02 01"),
        ("02 05", "02 06"),
    ]
    assert it_merges([]) == []


@pytest.mark.parametrize(
    ("row_start", "touched"),
    [("1 09:00", False), ("1 09:30", True), ("1 10:00", True), ("1 10:30", True), ("1 11:00", False)],
)
def test_a_half_hour_zone_s_rows_count_as_touched_on_both_sides(row_start, touched):
    condition = overlapping("h", [hour("1 10:00")])
    assert duckdb.execute(f"select {condition} from (select ? as h)", [hour(row_start)]).fetchall() == [(touched,)]


def test_no_hours_touch_nothing():
    assert duckdb.execute(f"select {overlapping('h', [])} from (select now() as h)").fetchall() == [(False,)]


def test_many_scattered_hours_read_their_span_instead_of_hundreds_of_conditions():
    hours = [datetime(2026, 1, day, at) for day in range(1, 31) for at in range(0, 24, 2)]
    condition = overlapping("h", hours)
    assert condition.count("timestamp") == 2
    assert "2026-01-30 23:00:00" in condition
