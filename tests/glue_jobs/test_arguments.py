"""Arguments are read as Glue gives them, and what is missing or unusable is named."""

from datetime import datetime

import pytest

from glue_jobs.arguments import ArgumentError, hours_between, job_arguments, utc_hour


def test_glues_own_arguments_are_passed_over_and_defaults_fill_in():
    given = ["--JOB_NAME", "x", "--from", "2026-01-01T00:00:00Z", "--days", "3"]
    assert job_arguments(given, ["from"], {"days": "7", "kept": "1"}) == {
        "from": "2026-01-01T00:00:00Z",
        "days": "3",
        "kept": "1",
    }


@pytest.mark.parametrize("given", [[], ["--from"], ["from", "x"]])
def test_a_missing_argument_is_named(given):
    with pytest.raises(ArgumentError, match="--from"):
        job_arguments(given, ["from"], {})


@pytest.mark.parametrize(
    "text", ["2026-01-01T05:00:00Z", "2026-01-01T05:00:00", "2026-01-01T06:00:00+01:00", "2026-01-01T05"]
)
def test_an_hour_is_utc(text):
    assert utc_hour(text) == datetime(2026, 1, 1, 5)


@pytest.mark.parametrize("text", ["2026-01-01T05:30:00Z", "today"])
def test_what_is_no_hour_is_refused(text):
    with pytest.raises(ArgumentError):
        utc_hour(text)


def test_a_range_is_half_open():
    assert hours_between(datetime(2026, 1, 1, 23), datetime(2026, 1, 2, 1)) == [
        datetime(2026, 1, 1, 23),
        datetime(2026, 1, 2),
    ]
    with pytest.raises(ArgumentError):
        hours_between(datetime(2026, 1, 1), datetime(2026, 1, 1))
