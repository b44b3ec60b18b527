"""Events of a segment fold into its episodes, whatever the order and number of their arrival."""

import itertools

from ingestion.alerts.episodes import Episode, episodes
from ingestion.alerts.machine import CLEARED, CRITICAL, ESCALATED, STARTED, WARNING, Alert, Change

FIRST = [
    Change(STARTED, 100, WARNING, 100, 82, 82),
    Change(ESCALATED, 300, CRITICAL, 100, 91, 91),
    Change(CLEARED, 900, CRITICAL, 100, 40, 97),
]
SECOND = [Change(STARTED, 1500, WARNING, 1500, 83, 83), Change(CLEARED, 2400, WARNING, 1500, 50, 88)]
OPEN = [Change(STARTED, 3000, CRITICAL, 3000, 95, 95)]


def episode(level, started_us, escalated_us, cleared_us, worst_index):
    return Episode(
        segment_id="s1",
        level=level,
        started_us=started_us,
        escalated_us=escalated_us,
        cleared_us=cleared_us,
        worst_index=worst_index,
    )


EXPECTED = [
    episode(CRITICAL, 100, 300, 900, 97),
    episode(WARNING, 1500, None, 2400, 88),
    episode(CRITICAL, 3000, None, None, 95),
]


def test_an_episode_has_its_worst_level_its_times_and_its_worst_index():
    assert episodes("s1", FIRST + SECOND + OPEN) == EXPECTED
    assert episodes("s1", []) == []


def test_an_open_episode_is_as_bad_as_it_has_become_since_its_last_event():
    assert episodes("s1", OPEN, Alert(CRITICAL, 3000, 92, 99)) == [episode(CRITICAL, 3000, None, None, 99)]
    assert episodes("s1", SECOND, Alert(CRITICAL, 3000, 92, 99)) == [episode(WARNING, 1500, None, 2400, 88)]


def test_order_and_repeats_of_events_do_not_matter():
    for events in itertools.permutations(FIRST + SECOND + OPEN):
        assert episodes("s1", [*events, *events[:2]]) == EXPECTED


def test_an_episode_that_started_before_the_events_is_known_from_its_end():
    assert episodes("s1", FIRST[2:]) == [episode(CRITICAL, 100, None, 900, 97)]
