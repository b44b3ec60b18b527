"""The dashboards' stack: what the specs say is in the template, and each may see what is theirs."""

import json
from collections import defaultdict

import pytest
from aws_cdk import App, Environment

from dashboards.quicksight import datasets
from dashboards.quicksight.definition import definition
from dashboards.spec import load
from infra.aws.app import FLAGS
from infra.aws.dashboards.access import DashboardRole, tables_read
from infra.aws.dashboards.boards import Boards
from infra.aws.dashboards.data import DashboardData
from infra.aws.dashboards.stack import DashboardsStack
from infra.aws.defaults import RotatedKey
from infra.aws.stages import Stage
from infra.aws.storage.stack import StorageStack
from infra.settings import CitySettings
from tests.infra.aws.templates import allowed, flat, named, of_type, properties, resolved, statements

PLANNERS, AUTHORS, CENTRE = "group/default/planners", "group/default/analysts", "user/default/centre"
PLACES = {"AWS::AccountId": "111122223333"}


def named_stage(**settings):
    city = CitySettings(stage="test", region="eu-south-1", bucket_suffix="-roma", city_time_zone="Europe/Rome")
    return Stage(city=city, sensors=1000, interval_s=60, **settings)


@pytest.fixture(scope="module")
def zoned():
    """A stage whose planners see all, and of whose people one sees the centre."""
    return named_stage(
        quicksight_readers=(PLANNERS, CENTRE),
        quicksight_authors=(AUTHORS,),
        quicksight_zones={PLANNERS: (), AUTHORS: (), CENTRE: ("Z1", "Z2")},
        quicksight_identity_region="us-east-1",
    )


def whole(stack, stage):
    key = RotatedKey(stack, "Key", stage=stage, purpose="lake")
    data = DashboardData(stack, "Data", stage=stage, specs=load(), lake_key=key)
    Boards(stack, "Boards", stage=stage, specs=load(), data=data)


@pytest.fixture(scope="module")
def dashboards(resources_of, zoned):
    """The resources of all dashboards of that stage."""
    return resources_of(lambda stack: whole(stack, zoned))


def data_sets(resources):
    return {
        each["Properties"]["DataSetId"]: each["Properties"] for each in of_type(resources, "AWS::QuickSight::DataSet")
    }


def logical_ids(resources):
    return {
        resource["Properties"]["DataSetId"]: name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::QuickSight::DataSet"
    }


def granted(properties):
    return {
        resolved(each["Principal"], PLACES).rpartition(":")[2]: set(each["Actions"])
        for each in properties.get("Permissions", [])
    }


@pytest.mark.parametrize("kind", ["Dashboard", "Analysis"])
def test_the_template_says_what_the_definition_says(dashboards, kind):
    ids = logical_ids(dashboards)
    found = {
        each["Properties"][f"{kind}Id"]: each["Properties"] for each in of_type(dashboards, f"AWS::QuickSight::{kind}")
    }
    for dashboard in load().dashboards:
        made = definition(
            load(),
            dashboard,
            lambda name: {"Fn::GetAtt": [ids[f"trafficlake-test-{name.replace('_', '-')}"], "Arn"]},
            time_zone="Europe/Rome",
        )
        assert found[f"trafficlake-test-{dashboard.name}"]["Definition"] == made


def test_the_template_says_what_the_dataset_says(dashboards):
    source = next(name for name, each in dashboards.items() if each["Type"] == "AWS::QuickSight::DataSource")
    for dataset in datasets.of_athena(load()):
        arn = {"Fn::GetAtt": [source, "Arn"]}
        made = datasets.data_set(load(), dataset, prefix="trafficlake-test", data_source_arn=arn)
        found = data_sets(dashboards)[made["DataSetId"]]
        assert {name: found[name] for name in made} == made
        assert found.get("DataSetRefreshProperties") == datasets.refresh_properties(dataset)


