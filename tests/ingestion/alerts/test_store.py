"""What is kept in the table: the same however often it is written, and read back as it was."""

import pytest

from ingestion.alerts import anomalies, items, store
from ingestion.alerts.machine import CRITICAL, ESCALATED, WARNING, Summary
from ingestion.alerts.segment_stream import JudgedReading, Record
from ingestion.alerts.thresholds import Thresholds
from ingestion.alerts.tracker import Folded, fold
from tests.ingestion.alerts.faults import Killed, failing, kill

SECOND_US = 1_000_000
START_US = 1_772_438_400_000_000
# Long after: nothing was saved with one of the last two intervals.
NOW_US = START_US + 86_400 * SECOND_US
THRESHOLDS = Thresholds(window_s=60, clear_for_s=60)
ZONES = {"s": "Z"}
FAULT = (0, [("status_not_ok", None)])


def reading(at_s: float, index: float, sensor: str = "a", findings=(0, ())) -> JudgedReading:
    ts_us = START_US + round(at_s * SECOND_US)
    return JudgedReading("s", sensor, ts_us, ts_us, index, 3, findings, 0)


def folded(readings, states=None) -> Folded:
    """Return what readings of one segment become, each in a record of its own."""
    records = [Record(each.arrived_us, [each]) for each in readings]
    return fold(records, states or {}, lambda _: {}, THRESHOLDS, anomalies.load())


def everything(table: store.Table) -> dict[str, dict]:
    return {item["ts"]: item for item in map(store.plain, table.client.scan(TableName=table.name)["Items"])}


# Free, WARNING, CRITICAL, free again: an alert that starts, escalates and is cleared, and summaries between.
COURSE = [reading(20 * n, index) for n, index in enumerate([20] * 8 + [85] * 8 + [99] * 8 + [20] * 14)]


def test_what_is_written_again_is_there_once(state_table):
    course = folded(COURSE)
    # its current item, three changes and two summaries
    assert store.write(state_table, course, ZONES) == 6
    before = everything(state_table)
    assert store.write(state_table, course, ZONES) == 0
    assert everything(state_table) == before
    assert len(before) == 6


def test_the_current_alert_only_moves_forward(state_table):
    in_warning, in_critical = folded(COURSE[:14]), folded(COURSE[:24])
    store.write(state_table, in_critical, ZONES)
    store.write(state_table, in_warning, ZONES)
    assert store.current(state_table, "s")["level"] == CRITICAL
    assert [alert["level"] for alert in store.open_alerts(state_table)] == [CRITICAL]


def test_the_current_alert_is_of_the_last_write(state_table):
    levels = []
    for until in (14, 24):
        store.write(state_table, folded(COURSE[:until]), ZONES)
        (alert,) = store.open_alerts(state_table)
        assert (alert["segment_id"], alert["in_alert"]) == ("s", "Z")
        levels.append(alert["level"])
    assert levels == [WARNING, CRITICAL]


def test_no_alert_is_open_once_it_is_cleared(state_table):
    store.write(state_table, folded(COURSE[:24]), ZONES)
    store.write(state_table, folded(COURSE), ZONES)
    assert list(store.open_alerts(state_table)) == []
    assert "in_alert" not in store.current(state_table, "s")


def test_an_alert_in_no_zone_is_open_too(state_table):
    store.write(state_table, folded(COURSE[:24]), {})
    assert [alert["in_alert"] for alert in store.open_alerts(state_table)] == [items.NO_ZONE]


def test_an_item_of_an_attempt_that_was_cut_off_gets_the_state_and_stays_what_it_was(state_table):
    """The first attempt has more to tell after an item than the second, for which it is the last."""
    failed = failing(state_table.client, "PutItem", 3, kill, after=False)
    with pytest.raises(Killed):
        store.write(state_table, folded(COURSE[:24]), ZONES)
    assert failed
    (cut_off,) = (item for ts, item in everything(state_table).items() if ts != items.CURRENT)
    assert "state" not in cut_off
    shorter = folded(COURSE[:13])
    assert store.write(state_table, shorter, ZONES) == 1
    completed = everything(state_table)[cut_off["ts"]]
    assert store.load(state_table, {"s"}, NOW_US) == shorter.states
    own = ("state", "watermark_us", "last_arrived_us", "expires_at")
    assert {name: value for name, value in completed.items() if name not in own} == {
        name: value for name, value in cut_off.items() if name not in own
    }


@pytest.mark.parametrize("until", [14, 24, len(COURSE)])
def test_what_was_saved_is_restored_as_it_was(state_table, until):
    sick = [each._replace(sensor_id="b", findings=FAULT) for each in COURSE[:until]]
    course = folded([each for pair in zip(COURSE[:until], sick, strict=True) for each in pair])
    store.write(state_table, course, ZONES)
    found = store.load(state_table, {"s", "stranger"}, NOW_US)
    # What is read from JSON has lists where a state in memory has tuples.
    assert {name: items.saved(tracked) for name, tracked in found.items()} == {"s": items.saved(course.states["s"])}
    assert found["s"].last_arrived_us == course.states["s"].last_arrived_us


def test_the_state_is_found_among_many_changes_of_one_moment(state_table):
    """Ten sensors that fail at once are ten items of one time, and only one of them carries the state."""
    sensors = [f"lane-{number:02}" for number in range(10, 0, -1)]
    failing_at_once = [reading(at, 95, sensor, FAULT) for at in range(0, 301, 60) for sensor in sensors]
    course = folded(failing_at_once)
    assert store.write(state_table, course, ZONES) > len(sensors)
    assert store.load(state_table, {"s"}, NOW_US) == course.states


def test_the_newest_state_is_found_behind_a_change_that_is_later_by_time(state_table):
    """The summary of an interval is told after the changes in it, and is of its start."""
    first = folded(COURSE[:24])
    second = folded([reading(at, 99) for at in range(480, 640, 20)], first.states)
    for each in (first, second):
        store.write(state_table, each, ZONES)
    assert [type(told) for told in second.told["s"]] == [Summary]
    assert max(ts for ts in everything(state_table) if ts != items.CURRENT).endswith(ESCALATED)
    assert store.load(state_table, {"s"}, NOW_US) == second.states


def test_segments_that_report_now_are_read_many_at_once_and_not_one_by_one(state_table):
    segments = [f"segment-{number}" for number in range(120)]
    readings = [reading(second, 30)._replace(segment_id=each) for second in (0, 290, 320) for each in segments]
    saved = folded(readings)
    store.write(state_table, saved, {})
    queried = failing(state_table.client, "Query", 1, kill, after=False)
    found = store.load(state_table, set(segments), START_US + 330 * SECOND_US)
    assert found == saved.states
    assert queried == []
    with pytest.raises(Killed):
        store.load(state_table, {"stranger"}, START_US + 330 * SECOND_US)


def test_the_newer_of_the_last_two_intervals_counts(state_table):
    course = [reading(20 * n, 30) for n in range(34)]
    first = folded(course[:20])
    store.write(state_table, first, ZONES)
    second = folded(course[20:], first.states)
    store.write(state_table, second, ZONES)
    assert store.load(state_table, {"s"}, START_US + 670 * SECOND_US) == second.states
