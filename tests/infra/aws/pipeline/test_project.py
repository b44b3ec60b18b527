"""A build has the city's settings, does one step at a time, and may write only what the steps write."""

import json

import pytest
import yaml

from infra import steps_project
from infra.aws.pipeline.project import StepsProject
from infra.aws.storage.buckets import Buckets
from infra.pipeline import PLAN, STEPS
from infra.settings import AlertRoute, CitySettings
from tests.infra.aws.templates import allowed, named, of_type

LAKE, RESULTS = "arn:aws:s3:::trafficlake-test-lake-example-city", "arn:aws:s3:::trafficlake-test-results-example-city"
DOCS, RAW = "arn:aws:s3:::trafficlake-test-docs-example-city", "arn:aws:s3:::trafficlake-test-raw-example-city"
GLUE = "arn:aws:glue:us-east-1:<AWS::AccountId>"


@pytest.fixture(scope="module")
def resources(resources_of, stage, tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    (files / "a.py").touch()

    def make(stack):
        StepsProject(stack, "Steps", stage=stage, buckets=Buckets(stack, "Buckets", stage=stage), files=files)

    return resources_of(make)


@pytest.fixture(scope="module")
def project(resources):
    (found,) = of_type(resources, "AWS::CodeBuild::Project")
    return found["Properties"]


@pytest.fixture(scope="module")
def granted(resources):
    return named(resources, allowed(resources, "StepsRole"))


def test_it_does_what_the_local_home_does(project):
    assert yaml.safe_load(project["Source"]["BuildSpec"]) == steps_project.buildspec()


def test_one_build_runs_at_a_time_and_has_the_time_that_its_step_has(project):
    assert project["ConcurrentBuildLimit"] == 1
    longest = max(step.timeout_s for step in (PLAN, *STEPS) if step.kind != "glue_job")
    assert project["TimeoutInMinutes"] * 60 > longest


def test_what_it_writes_is_encrypted_with_the_lake_s_key(project, resources):
    key = project["EncryptionKey"]["Fn::GetAtt"][0]
    aliases = {each["Properties"]["AliasName"] for each in of_type(resources, "AWS::KMS::Alias")
               if each["Properties"]["TargetKeyId"]["Fn::GetAtt"][0] == key}  # fmt: skip
    assert aliases == {"alias/trafficlake-test-lake"}


def test_a_command_in_it_has_the_city_s_settings_without_people_s_addresses(monkeypatch):
    city = CitySettings(
        stage="prod",
        bucket_suffix="-roma",
        region="eu-south-1",
        city_time_zone="Europe/Rome",
        alert_warning=75,
        alert_routes=(AlertRoute(name="people", emails=("someone@example.org",)),),
    )
    told = steps_project.variables(city)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert CitySettings() == city.model_copy(update={"alert_routes": CitySettings().alert_routes})
    assert "example.org" not in json.dumps(told)


def test_it_writes_marts_pending_hours_plans_docs_and_what_it_publishes(granted):
    assert granted["s3:PutObject"] == {
        f"{LAKE}/marts/*",
        f"{LAKE}/curated/pending_hours/*",
        f"{LAKE}/runs/plans/*.json",
        f"{LAKE}/published/alerts/reference.json.gz",
        f"{LAKE}/published/alerts/usual.json.gz",
        f"{RESULTS}/athena/*",
        f"{DOCS}/quality/marts/*",
    }
    assert granted["s3:DeleteObject"] == {f"{LAKE}/marts/*"}


def test_of_what_arrives_it_reads_only_what_the_steps_look_at(granted):
    assert {where for where in granted["s3:GetObject"] if where.startswith(RAW)} == {
        f"{RAW}/readings/*",
        f"{RAW}/errors/format-conversion-failed/*",
        f"{RAW}/sent/*",
    }


def test_it_changes_no_table_but_the_marts_and_the_pending_hours(granted):
    changing = ("BatchCreatePartition", "BatchDeletePartition", "CreateTable", "DeleteTable", "DeleteTableVersion")
    marts = {f"{GLUE}:catalog", f"{GLUE}:database/marts", f"{GLUE}:table/marts/*"}
    assert all(granted[f"glue:{action}"] == marts for action in changing)
    assert granted["glue:UpdateTable"] - marts == {f"{GLUE}:database/curated", f"{GLUE}:table/curated/pending_hours"}
    assert {action for action in granted if action.startswith("glue:") and not action.startswith("glue:Get")} == {
        "glue:UpdateTable",
        *(f"glue:{action}" for action in changing),
    }


def test_it_queries_in_the_pipeline_s_workgroup_only(granted):
    workgroup = {"arn:aws:athena:us-east-1:<AWS::AccountId>:workgroup/trafficlake-test"}
    assert all(where == workgroup for action, where in granted.items() if action.startswith("athena:"))
