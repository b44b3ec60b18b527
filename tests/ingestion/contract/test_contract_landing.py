"""One rule says which objects landed, and in which hour: what planning and curation list by."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ingestion.contract.landing import hour_path, landing_object, object_name

NAME = "raw-1-2026-03-02-07-59-58-abc.parquet"


def listed(key: str, kind: str = "readings", size: int = 9):
    return landing_object("bucket", kind, {"Key": key, "Size": size, "ETag": '"0123"'})


def test_an_object_says_where_and_when_it_landed():
    found = listed(f"readings/dt=2026-03-02/hour=07/{NAME}")
    assert (found.path, found.etag, found.size) == (f"s3://bucket/readings/dt=2026-03-02/hour=07/{NAME}", "0123", 9)
    assert found.arrival_hour == datetime(2026, 3, 2, 7)
    assert found.object_time == datetime(2026, 3, 2, 7, 59, 58)


def test_an_object_of_another_name_counts_from_the_start_of_its_hour():
    found = listed("errors/format-conversion-failed/dt=2026-03-02/hour=07/other", "errors")
    assert found.object_time == datetime(2026, 3, 2, 7)


@pytest.mark.parametrize(
    "key",
    [
        f"readings/{NAME}",
        f"readings/copy/dt=2026-03-02/hour=07/{NAME}",
        f"readings/dt=2026-03-02/{NAME}",
        f"readings/dt=2026-03-02/hour=7/{NAME}",
        f"readings/dt=2026-03-02/hour=24/{NAME}",
        f"readings/dt=2026-02-30/hour=07/{NAME}",
        f"backup/dt=2026-03-02/hour=07/{NAME}",
    ],
)
def test_what_lies_outside_the_hours_folders_did_not_land(key):
    assert listed(key) is None


def test_an_empty_object_did_not_land():
    assert listed(f"readings/dt=2026-03-02/hour=07/{NAME}", size=0) is None


def test_what_is_written_is_listed_in_its_own_hour():
    arrival = datetime(2026, 3, 2, 1, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    found = listed(f"sent/{hour_path(arrival)}{object_name('kinesis', arrival, 'unique')}.parquet", "sent")
    assert found.path.endswith("/dt=2026-03-01/hour=23/kinesis-1-2026-03-01-23-30-05-unique.parquet")
    assert found.arrival_hour == datetime(2026, 3, 1, 23)
    assert found.object_time.replace(tzinfo=UTC) == arrival