def test_the_lake_is_asked_as_a_role_that_reads_these_tables_and_writes_results_alone(resources_of, zoned):
    def role(stack):
        key = RotatedKey(stack, "Key", stage=zoned, purpose="lake")
        DashboardRole(stack, "Role", stage=zoned, specs=load(), lake_key=key)

    resources = resources_of(role)
    may = named(resources, allowed(resources, "Role"))
    lake, results = "arn:aws:s3:::trafficlake-test-lake-roma", "arn:aws:s3:::trafficlake-test-results-roma"
    tables = [table.replace(".", "/") for table in tables_read(load())]
    # Athena opens a view, which has no objects, as whoever asks: the role reads the tables behind it.
    views = {"marts/segment_hours", "marts/segment_days"}
    assert views | {"marts/congestion_hourly", "marts/congestion_daily", "marts/int_segment__registered"} <= {*tables}
    assert may["s3:PutObject"] == {f"{results}/planners/*"}
    assert may["s3:GetObject"] == {
        f"{results}/planners/*",
        *(f"{lake}/{table}*" for table in tables if table not in views),
    }
    assert may["glue:GetTable"] == {f"arn:aws:glue:eu-south-1:<AWS::AccountId>:table/{table}" for table in tables}
    assert may["athena:StartQueryExecution"] == {
        "arn:aws:athena:eu-south-1:<AWS::AccountId>:workgroup/trafficlake-test-planners"
    }
    assert may["kms:Decrypt"] == {"alias/trafficlake-test-lake"}
    assert not [
        action for action in may if action.startswith(("glue:Create", "glue:Update", "glue:Delete", "s3:Delete"))
    ]
    (policy,) = of_type(resources, "AWS::IAM::Policy")
    for statement in statements(policy["Properties"]["PolicyDocument"]):
        if "s3:ListBucket" in statement["Action"]:
            assert statement["Condition"]["StringLike"]["s3:prefix"]


def test_the_data_source_is_athena_in_the_planners_workgroup_by_tls(dashboards):
    source = properties(dashboards, "AWS::QuickSight::DataSource")
    assert source["DataSourceParameters"]["AthenaParameters"]["WorkGroup"] == "trafficlake-test-planners"
    assert source["SslProperties"] == {"DisableSsl": False}


def test_rows_are_for_those_whose_zones_they_are(dashboards):
    rules = data_sets(dashboards)["trafficlake-test-zone-rules"]
    query = resolved(rules["PhysicalTableMap"]["rules"]["CustomSql"]["SqlQuery"], PLACES)
    assert "'arn:aws:quicksight:us-east-1:111122223333:user/default/centre', cast(null as varchar), 'Z1')" in query
    assert "'arn:aws:quicksight:us-east-1:111122223333:group/default/planners', cast(null as varchar))" in query
    arn = {"Fn::GetAtt": [logical_ids(dashboards)["trafficlake-test-zone-rules"], "Arn"]}
    for dataset in datasets.of_athena(load()):
        found = data_sets(dashboards)[f"trafficlake-test-{dataset.name.replace('_', '-')}"]
        expected = datasets.row_level_permissions(arn) if dataset.row_security else None
        assert found.get("RowLevelPermissionDataSet") == expected


def test_without_zones_everybody_sees_every_row(resources_of):
    resources = resources_of(lambda stack: whole(stack, named_stage(quicksight_readers=(PLANNERS,))))
    assert not [each for each in data_sets(resources).values() if "RowLevelPermissionDataSet" in each]
    assert "trafficlake-test-zone-rules" not in data_sets(resources)
    assert of_type(resources, "AWS::QuickSight::Dashboard")
    # Nobody could open them.
    assert not of_type(resources, "AWS::QuickSight::Analysis")


# Written out from the examples of QuickSight's developer guide (Update…Permissions); of themes from the API reference.
DOCUMENTED = {
    "Dashboard": {"DescribeDashboard", "QueryDashboard", "ListDashboardVersions"},
    "Analysis": {
        *("RestoreAnalysis", "UpdateAnalysisPermissions", "DeleteAnalysis", "QueryAnalysis"),
        *("DescribeAnalysisPermissions", "DescribeAnalysis", "UpdateAnalysis"),
    },
    "DataSet": {
        *("DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions"),
    },
    "DataSource": {"DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource"},
    "Theme": {"DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions"},
}


@pytest.mark.parametrize("kind", list(DOCUMENTED))
def test_whoever_may_do_something_has_one_of_the_sets_that_quicksight_takes(dashboards, kind):
    made = of_type(dashboards, f"AWS::QuickSight::{kind}")
    assert made
    for each in made:
        for actions in granted(each["Properties"]).values():
            assert actions == {f"quicksight:{action}" for action in DOCUMENTED[kind]}


