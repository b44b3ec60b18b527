"""People's queries have a place, a key and a limit that no client changes; the pipeline says itself where it writes."""

import pytest

from infra.aws.lake import queries
from infra.aws.lake.queries import Query
from infra.aws.lake.workgroups import Workgroups
from infra.aws.storage.buckets import Buckets
from infra.workgroups import workgroups
from tests.infra.aws.templates import of_type, properties

WORKGROUP = "AWS::Athena::WorkGroup"
RESULTS = "s3://trafficlake-test-results-example-city"


@pytest.fixture(scope="module")
def made(resources_of, stage):
    def make(stack):
        Workgroups(stack, "Workgroups", stage=stage, lake_key=Buckets(stack, "Buckets", stage=stage).lake_key)

    return resources_of(make)


def configuration(made, name):
    return properties(made, WORKGROUP, Name=name)["WorkGroupConfiguration"]


@pytest.mark.parametrize("group", ["analysts", "planners"])
def test_people_s_results_have_one_place_and_queries_a_limit(made, group):
    found = configuration(made, f"trafficlake-test-{group}")
    assert found["EnforceWorkGroupConfiguration"] is True
    assert found["ResultConfiguration"]["OutputLocation"] == f"{RESULTS}/{group}/"
    assert found["BytesScannedCutoffPerQuery"] == 50 * 2**30


def test_the_pipeline_s_tables_may_lie_where_dbt_wants_them(made):
    found = configuration(made, "trafficlake-test")
    assert found["EnforceWorkGroupConfiguration"] is False
    assert found["ResultConfiguration"]["OutputLocation"] == f"{RESULTS}/athena/"
    # Far above what an hour needs: it stops a query that has lost its filter.
    assert found["BytesScannedCutoffPerQuery"] == 2000 * 2**30


def test_all_results_are_encrypted_with_the_lake_s_key(made):
    for group in of_type(made, WORKGROUP):
        encryption = group["Properties"]["WorkGroupConfiguration"]["ResultConfiguration"]["EncryptionConfiguration"]
        assert encryption["EncryptionOption"] == "SSE_KMS"
        key = encryption["KmsKey"]["Fn::GetAtt"][0]
        assert made[key]["Properties"]["Description"] == "trafficlake-test: lake"


def test_the_limit_is_the_stage_s(resources_of, stage):
    strict = stage.model_copy(update={"scan_limit_gb": 5})

    def make(stack):
        Workgroups(stack, "Workgroups", stage=strict, lake_key=Buckets(stack, "Buckets", stage=strict).lake_key)

    assert configuration(resources_of(make), "trafficlake-test-analysts")["BytesScannedCutoffPerQuery"] == 5 * 2**30


def test_the_home_has_the_same_workgroups_without_key_and_limit(made, stage):
    at_home = {each["Name"]: each["Configuration"] for each in workgroups(stage.city)}
    assert set(at_home) == {each["Properties"]["Name"] for each in of_type(made, WORKGROUP)}
    for name, expected in at_home.items():
        found = configuration(made, name)
        found = {**found, "ResultConfiguration": dict(found["ResultConfiguration"])}
        found.pop("BytesScannedCutoffPerQuery", None)
        found["ResultConfiguration"].pop("EncryptionConfiguration")
        assert found == expected


def test_analysts_find_queries_with_title_and_description(made, stage):
    named = [each["Properties"] for each in of_type(made, "AWS::Athena::NamedQuery")]
    assert {each["WorkGroup"] for each in named} == {stage.city.analysts_workgroup}
    (query,) = (each for each in named if each["Name"] == "Delay by zone and day type")
    assert query["Description"].startswith("What a day of each type costs each zone on average, over the last 28 days")
    assert "from marts.zone_congestion_daily" in query["QueryString"]


def test_a_query_is_read_with_its_leading_comment(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "FOLDER", tmp_path)
    text = "-- Title\n-- Says what\n-- it does.\nselect 1\n-- not this\n"
    (tmp_path / "one.sql").write_text(text)
    assert queries.queries() == [Query("one", "Title", "Says what it does.", text)]
    (tmp_path / "two.sql").write_text("-- Title alone\nselect 1\n")
    with pytest.raises(ValueError, match=r"two\.sql has no title and description"):
        queries.queries()
