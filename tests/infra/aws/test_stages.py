"""A stage that AWS would refuse in the middle of a deployment is refused before it."""

import pytest
from pydantic import ValidationError

from infra.aws.stages import Stage
from infra.settings import AlertRoute, CitySettings

SIZE = {"sensors": 10, "interval_s": 60}


def test_objects_are_archived_30_days_after_they_became_infrequent_at_the_earliest():
    city = CitySettings(stage="test")
    assert Stage(city=city, **SIZE, raw_infrequent_after_days=40, raw_archive_after_days=70)
    with pytest.raises(ValidationError, match="raw_archive_after_days"):
        Stage(city=city, **SIZE, raw_infrequent_after_days=40, raw_archive_after_days=69)


@pytest.mark.parametrize(("replica_region", "longest"), [(None, 63 - 36), ("eu-west-1", 63 - 44)])
def test_the_longest_name_of_a_bucket_is_one_that_s3_takes(replica_region, longest):
    # trafficlake-twelveletter-access-logs has 36 characters, and that of the copy 44.
    def stage(length):
        city = CitySettings(stage="twelveletter", bucket_suffix="-" + "x" * (length - 1))
        return Stage(city=city, **SIZE, replica_region=replica_region)

    assert stage(longest)
    with pytest.raises(ValidationError, match="bucket_suffix is too long"):
        stage(longest + 1)


def test_a_webhook_is_called_by_https_only():
    city = CitySettings(stage="test", alert_routes=(AlertRoute(name="room", webhook_url="http://room.example.org/"),))
    with pytest.raises(ValidationError, match="webhook_url of the route room begins with https://"):
        Stage(city=city, **SIZE)
