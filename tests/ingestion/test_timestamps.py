from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.timestamps import parse_timestamp

MOMENT = datetime(2024, 2, 29, 13, 45, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant", "had_zone"),
    [
        ("2024-02-29T13:45:07Z", MOMENT, True),
        ("2024-02-29t13:45:07z", MOMENT, True),
        ("2024-02-29 13:45:07", MOMENT, False),
        ("2024-02-29T13:45", MOMENT.replace(second=0), False),
        (" 2024-02-29T14:45:07+01:00 ", MOMENT, True),
        ("2024-02-29T14:45:07+0100", MOMENT, True),
        ("2024-02-29T14:45:07+01", MOMENT, True),
        ("2024-02-29T08:15:07-05:30", MOMENT, True),
        ("2024-02-29T13:45:07.123456789Z", MOMENT.replace(microsecond=123456), True),
        ("2024-02-29T13:45:07.5Z", MOMENT.replace(microsecond=500000), True),
        ("1709214307", MOMENT, True),
        ("1709214307000", MOMENT, True),
        ("1709214307.25", MOMENT.replace(microsecond=250000), True),
        ("1.709214307E9", MOMENT, True),
        ("1.709214307E12", MOMENT, True),
    ],
)
def test_a_time_is_read_as_the_instant_it_names(text, instant, had_zone):
    assert parse_timestamp(text) == (instant, had_zone)


@pytest.mark.parametrize(
    "text",
    ["", " ", "yesterday", "2024-02-29", "2023-02-29T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T13:45:07+25:00",
     "29/02/2024 13:45:07", "2024-02-29T13:45:07Z+1", "1e15", "NaN", "Infinity", "true", "0001-01-01T00:00:00+05:00",
     "٢٠٢٤-02-29T13:45:07Z"],
)  # fmt: skip
def test_what_is_no_time_is_unreadable_and_never_raises(text):
    assert parse_timestamp(text) == (None, False)


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.integers(-18 * 60, 18 * 60),
    st.sampled_from(["T", " "]),
)
def test_a_time_with_zone_survives_being_written(naive, offset_minutes, separator):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert parse_timestamp(moment.isoformat(sep=separator)) == (moment.astimezone(UTC), True)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_seconds_and_milliseconds_are_never_confused_since_2000(naive):
    moment = naive.replace(tzinfo=UTC, microsecond=0)
    seconds = int(moment.timestamp())
    assert parse_timestamp(str(seconds))[0] == parse_timestamp(str(seconds * 1000))[0] == moment


@given(st.text(max_size=40))
def test_no_text_makes_it_raise(text):
    parse_timestamp(text)
