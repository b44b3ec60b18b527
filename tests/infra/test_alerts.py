"""What a backtest counts, against tables added up by hand."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from glue_jobs.congestion_episodes import Span
from infra.alerts import Episode, by_day, by_level, by_zone, longest, show
from ingestion.alerts.thresholds import Thresholds

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
# Two local days that begin and end at midnight in winter time: 08:00 UTC.
SPAN = Span(datetime(2026, 3, 2, 8), datetime(2026, 3, 4, 8))


def episode(segment, zone, level, started, *, escalated=None, cleared=None):
    return Episode(
        segment_id=segment,
        zone_id=zone,
        level=level,
        started_at=datetime.fromisoformat(started),
        escalated_at=escalated and datetime.fromisoformat(escalated),
        cleared_at=cleared and datetime.fromisoformat(cleared),
        worst_congestion_index=93.0,
        delay_veh_h=1.5,
    )


FOUND = [
    episode("s1", "z1", "WARNING", "2026-03-02T16:00", cleared="2026-03-02T16:30"),
    episode("s2", "z1", "CRITICAL", "2026-03-03T07:45", escalated="2026-03-03T07:50", cleared="2026-03-03T08:30"),
    episode("s3", "z2", "CRITICAL", "2026-03-04T07:00", cleared="2026-03-04T09:00"),  # one hour of it in the span
    episode("s4", None, "WARNING", "2026-03-04T07:50"),
]


def test_notifications_belong_to_the_level_that_they_tell():
    # s2 starts as WARNING, escalates to CRITICAL and is cleared from there
    assert by_level(FOUND) == [("WARNING", 2, 3, 0, 1, 4), ("CRITICAL", 2, 1, 1, 2, 4)]
    assert by_level([]) == [("WARNING", 0, 0, 0, 0, 0), ("CRITICAL", 0, 0, 0, 0, 0)]


def test_zones_are_ordered_by_their_minutes_in_alert():
    assert by_zone(FOUND, SPAN) == [("z1", 2, 1, 5, 75), ("z2", 1, 1, 2, 60), (None, 1, 0, 1, 10)]


def test_minutes_of_a_day_are_those_between_its_local_midnights_and_within_the_span():
    assert by_day(FOUND, SPAN, LOS_ANGELES) == [("2026-03-02", 30 + 15), ("2026-03-03", 30 + 60 + 10)]


@pytest.mark.parametrize(("day", "minutes"), [("2026-03-08", 23 * 60), ("2026-11-01", 25 * 60)])
def test_a_daylight_saving_day_has_its_own_length(day, minutes):
    start = datetime.fromisoformat(day)
    span = Span(start, start.replace(day=start.day + 2))
    open_all_along = episode("s1", "z1", "WARNING", span.start.isoformat())
    assert dict(by_day([open_all_along], span, LOS_ANGELES))[day] == minutes


def test_the_longest_come_first():
    assert [(row[0], row[4], row[5]) for row in longest(FOUND, SPAN)] == [
        ("s3", "2026-03-04 09:00", 60),
        ("s2", "2026-03-03 08:30", 45),
        ("s1", "2026-03-02 16:30", 30),
        ("s4", "open", 10),
    ]
    assert len(longest(FOUND * 10, SPAN)) == 10


def test_what_is_shown_names_the_thresholds_and_the_sums(capsys):
    show(FOUND, SPAN, Thresholds(warning=75), LOS_ANGELES)
    shown = capsys.readouterr().out
    assert shown.startswith(
        "2026-03-02 08:00 to 2026-03-04 08:00 UTC, mean index of 10 minutes: WARNING above 75, CRITICAL above 90, "
        "cleared below 70 for 10 minutes\n4 episodes, 8 notifications\n"
    )
    show([], SPAN, Thresholds(), LOS_ANGELES)
    assert capsys.readouterr().out.endswith("0 episodes, 0 notifications\n")
