"""The copy in another region: whole, encrypted with a key of its own, and written by a role that can do no more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.aws.app import synthesize
from infra.aws.stages import STAGES, Stage
from infra.aws.storage.buckets import Buckets
from infra.aws.storage.replica import ReplicaBuckets, Replication
from tests.infra.aws.templates import allowed, flat, named, of_type, properties, statements

BUCKET = "AWS::S3::Bucket"
REGION = "eu-south-1"
RAW, LAKE = (f"trafficlake-test-replica-{what}-example-city" for what in ("raw", "lake"))


@pytest.fixture(scope="module")
def copied(resources_of, stage):
    def make(stack):
        buckets = Buckets(stack, "Buckets", stage=stage)
        Replication(stack, "Replication", stage=stage, region=REGION, buckets=buckets)

    return resources_of(make)


@pytest.fixture(scope="module")
def replica(resources_of, stage):
    return resources_of(lambda stack: ReplicaBuckets(stack, "Buckets", stage=stage))


def test_all_of_raw_and_lake_is_copied_and_encrypted_anew(copied, replica, stage):
    (alias,) = (each["Properties"]["AliasName"] for each in of_type(replica, "AWS::KMS::Alias"))
    for name, target in ((stage.city.raw_bucket, RAW), (stage.city.lake_bucket, LAKE)):
        (rule,) = properties(copied, BUCKET, BucketName=name)["ReplicationConfiguration"]["Rules"]
        assert (rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": ""})
        assert rule["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
        assert rule["Destination"]["Bucket"] == f"arn:aws:s3:::{target}"
        key = flat(rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"])
        assert key == f"arn:aws:kms:{REGION}:<AWS::AccountId>:{alias}"
        assert properties(replica, BUCKET, BucketName=target)["VersioningConfiguration"] == {"Status": "Enabled"}


def test_results_and_docs_are_not_copied(copied, stage):
    for name in (stage.city.results_bucket, stage.city.docs_bucket):
        assert "ReplicationConfiguration" not in properties(copied, BUCKET, BucketName=name)


def test_the_copies_are_private_and_encrypted_with_one_rotated_key_of_their_region(replica):
    (key,) = (name for name, each in replica.items() if each["Type"] == "AWS::KMS::Key")
    assert replica[key]["Properties"]["EnableKeyRotation"] is True
    for name in (RAW, LAKE):
        found = properties(replica, BUCKET, BucketName=name)
        assert set(found["PublicAccessBlockConfiguration"].values()) == {True}
        (rule,) = found["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]["Fn::GetAtt"][0] == key


def test_the_role_can_copy_from_the_sources_to_the_copies_and_no_more(copied, stage):
    granted = named(copied, allowed(copied, "Replication"))
    targets = {f"arn:aws:s3:::{name}/*" for name in (RAW, LAKE)}
    assert {action for action, on in granted.items() if on & targets} == {
        "s3:ReplicateObject",
        "s3:ReplicateDelete",
        "s3:ReplicateTags",
    }
    assert granted["s3:ReplicateObject"] == targets
    assert granted["s3:ListBucket"] == {
        f"arn:aws:s3:::{name}" for name in (stage.city.raw_bucket, stage.city.lake_bucket)
    }
    assert not {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} & set(granted)


def test_the_role_can_use_no_other_key_of_the_other_region(copied):
    (policy,) = of_type(copied, "AWS::IAM::Policy")
    of_all_keys = [
        statement
        for statement in statements(policy["Properties"]["PolicyDocument"])
        if f"arn:aws:kms:{REGION}:<AWS::AccountId>:key/*" in statement["Resource"]
    ]
    assert [statement["Condition"] for statement in of_all_keys] == [
        {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/trafficlake-test-replica"}}
    ]


def test_a_stage_with_a_copy_is_synthesised_with_the_other_region_first(stage, tmp_path):
    templates = synthesize(stage.model_copy(update={"replica_region": REGION}), tmp_path)
    by_stack = {path.name.removesuffix(".template.json"): path for path in templates}
    both = [by_stack[f"trafficlake-test-{name}"] for name in ("replica", "storage")]
    artifacts = json.loads((tmp_path / "manifest.json").read_text())["artifacts"]
    assert artifacts["trafficlake-test-replica"]["environment"].endswith(f"/{REGION}")
    assert "trafficlake-test-replica" in artifacts["trafficlake-test-storage"]["dependencies"]
    command = [Path(sys.executable).with_name("cfn-lint"), "--", *map(str, both)]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_no_stage_has_a_copy_unasked(prod):
    assert not [each for each in of_type(prod, BUCKET) if "ReplicationConfiguration" in each["Properties"]]


def test_a_copy_in_the_same_region_is_refused():
    settings = STAGES["test"].model_dump() | {"replica_region": STAGES["test"].city.region}
    with pytest.raises(ValidationError, match="another region"):
        Stage(**settings)
