"""What the pipeline publishes reaches a function that is warm: within a minute, and read only when it has changed."""

import uuid

import boto3
import pytest
from botocore.exceptions import ClientError

from ingestion.alerts import published
from ingestion.alerts.published import LOOK_AGAIN_S, Published


class Object:
    """An object of the bucket, and how often it was asked for and decoded."""

    def __init__(self, bucket: str) -> None:
        self.s3, self.bucket, self.key = boto3.client("s3"), bucket, str(uuid.uuid4())
        self.asked, self.decoded = 0, 0
        self.s3.meta.events.register("before-call.s3.GetObject", self.count)
        self.published = Published(self.s3, bucket, self.key, self.decode, "absent")

    def count(self, **_):
        self.asked += 1

    def decode(self, content: bytes) -> str:
        self.decoded += 1
        return content.decode()

    def put(self, text: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=self.key, Body=text.encode())


@pytest.fixture
def found(city):
    return Object(city.lake_bucket)


@pytest.fixture
def a_minute_later(monkeypatch):
    """Let every look be more than a minute after the one before."""
    return lambda: monkeypatch.setattr(published, "LOOK_AGAIN_S", -1)


def test_it_is_read_once_and_kept_for_a_minute(found):
    found.put("one")
    assert [found.published.value() for _ in range(3)] == ["one"] * 3
    found.put("two")
    assert found.published.value() == "one"
    assert (found.asked, found.decoded, LOOK_AGAIN_S) == (1, 1, 60)


def test_it_is_decoded_again_only_when_it_has_changed(found, a_minute_later):
    found.put("one")
    a_minute_later()
    assert [found.published.value() for _ in range(3)] == ["one"] * 3
    assert (found.asked, found.decoded) == (3, 1)
    found.put("two")
    assert [found.published.value() for _ in range(2)] == ["two"] * 2
    assert (found.asked, found.decoded) == (5, 2)


def test_what_is_not_published_yet_is_absent_and_looked_for_again(found, a_minute_later):
    assert [found.published.value() for _ in range(2)] == ["absent"] * 2
    assert found.asked == 1
    found.put("one")
    a_minute_later()
    assert found.published.value() == "one"


def test_what_was_published_is_kept_where_it_is_taken_away(found, a_minute_later):
    found.put("one")
    a_minute_later()
    assert found.published.value() == "one"
    found.s3.delete_object(Bucket=found.bucket, Key=found.key)
    assert found.published.value() == "one"


def test_a_bucket_that_is_not_there_is_an_error_each_time(city):
    nowhere = Object("trafficlake-no-such-bucket").published
    for _ in range(2):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            nowhere.value()
