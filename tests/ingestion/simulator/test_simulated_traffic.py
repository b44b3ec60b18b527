"""The simulated traffic obeys the fundamental diagram, keeps its vehicles, and is congested where a city is."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from ingestion.simulator import day as calendar
from ingestion.simulator.devices import hour_rows
from ingestion.simulator.network import FAULT_SHARES, city
from ingestion.simulator.traffic import DayState, day_state

WEDNESDAY, SUNDAY, THANKSGIVING = date(2026, 11, 18), date(2026, 11, 22), date(2026, 11, 26)
DEMO = city(160, 1)
LENGTH = np.array([segment.length_km for segment in DEMO.segments])
FREE_FLOW = np.array([segment.free_flow_kmh for segment in DEMO.segments])


def travel_time_index(state: DayState, local_hour: float, minutes: int = 60) -> float:
    begin = int((local_hour - 3) * 60)
    flow, speed = state.flow[begin : begin + minutes], state.speed[begin : begin + minutes]
    return float((flow * LENGTH / speed).sum() / (flow * LENGTH / FREE_FLOW).sum())


def test_flow_is_density_times_speed():
    state = day_state(DEMO, WEDNESDAY)
    np.testing.assert_allclose(state.flow, state.density * state.speed, rtol=1e-12)


def test_flow_never_exceeds_the_capacity_in_force():
    state = day_state(DEMO, WEDNESDAY)
    assert (state.flow <= state.capacity * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_speeds_stay_between_standstill_and_free_flow(seed):
    place = city(160, seed)
    state = day_state(place, WEDNESDAY)
    assert state.speed.min() >= 2
    assert (state.speed <= np.array([segment.free_flow_kmh for segment in place.segments])).all()


def test_weekday_peaks_are_congested_and_nights_and_sundays_are_free():
    state = day_state(DEMO, WEDNESDAY)
    assert travel_time_index(state, 8) > 1.15
    assert travel_time_index(state, 17) > 1.15
    assert travel_time_index(state, 26) < 1.03
    assert travel_time_index(day_state(DEMO, SUNDAY), 8) < 1.08
    assert travel_time_index(day_state(DEMO, THANKSGIVING), 8) < 1.08


def test_inbound_is_worst_in_the_morning_and_outbound_in_the_afternoon():
    profile = np.array(calendar.demand(DEMO, WEDNESDAY))
    inbound = np.array([corridor.inbound for corridor in DEMO.corridors])
    morning, afternoon = profile[4 * 4 : 6 * 4].mean(axis=0), profile[13 * 4 : 15 * 4].mean(axis=0)
    assert (morning > afternoon)[inbound].all()
    assert (morning < afternoon)[~inbound].all()


def test_a_queue_grows_upstream_from_the_bottleneck():
    corridor = max(DEMO.corridors, key=lambda road: road.peak if road.inbound else 0)
    state = day_state(DEMO, date(2026, 11, 19))
    members = list(corridor.segments)
    head = min(members, key=lambda index: DEMO.segments[index].capacity_veh_h)
    queued = state.speed[:, members] < 0.6 * FREE_FLOW[members]
    before = queued[:, : members.index(head)]
    assert before.any()
    first = [int(np.argmax(before[:, place])) for place in range(before.shape[1]) if before[:, place].any()]
    assert first == sorted(first, reverse=True)


def test_an_incident_slows_the_road_behind_it():
    accidents = [(day, found) for day in range(10, 28) for found in calendar.incidents(DEMO, date(2026, 11, day))]
    assert accidents
    worst = 1.0
    for day, accident in accidents:
        state = day_state(DEMO, date(2026, 11, day))
        minutes = slice(*(int((edge - state.start) / timedelta(minutes=1)) for edge in (accident.start, accident.end)))
        lowered = state.capacity[minutes, accident.segment] < DEMO.segments[accident.segment].capacity_veh_h * 0.65
        assert lowered.all()
        worst = min(worst, (state.speed[minutes, accident.segment] / FREE_FLOW[accident.segment]).min())
    assert worst < 0.5


def test_rain_takes_capacity_and_speed():
    wet = next(day for day in range(1, 29) if calendar.weather(DEMO, date(2026, 2, day)).intensity > 0)
    state = day_state(DEMO, date(2026, 2, wet))
    raining, dry = state.capacity[state.rain > 0], state.capacity[state.rain == 0]
    assert raining.sum(axis=1).max() < dry.sum(axis=1).max()


def test_a_day_has_as_many_hours_as_the_clock_says():
    lengths = [len(day_state(DEMO, day).flow) // 60 for day in (date(2026, 3, 7), date(2026, 10, 31), WEDNESDAY)]
    assert lengths == [23, 25, 24]


def test_the_known_federal_holidays_of_a_year():
    assert calendar.us_federal_holidays(2026) == {
        *(date(2026, 1, 1), date(2026, 1, 19), date(2026, 2, 16), date(2026, 5, 25), date(2026, 6, 19)),
        *(date(2026, 7, 4), date(2026, 9, 7), date(2026, 10, 12), date(2026, 11, 11), date(2026, 11, 26)),
        date(2026, 12, 25),
    }


def test_counts_over_the_lanes_are_the_flow_of_the_road():
    """Sum of what all lanes count in an hour against the simulated flow, which the devices only sample."""
    start = datetime(2026, 11, 18, 16, tzinfo=UTC)
    rows = hour_rows(DEMO, start)
    rows = rows[rows["copy"] == 0]
    state = day_state(DEMO, WEDNESDAY)
    begin = int((start - state.start) / timedelta(minutes=1))
    counted = expected = 0.0
    for index in range(len(DEMO.segments)):
        sensors = [place for place, device in enumerate(DEMO.sensors) if device.segment == index]
        whole = sum(DEMO.sensors[place].lanes_covered for place in sensors) == DEMO.segments[index].lanes
        sound = all(not DEMO.sensors[place].fault and DEMO.sensors[place].style != "speed_only" for place in sensors)
        if whole and sound:
            counted += rows["count"][np.isin(rows["sensor"], sensors)].sum()
            expected += state.flow[begin : begin + 60, index].sum() / 60
    assert expected > 50_000
    assert counted == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("sensors", [1, 13, 160, 2000])
def test_a_city_has_exactly_the_sensors_asked_for(sensors):
    place = city(sensors, 3)
    assert len(place.sensors) == sensors
    assert len({device.sensor_id for device in place.sensors}) == sensors
    assert max(device.segment for device in place.sensors) == len(place.segments) - 1
    assert [index for corridor in place.corridors for index in corridor.segments] == list(range(len(place.segments)))


@pytest.mark.parametrize("sensors", [160, 2000])
def test_each_fault_has_its_share_of_the_sensors(sensors):
    place = city(sensors, 5)
    for fault, share in FAULT_SHARES.items():
        assert sum(device.fault == fault for device in place.sensors) == max(1, round(share * sensors))


@pytest.mark.parametrize(("sensors", "interval_s"), [(0, 60), (10, 7), (10, 600)])
def test_an_impossible_city_is_refused(sensors, interval_s):
    with pytest.raises(ValueError, match=r"sensor|interval"):
        city(sensors, 1, interval_s=interval_s)
