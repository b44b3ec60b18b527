"""Datasets are made of columns that the tables have, say what they mean, and show people only their zones."""

import duckdb
import pytest
from quicksight_api import bodies, refused

from dashboards.quicksight import datasets
from dashboards.tables import tables

ARN = "arn:aws:quicksight:us-east-1:111122223333:datasource/lake"
ACCOUNT = {"AwsAccountId": "111122223333"}
# What a column of a spec may be in Athena.
ATHENA = {
    "text": {"varchar"},
    "number": {"double"},
    "integer": {"integer", "bigint"},
    "flag": {"boolean"},
    "date": {"date"},
    "instant": {"timestamp"},
}
PLANNERS = "arn:aws:quicksight:us-east-1:111122223333:group/default/planners"
CENTRE = "arn:aws:quicksight:us-east-1:111122223333:user/default/o'neil"


def made(specs):
    return {
        dataset.name: datasets.data_set(specs, dataset, prefix="trafficlake-test", data_source_arn=ARN)
        for dataset in datasets.of_athena(specs)
    }


def test_the_api_takes_every_dataset(specs):
    for definition in made(specs).values():
        assert refused("CreateDataSet", {**ACCOUNT, **definition}) == []
    rules = datasets.zone_rules({PLANNERS: ()}, prefix="trafficlake-test", data_source_arn=ARN)
    assert refused("CreateDataSet", {**ACCOUNT, **rules}) == []


def test_every_column_is_one_of_its_table_and_of_its_type(specs):
    for dataset in datasets.of_athena(specs):
        declared = {column.name: tables()[dataset.mart].types[column.name] for column in dataset.columns}
        if dataset.join:
            declared |= {column.name: tables()[dataset.join.mart].types[column.name] for column in dataset.join.columns}
            assert tables()[dataset.join.mart].types[dataset.join.key] == "varchar"
        for name, column in dataset.all_columns.items():
            assert declared[name] in ATHENA[column.type], (dataset.name, name)


def test_the_columns_that_quicksight_asks_athena_for_are_those_of_the_dbt_manifest(specs, manifest):
    nodes = {("marts", node["name"]): node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    nodes |= {(node["source_name"], node["name"]): node for node in manifest["sources"].values()}
    for definition in made(specs).values():
        for table in bodies(definition, "RelationalTable"):
            asked = {column["Name"] for column in table["InputColumns"]}
            assert asked <= nodes[table["Schema"], table["Name"]]["columns"].keys()


def test_columns_say_what_they_mean_as_dbt_says_it(specs):
    definition = made(specs)["segment_days"]
    tags = {tag["ColumnName"]: tag["Tags"] for tag in bodies(definition, "TagColumnOperation")}
    assert set(tags) == set(next(bodies(definition, "ProjectedColumns")))
    (delay,) = bodies(tags["delay_veh_h"], "Text")
    assert "never recomputed from a mean speed" in delay


def test_segments_are_on_the_map_by_latitude_and_longitude(specs):
    definition = made(specs)["segment_hours"]
    roles = {
        tag["ColumnName"]: list(bodies(tag, "ColumnGeographicRole")) for tag in bodies(definition, "TagColumnOperation")
    }
    assert (roles["latitude"], roles["longitude"]) == (["LATITUDE"], ["LONGITUDE"])
    (join,) = bodies(definition, "JoinInstruction")
    # A segment that the registry has dropped keeps its figures.
    assert join["Type"] == "LEFT"


def test_a_choice_is_never_empty_so_that_no_row_vanishes(specs):
    for name, definition in made(specs).items():
        created = {
            column["ColumnName"]: column["Expression"]
            for each in bodies(definition, "CreateColumnsOperation")
            for column in each["Columns"]
        }
        for column in datasets.choice_columns(specs, specs.datasets[name]):
            assert created[f"{column}_choice"] == f"coalesce({{{column}}}, 'unassigned')"


def test_whoever_has_a_zone_column_has_rows_by_zone(specs):
    by_zone = {dataset.name for dataset in datasets.of_athena(specs) if dataset.row_security}
    assert by_zone == {dataset.name for dataset in datasets.of_athena(specs) if datasets.ZONE in dataset.all_columns}
    assert {dataset.row_security for dataset in specs.datasets.values()} == {datasets.ZONE, None}


def test_the_rules_are_a_query_with_a_row_for_each_zone_and_nothing_for_all():
    definition = datasets.zone_rules({PLANNERS: (), CENTRE: ("Z1", "Z2")}, prefix="p", data_source_arn=ARN)
    (table,) = bodies(definition, "CustomSql")
    answer = duckdb.sql(table["SqlQuery"])
    assert answer.columns == [column["Name"] for column in table["Columns"]] == ["UserARN", "GroupARN", "zone_id"]
    assert answer.fetchall() == [(None, PLANNERS, None), (CENTRE, None, "Z1"), (CENTRE, None, "Z2")]
    assert definition["UseAs"] == "RLS_RULES"


@pytest.mark.parametrize("zone", ["Z1,Z2", "harbor, north"])
def test_a_zone_with_a_comma_is_refused_for_it_would_grant_others(zone):
    with pytest.raises(ValueError, match="holds a comma") as refused_rule:
        datasets.zone_rules({PLANNERS: (), CENTRE: ("Z3", zone)}, prefix="p", data_source_arn=ARN)
    assert all(part in str(refused_rule.value) for part in ("quicksight_zones", CENTRE, repr(zone)))


def test_imported_rows_are_refreshed_after_each_run_and_all_of_them_once_a_week(specs):
    imported = {dataset.name for dataset in specs.datasets.values() if dataset.mode == "spice"}
    ingestions = datasets.ingestions(specs, "trafficlake-test")
    by_id = {definition["DataSetId"]: name for name, definition in made(specs).items()}
    assert {by_id[name] for name in ingestions} == imported
    for name, kind in ingestions.items():
        each = {"DataSetId": name, "IngestionType": kind}
        assert refused("CreateIngestion", {**ACCOUNT, "IngestionId": "i", **each}) == []
        dataset = specs.datasets[by_id[each["DataSetId"]]]
        (window,) = bodies(datasets.refresh_properties(dataset), "LookbackWindow")
        # A late reading may change the hours around it: a window of less than two days would miss those of yesterday.
        assert (window["SizeUnit"], window["Size"] >= 2) == ("DAY", True)
        assert dataset.all_columns[window["ColumnName"]].type in ("date", "instant")
        schedule = datasets.full_refresh(dataset, "Europe/Rome")
        request = {**ACCOUNT, "DataSetId": each["DataSetId"], "Schedule": schedule}
        assert refused("CreateRefreshSchedule", request) == []
        assert (schedule["RefreshType"], schedule["ScheduleFrequency"]["Timezone"]) == ("FULL_REFRESH", "Europe/Rome")


def test_queries_of_now_have_no_refresh(specs):
    direct = [dataset for dataset in specs.datasets.values() if dataset.mode == "direct_query"]
    assert direct
    assert {datasets.full_refresh(dataset, "UTC") for dataset in direct} == {None}
    assert {datasets.refresh_properties(dataset) for dataset in direct} == {None}
