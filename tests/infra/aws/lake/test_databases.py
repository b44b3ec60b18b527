"""The databases lie in the lake, and their tables' entries outlive the stack where data does."""

import pytest

from infra.aws.lake.databases import Databases
from infra.aws.stages import STAGES
from tests.infra.aws.templates import of_type

DATABASE = "AWS::Glue::Database"


def made(resources):
    return {each["Properties"]["DatabaseInput"]["Name"]: each for each in of_type(resources, DATABASE)}


def test_each_has_its_folder_in_the_lake_and_raw_is_not_among_them(resources_of, stage):
    databases = made(resources_of(lambda stack: Databases(stack, "Databases", stage=stage)))
    assert set(databases) == {"default", "reference", "curated", "marts"}
    for name, database in databases.items():
        location = f"s3://trafficlake-test-lake-example-city/{name}/"
        assert database["Properties"]["DatabaseInput"]["LocationUri"] == location


def test_an_account_s_own_default_database_is_left_alone(resources_of, stage):
    own = stage.model_copy(update={"has_default_database": True})
    databases = made(resources_of(lambda stack: Databases(stack, "Databases", stage=own)))
    assert set(databases) == {"reference", "curated", "marts"}


@pytest.mark.parametrize(("name", "policy"), [("prod", "RetainExceptOnCreate"), ("test", "Delete")])
def test_the_catalog_of_kept_data_is_kept(resources_of, name, policy):
    databases = made(resources_of(lambda stack: Databases(stack, "Databases", stage=STAGES[name])))
    own = [database for name, database in databases.items() if name != "default"]
    assert {database["DeletionPolicy"] for database in own} == {policy}
    # The account's others may have tables in it.
    assert databases["default"]["DeletionPolicy"] == "RetainExceptOnCreate"
