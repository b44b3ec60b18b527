"""Buckets keep what they hold private, encrypted and for as long as they should."""

import pytest

from infra.aws.stages import STAGES
from infra.aws.storage.buckets import Buckets
from tests.infra.aws.templates import of_type, properties, statements

BUCKET = "AWS::S3::Bucket"


@pytest.fixture(scope="module")
def buckets(resources_of, stage):
    return resources_of(lambda stack: Buckets(stack, "Buckets", stage=stage))


def data_buckets(city):
    return city.raw_bucket, city.lake_bucket, city.results_bucket, city.docs_bucket


def test_every_bucket_is_private_versioned_and_encrypted(buckets):
    found = of_type(buckets, BUCKET)
    assert len(found) == 5
    for bucket in found:
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["Properties"]["BucketEncryption"]


def test_every_bucket_refuses_requests_without_tls(buckets):
    refused = {
        statement["Resource"][0]
        for policy in of_type(buckets, "AWS::S3::BucketPolicy")
        for statement in statements(policy["Properties"]["PolicyDocument"])
        if statement["Effect"] == "Deny" and statement["Condition"].get("Bool") == {"aws:SecureTransport": "false"}
    }
    assert refused == {f"<{name}.Arn>" for name, resource in buckets.items() if resource["Type"] == BUCKET}


def test_every_access_is_recorded_by_bucket(buckets, stage):
    for name in data_buckets(stage.city):
        logging = properties(buckets, BUCKET, BucketName=name)["LoggingConfiguration"]
        assert logging["LogFilePrefix"] == f"{name}/"
        target = buckets[logging["DestinationBucketName"]["Ref"]]["Properties"]["BucketName"]
        assert target == "trafficlake-test-access-logs-example-city"


def test_what_arrives_has_another_key_than_the_lake(buckets, stage):
    keys = {}
    for name in data_buckets(stage.city):
        (rule,) = properties(buckets, BUCKET, BucketName=name)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        keys[name] = rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]["Fn::GetAtt"][0]
    raw, *others = keys.values()
    assert len(set(others)) == 1
    assert raw not in others
    assert all(buckets[key]["Properties"]["EnableKeyRotation"] for key in keys.values())


def rules(buckets, name):
    (rule,) = properties(buckets, BUCKET, BucketName=name)["LifecycleConfiguration"]["Rules"]
    return rule


def test_landing_objects_get_cheaper_with_age_and_stay_readable_by_queries(buckets, stage):
    transitions = rules(buckets, stage.city.raw_bucket)["Transitions"]
    by_age = [(each["TransitionInDays"], each["StorageClass"]) for each in transitions]
    assert by_age == [(30, "STANDARD_IA"), (90, "GLACIER_IR")]


def test_only_results_and_access_logs_expire(buckets, stage):
    city = stage.city
    assert rules(buckets, city.results_bucket)["ExpirationInDays"] == stage.results_expire_after_days
    assert rules(buckets, "trafficlake-test-access-logs-example-city")["ExpirationInDays"] == 365
    assert not [
        n for n in (city.raw_bucket, city.lake_bucket, city.docs_bucket) if "ExpirationInDays" in rules(buckets, n)
    ]


@pytest.mark.parametrize(
    ("name", "deleted", "replaced"), [("prod", "RetainExceptOnCreate", "Retain"), ("test", "Delete", "Delete")]
)
def test_data_and_its_keys_outlive_the_stack_where_the_stage_says_so(resources_of, name, deleted, replaced):
    resources = resources_of(lambda stack: Buckets(stack, "Buckets", stage=STAGES[name]))
    held = of_type(resources, BUCKET) + of_type(resources, "AWS::KMS::Key")
    assert {resource["DeletionPolicy"] for resource in held} == {deleted}
    assert {resource["UpdateReplacePolicy"] for resource in held} == {replaced}
