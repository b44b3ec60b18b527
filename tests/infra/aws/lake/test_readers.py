"""Analysts read marts, reference and curated, planners marts only; neither writes anything but results of queries."""

import pytest

from infra.aws.lake.readers import Readers
from infra.aws.storage.buckets import Buckets
from tests.infra.aws.templates import of_type, statements

LAKE, RESULTS = "arn:aws:s3:::trafficlake-test-lake-example-city", "arn:aws:s3:::trafficlake-test-results-example-city"
CATALOG = "arn:aws:glue:us-east-1:<AWS::AccountId>"
READS = {"analysts": {"marts", "reference", "curated"}, "planners": {"marts"}}


@pytest.fixture(scope="module")
def policies(resources_of, stage):
    """The statements of both policies, by reader, and the resources of the stack."""

    def make(stack):
        Readers(stack, "Readers", stage=stage, lake_key=Buckets(stack, "Buckets", stage=stage).lake_key)

    resources = resources_of(make)
    found = {
        each["Properties"]["ManagedPolicyName"].split("-")[2]: list(statements(each["Properties"]["PolicyDocument"]))
        for each in of_type(resources, "AWS::IAM::ManagedPolicy")
    }
    return found, resources


@pytest.fixture(params=READS)
def reader(request, policies):
    return request.param, policies[0][request.param]


def allowed(policy):
    granted = {}
    for statement in policy:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            granted.setdefault(action, set()).update(statement["Resource"])
    return granted


def test_the_objects_are_those_of_the_databases_and_of_the_workgroup_s_results(reader):
    name, policy = reader
    assert allowed(policy)["s3:GetObject"] == {f"{LAKE}/{database}/*" for database in READS[name]} | {
        f"{RESULTS}/{name}/*"
    }


def test_the_tables_are_those_of_the_databases(reader):
    name, policy = reader
    databases = {f"{CATALOG}:database/{database}" for database in READS[name]}
    tables = {f"{CATALOG}:table/{database}/*" for database in READS[name]}
    assert allowed(policy)["glue:GetTable"] == {f"{CATALOG}:catalog"} | databases | tables


def test_nothing_is_written_but_results(reader):
    name, policy = reader
    granted = allowed(policy)
    assert granted.pop("s3:PutObject") == {f"{RESULTS}/{name}/*"}
    assert granted.pop("s3:AbortMultipartUpload") == {f"{RESULTS}/{name}/*"}
    starts = ("Get", "List", "BatchGet", "StartQueryExecution", "StopQueryExecution", "Decrypt", "GenerateDataKey")
    assert not [action for action in granted if not action.partition(":")[2].startswith(starts)]


def test_nothing_of_raw_is_read(reader):
    _, policy = reader
    granted = allowed(policy)
    everything = set().union(*granted.values())
    assert not [resource for resource in everything if "raw" in resource]


def test_the_only_key_is_the_lake_s(reader, policies):
    _, resources = policies
    granted = allowed(reader[1])
    (key,) = granted["kms:Decrypt"] | granted["kms:GenerateDataKey"]
    assert resources[key[1:-1].partition(".")[0]]["Properties"]["Description"] == "trafficlake-test: lake"


def test_queries_run_in_one_workgroup_only(reader):
    name, policy = reader
    workgroup = {f"arn:aws:athena:us-east-1:<AWS::AccountId>:workgroup/trafficlake-test-{name}"}
    assert allowed(policy)["athena:StartQueryExecution"] == workgroup


def test_only_folders_that_may_be_read_can_be_listed(reader):
    name, policy = reader
    listed = {
        (statement["Resource"][0], tuple(statement["Condition"]["StringLike"]["s3:prefix"]))
        for statement in policy
        if "s3:ListBucket" in statement["Action"]
    }
    prefixes = {bucket: set(found) for bucket, found in listed}
    assert prefixes == {LAKE: {f"{database}/*" for database in READS[name]}, RESULTS: {f"{name}/*"}}
