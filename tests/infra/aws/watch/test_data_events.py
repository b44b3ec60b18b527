"""Accesses to objects are recorded where the stage wants it: encrypted, and written by that trail only."""

import pytest

from infra.aws.stages import STAGES
from tests.infra.aws.templates import allowed, flat, of_type, properties

TRAIL = "arn:aws:cloudtrail:us-east-1:<AWS::AccountId>:trail/trafficlake-test-data-events"


@pytest.fixture(scope="module")
def stacks(watch_of):
    return watch_of(STAGES["test"].model_copy(update={"data_events": True}))


@pytest.fixture(scope="module")
def trail(stacks):
    (found,) = of_type(stacks["watch"], "AWS::CloudTrail::Trail")
    return found["Properties"]


def test_nothing_is_recorded_unasked(watch):
    assert of_type(watch, "AWS::CloudTrail::Trail") == []


def test_the_objects_of_raw_and_lake_are_recorded_and_nothing_else(trail):
    (selector,) = trail["AdvancedEventSelectors"]
    fields = {each["Field"]: each for each in selector["FieldSelectors"]}
    assert fields["eventCategory"]["Equals"] == ["Data"]
    assert fields["resources.type"]["Equals"] == ["AWS::S3::Object"]
    city = STAGES["test"].city
    assert fields["resources.ARN"]["StartsWith"] == [
        f"arn:aws:s3:::{city.raw_bucket}/",
        f"arn:aws:s3:::{city.lake_bucket}/",
    ]


def test_files_and_log_are_encrypted_with_the_key_of_the_trail(stacks, trail):
    watch = stacks["watch"]
    (group,) = of_type(watch, "AWS::Logs::LogGroup")
    assert group["Properties"]["KmsKeyId"] == trail["KMSKeyId"]
    assert group["Properties"]["RetentionInDays"] == 7
    alias = properties(watch, "AWS::KMS::Alias", AliasName="alias/trafficlake-test-data-events")
    assert alias["TargetKeyId"] == trail["KMSKeyId"]
    (key,) = (each for name, each in watch.items() if name == trail["KMSKeyId"]["Fn::GetAtt"][0])
    by_service = {
        flat(each["Principal"]["Service"]): each["Condition"]
        for each in key["Properties"]["KeyPolicy"]["Statement"]
        if "Service" in each["Principal"]
    }
    assert flat(by_service["cloudtrail.amazonaws.com"]["StringEquals"]["aws:SourceArn"]) == TRAIL
    of_the_log = by_service["logs.us-east-1.amazonaws.com"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
    assert flat(of_the_log).endswith(f":log-group:{group['Properties']['LogGroupName']}")


def test_only_this_trail_may_write_to_the_bucket_of_access_logs_and_only_below_its_prefix(stacks):
    granted = {
        flat(statement["Resource"]): flat(statement["Condition"]["StringEquals"]["aws:SourceArn"])
        for policy in of_type(stacks["storage"], "AWS::S3::BucketPolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
    }
    assert set(granted.values()) == {TRAIL}
    assert any(each.endswith("/cloudtrail/AWSLogs/<AWS::AccountId>/*") for each in granted)


def test_the_trail_may_write_its_own_log_and_nothing_else(stacks):
    (actions, (resource,)) = (
        set(allowed(stacks["watch"], "DataEventsRole")),
        set.union(*allowed(stacks["watch"], "DataEventsRole").values()),
    )
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert ":log-group:/aws/cloudtrail/trafficlake-test-data-events:" in resource
