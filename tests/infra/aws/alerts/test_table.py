"""The alerts' table is that of the local home, and can be restored."""

import pytest

from infra import alert_definitions as definitions
from infra.aws.alerts.table import AlertTable
from infra.aws.stages import STAGES
from tests.infra.aws.templates import of_type


def table(resources_of, name="test"):
    (found,) = of_type(
        resources_of(lambda stack: AlertTable(stack, "Table", stage=STAGES[name])), "AWS::DynamoDB::Table"
    )
    return found


def key(schema):
    assert [each["KeyType"] for each in schema] == ["HASH", "RANGE"]
    return tuple(each["AttributeName"] for each in schema)


def test_it_has_the_keys_and_indexes_of_the_definition(resources_of):
    found = table(resources_of)["Properties"]
    assert key(found["KeySchema"]) == definitions.TABLE_KEY
    indexes = {each["IndexName"]: each for each in found["GlobalSecondaryIndexes"]}
    assert {name: key(each["KeySchema"]) for name, each in indexes.items()} == definitions.INDEXES
    for index in indexes.values():
        assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": definitions.INDEXED}


def test_it_is_encrypted_forgets_and_can_be_restored(resources_of):
    found = table(resources_of)["Properties"]
    assert found["SSESpecification"] == {"SSEEnabled": True}
    assert found["TimeToLiveSpecification"] == {"AttributeName": definitions.EXPIRY, "Enabled": True}
    assert found["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert found["StreamSpecification"] == {"StreamViewType": definitions.TABLE_STREAM}


@pytest.mark.parametrize(
    ("name", "is_kept", "policy"), [("prod", True, "RetainExceptOnCreate"), ("test", False, "Delete")]
)
def test_it_outlives_its_stack_where_the_stage_says_so(resources_of, name, is_kept, policy):
    found = table(resources_of, name)
    assert found["Properties"]["DeletionProtectionEnabled"] is is_kept
    assert found["DeletionPolicy"] == policy