def test_readers_read_dashboards_and_authors_open_analyses_and_data(dashboards):
    for kind in ("Dashboard", "Theme"):
        for each in of_type(dashboards, f"AWS::QuickSight::{kind}"):
            assert set(granted(each["Properties"])) == {PLANNERS, AUTHORS, CENTRE}
    for kind in ("Analysis", "DataSet", "DataSource"):
        for each in of_type(dashboards, f"AWS::QuickSight::{kind}"):
            assert set(granted(each["Properties"])) == {AUTHORS}


def test_users_are_in_the_region_that_quicksight_keeps_them_in(dashboards):
    principals = {
        resolved(each["Principal"], PLACES)
        for dashboard in of_type(dashboards, "AWS::QuickSight::Dashboard")
        for each in dashboard["Properties"]["Permissions"]
    }
    assert f"arn:aws:quicksight:us-east-1:111122223333:{PLANNERS}" in principals


def test_whatever_is_imported_is_read_again_in_full_once_a_week_at_night_in_the_city(dashboards):
    scheduled = {
        each["Properties"]["DataSetId"]: each["Properties"]["Schedule"]
        for each in of_type(dashboards, "AWS::QuickSight::RefreshSchedule")
    }
    imported = {name for name, each in data_sets(dashboards).items() if each["ImportMode"] == "SPICE"}
    assert set(scheduled) == imported
    for schedule in scheduled.values():
        assert schedule["RefreshType"] == "FULL_REFRESH"
        assert schedule["ScheduleFrequency"]["TimeZone"] == "Europe/Rome"
    # A deployment before the first run of the pipeline finds no marts to import, and must not wait for them.
    assert {
        each["IngestionWaitPolicy"]["WaitForSpiceIngestion"]
        for name, each in data_sets(dashboards).items()
        if name in imported
    } == {False}


def test_the_outputs_are_the_addresses_of_the_dashboards(zoned, tmp_path):
    # The schemas are looked at where the whole app is made; that takes long.
    app = App(context={**FLAGS, "@aws-cdk/core:validateAgainstDefaultRules": False}, outdir=str(tmp_path))
    common = {"stage": zoned, "env": Environment(region="eu-south-1")}
    buckets = StorageStack(app, "storage", **common).buckets
    stack = DashboardsStack(app, "dashboards", buckets=buckets, **common)
    app.synth()
    template = (tmp_path / stack.template_file).read_text()
    outputs = {name: flat(each["Value"]) for name, each in json.loads(template)["Outputs"].items()}
    expected = "https://eu-south-1.quicksight.aws.amazon.com/sn/dashboards/trafficlake-test-"
    assert outputs["TodayUrl"] == f"{expected}today"
    assert len(outputs) == len(load().dashboards)
    # CloudFormation takes no template above 1 MB.
    assert len(template) < 1_000_000


@pytest.mark.parametrize("principal", ["planners", "role/planners", "arn:aws:iam::111122223333:user/someone"])
def test_a_principal_that_quicksight_has_none_of_is_refused(principal):
    with pytest.raises(ValueError, match="quicksight_readers"):
        named_stage(quicksight_readers=(principal,))


def test_a_run_refreshes_what_is_imported_and_nothing_else(prod):
    """The machine may start, and starts, an ingestion of each dataset of the other stack; it is named by its run."""
    imported = {name for name, each in data_sets(prod).items() if each["ImportMode"] == "SPICE"}
    (machine,) = of_type(prod, "AWS::StepFunctions::StateMachine")
    states = json.loads(resolved(machine["Properties"]["DefinitionString"], defaultdict(str)))["States"]
    assert {each["dataset"] for each in states["data sets"]["Result"]} == imported
    assert {each["type"] for each in states["data sets"]["Result"]} == {"INCREMENTAL_REFRESH"}
    may = allowed(prod, "HourlyRole")["quicksight:CreateIngestion"]
    region = "arn:aws:quicksight:us-east-1:<AWS::AccountId>"
    assert may == {f"{region}:dataset/{name}/ingestion/*" for name in imported}
