"""What segments keep while records go by: the same whoever reads them, whenever; and time that goes on by ticks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.alerts import items
from ingestion.alerts.anomalies import load
from ingestion.alerts.machine import STARTED, Change, Summary
from ingestion.alerts.segment_stream import JudgedReading, Record, packed, tick, unpacked
from ingestion.alerts.thresholds import Thresholds
from ingestion.alerts.tracker import FLUSH_S, WAIT_S, fold, new_segment

SECOND_US = 1_000_000
START_US = 1_772_438_400_000_000
THRESHOLDS = Thresholds(window_s=60, clear_for_s=60)


def reading(at_s: float, index: float, *, sensor: str = "a", segment: str = "s", arrived_s: float | None = None):
    ts_us = START_US + round(at_s * SECOND_US)
    arrived_us = ts_us if arrived_s is None else START_US + round(arrived_s * SECOND_US)
    return JudgedReading(segment, sensor, ts_us, arrived_us, index, 3, (0, ()), 0)


def record(*readings: JudgedReading) -> Record:
    return Record(max(each.arrived_us for each in readings), list(readings))


def tick_at(at_s: float) -> Record:
    return Record(START_US + round(at_s * SECOND_US), [])


def told(records, known=None, load_saved=lambda _: {}):
    return fold(records, known or {}, load_saved, THRESHOLDS, load())


def test_a_lone_reading_raises_its_alert_when_it_has_waited_long_enough():
    lone = record(reading(0, 95))
    early = told([lone, tick_at(WAIT_S - 1)])
    late = told([lone, tick_at(WAIT_S)])
    assert early.told == {}
    assert [(each.kind, each.ts_us) for each in late.told["s"]] == [(STARTED, START_US)]


def test_a_reading_that_arrived_late_waits_from_its_arrival():
    lone = record(reading(0, 95, arrived_s=100))
    assert told([lone, tick_at(100 + WAIT_S - 1)]).told == {}
    assert told([lone, tick_at(100 + WAIT_S)]).told


def test_a_segment_that_falls_silent_gets_the_summary_of_the_interval_it_broke_off_in():
    readings = [record(reading(second, 30)) for second in (290, 310, 330)]
    found = told([*readings, tick_at(330 + FLUSH_S)])
    assert [(each.interval_start_us, each.readings) for each in found.told["s"]] == [
        (START_US, 1),
        (START_US + 300 * SECOND_US, 2),
    ]


def test_old_readings_sent_now_are_not_hurried_by_the_clock():
    """History that is sent through the stream is as old as it is: ticks count from arrival, not from event time."""
    now_s = 10 * 86_400
    records = [record(reading(second, 95, arrived_s=now_s)) for second in range(0, 300, 20)]
    found = told([*records, tick_at(now_s + 1)])
    assert found.states["s"].state.late == 0
    assert [type(each) for each in found.told["s"]] == [Change]


def test_segments_keep_apart_and_ticks_reach_all_of_them():
    both = record(reading(0, 95, segment="s"), reading(0, 20, segment="t"))
    found = told([both, tick_at(FLUSH_S)])
    assert [type(each) for each in found.told["s"]] == [Change, Summary]
    assert [type(each) for each in found.told["t"]] == [Summary]


@pytest.mark.parametrize("known", [{}, {"s": new_segment()}])
def test_what_was_known_is_not_changed_by_a_batch_that_may_have_to_be_repeated(known):
    before = dict(known)
    told([record(reading(0, 95)), tick_at(WAIT_S)], known)
    assert known == before


@st.composite
def logs(draw):
    """Draw the log of a shard: records of two segments with two sensors each, repeats of former records, and ticks."""
    found: list[Record] = []
    at_s = 0
    for _ in range(draw(st.integers(5, 40))):
        at_s += draw(st.sampled_from([1, 10, 20, 60, 400]))
        kind = draw(st.integers(0, 9))
        if kind == 0:
            found.append(tick_at(at_s))
        elif kind == 1 and found:
            found.append(draw(st.sampled_from(found)))
        else:
            index = draw(st.sampled_from([20.0, 69.0, 75.0, 85.0, 95.0, 100.0]))
            readings = [
                reading(
                    at_s - draw(st.sampled_from([0, 0, 3, 30])), index, sensor=sensor, segment=segment, arrived_s=at_s
                )
                for segment, sensor in draw(
                    st.sets(st.sampled_from([("s", "a"), ("s", "b"), ("t", "c"), ("t", "d")]), min_size=1)
                )
            ]
            found.append(record(*readings))
    return found


def keyed(folded):
    """Return the keys and measures of the items that all that was told becomes."""
    found = {}
    for segment, all_told in folded.items():
        for each in all_told:
            item = items.of_told(segment, "Z", each)
            found[item["segment_id"], item["ts"]] = item
    return found


@settings(max_examples=150)
@given(logs(), st.data())
def test_a_process_that_starts_anew_from_what_was_saved_and_reads_the_log_again_tells_the_same(log, data):
    """Cut anywhere, restore what had been saved by then, and read the whole log again."""
    whole = told(log)
    cut = data.draw(st.integers(1, len(log)))
    saved, once = {}, {}
    known: dict = {}
    for each in log[:cut]:
        folded = told([each], known)
        known |= folded.states
        for segment, all_told in folded.told.items():
            once.setdefault(segment, []).extend(all_told)
            # as the table has it: state goes with what is told
            saved[segment] = items.restored(
                items.saved(folded.states[segment]) | {"last_arrived_us": folded.states[segment].last_arrived_us}
            )

    def load_saved(segments):
        return {segment: saved[segment] for segment in segments if segment in saved}

    again = told(log, load_saved=load_saved)
    both = {
        segment: [*once.get(segment, []), *again.told.get(segment, [])] for segment in once.keys() | again.told.keys()
    }
    assert keyed(both) == keyed(whole.told)


def test_records_hold_what_was_packed_in_order_and_small_enough():
    readings = [reading(second, 50.5, segment=f"s{second % 7}") for second in range(10_000)]
    records = list(packed(readings, START_US))
    held = [each for _, data in records for each in unpacked(data).readings]
    assert sorted(held, key=lambda each: each.ts_us) == [each._replace(findings=[0, []]) for each in readings]
    for segment in {each.segment_id for each in readings}:
        of_one = [each.ts_us for each in held if each.segment_id == segment]
        assert of_one == sorted(of_one)
    assert max(len(data) for _, data in records) < 1 << 20
    assert unpacked(tick(START_US)) == Record(START_US, [])


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b'{"version":2,"at_us":1,"readings":[]}', b'{"version":1,"at_us":1,"readings":[[1]]}']
)
def test_what_is_no_record_of_the_stream_is_refused(data):
    with pytest.raises(ValueError, match="no record of judged readings"):
        unpacked(data)
