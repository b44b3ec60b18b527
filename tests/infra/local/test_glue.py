"""Glue's answers that the base lacks, each asked with the real client of the running endpoint."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

STORAGE = {"Columns": [{"Name": "n", "Type": "int"}], "Location": "s3://b/t/"}
KEYS = [{"Name": "dt", "Type": "date"}, {"Name": "hour", "Type": "int"}]


@pytest.fixture
def glue(endpoint: str) -> Any:
    return boto3.client("glue")


@pytest.fixture
def database(glue: Any) -> str:
    name = f"db_{uuid4().hex[:8]}"
    glue.create_database(DatabaseInput={"Name": name})
    return name


def _table(glue: Any, database: str, name: str = "t", **parts: Any) -> dict[str, str]:
    glue.create_table(DatabaseName=database, TableInput={"Name": name, "StorageDescriptor": STORAGE} | parts)
    return {"DatabaseName": database, "TableName": name}


def _partitioned(glue: Any, database: str, values: list[tuple[str, str]]) -> dict[str, str]:
    of_table = _table(glue, database, PartitionKeys=KEYS)
    inputs = [
        {"Values": list(entry), "StorageDescriptor": STORAGE | {"Location": f"s3://b/t/{entry[0]}/{entry[1]}/"}}
        for entry in values
    ]
    for begin in range(0, len(inputs), 100):
        assert not glue.batch_create_partition(**of_table, PartitionInputList=inputs[begin : begin + 100])["Errors"]
    return of_table


def _code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


def test_get_table_can_be_copied_back_into_update_table(glue: Any, database: str) -> None:
    _table(glue, database)
    table = glue.get_table(DatabaseName=database, Name="t")["Table"]
    assert "Owner" not in table
    assert "Description" not in table
    allowed = {"Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters"}
    glue.update_table(DatabaseName=database, TableInput={key: table[key] for key in allowed & set(table)})


def test_update_table_replaces_the_whole_definition(glue: Any, database: str) -> None:
    _table(glue, database, Description="before", Parameters={"a": "1"}, PartitionKeys=KEYS)
    glue.update_table(DatabaseName=database, TableInput={"Name": "t", "Parameters": {"b": "2"}})
    table = glue.get_table(DatabaseName=database, Name="t")["Table"]
    assert table["Parameters"] == {"b": "2"}
    assert "Description" not in table
    assert table["PartitionKeys"] == []


def test_names_are_folded_to_lower_case(glue: Any, database: str) -> None:
    _table(glue, database, name="MixedCase")
    assert glue.get_table(DatabaseName=database.upper(), Name="MIXEDCASE")["Table"]["Name"] == "mixedcase"


def test_one_of_many_commits_on_one_version_wins(glue: Any, database: str) -> None:
    _table(glue, database)

    def commit(number: int) -> str:
        try:
            table = {"Name": "t", "StorageDescriptor": STORAGE, "Parameters": {"winner": str(number)}}
            glue.update_table(DatabaseName=database, TableInput=table, VersionId="1")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return str(number)

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(commit, range(16)))
    winners = [outcome for outcome in outcomes if outcome.isdigit()]
    assert len(winners) == 1
    assert outcomes.count("ConcurrentModificationException") == 15
    table = glue.get_table(DatabaseName=database, Name="t")["Table"]
    assert (table["VersionId"], table["Parameters"]) == ("2", {"winner": winners[0]})


def test_table_versions_are_the_current_one(glue: Any, database: str) -> None:
    of_table = _table(glue, database)
    glue.update_table(DatabaseName=database, TableInput={"Name": "t", "StorageDescriptor": STORAGE})
    versions = glue.get_table_versions(**of_table)["TableVersions"]
    assert [version["VersionId"] for version in versions] == ["2"]
    assert versions[0]["Table"]["Name"] == "t"
    assert glue.get_table_version(**of_table)["TableVersion"]["VersionId"] == "2"
    with pytest.raises(ClientError) as refused:
        glue.get_table_version(**of_table, VersionId="1")
    assert _code(refused) == "EntityNotFoundException"
    with pytest.raises(ClientError) as refused:
        glue.delete_table_version(**of_table, VersionId="2")
    assert _code(refused) == "InvalidInputException"
    errors = glue.batch_delete_table_version(**of_table, VersionIds=["1", "2"])["Errors"]
    assert [error["VersionId"] for error in errors] == ["1", "2"]


def test_lists_come_in_pages_in_order_of_name(glue: Any, database: str) -> None:
    for number in range(7):
        _table(glue, database, name=f"t{6 - number}")
    first = glue.get_tables(DatabaseName=database, MaxResults=3)
    assert [table["Name"] for table in first["TableList"]] == ["t0", "t1", "t2"]
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=database, PaginationConfig={"PageSize": 3})
    assert [table["Name"] for page in pages for table in page["TableList"]] == [f"t{number}" for number in range(7)]
    with pytest.raises(ClientError) as refused:
        glue.get_tables(DatabaseName=database, NextToken="?")
    assert _code(refused) == "InvalidInputException"
    names = [
        found["Name"]
        for page in glue.get_paginator("get_databases").paginate(PaginationConfig={"PageSize": 2})
        for found in page["DatabaseList"]
    ]
    assert names == sorted(set(names))
    assert database in names


@pytest.mark.parametrize(
    ("expression", "found"),
    [("orders*", ["orders", "orders_old"]), ("*old", ["orders_old"]), ("orders", ["orders"]), ("o.*s|x", ["orders"])],
)
def test_tables_are_found_by_pattern(glue: Any, database: str, expression: str, found: list[str]) -> None:
    for name in ("orders", "orders_old", "people"):
        _table(glue, database, name=name)
    tables = glue.get_tables(DatabaseName=database, Expression=expression)["TableList"]
    assert [table["Name"] for table in tables] == found


def test_tables_of_a_missing_database_are_refused(glue: Any) -> None:
    with pytest.raises(ClientError) as refused:
        glue.get_tables(DatabaseName="no_such_database")
    assert _code(refused) == "EntityNotFoundException"


def test_search_finds_tables_by_name_and_description(glue: Any, database: str) -> None:
    mark = uuid4().hex
    _table(glue, database, name=f"x{mark}")
    _table(glue, database, name="other", Description=f"about {mark}")
    _table(glue, database, name="none")
    found = glue.search_tables(SearchText=mark)["TableList"]
    assert [table["Name"] for table in found] == ["other", f"x{mark}"]


def test_a_deleted_database_takes_its_tables_along(glue: Any, database: str) -> None:
    _table(glue, database)
    glue.delete_database(Name=database)
    with pytest.raises(ClientError) as refused:
        glue.delete_database(Name=database)
    assert _code(refused) == "EntityNotFoundException"
    glue.create_database(DatabaseInput={"Name": database})
    assert glue.get_tables(DatabaseName=database)["TableList"] == []


def test_partitions_are_filtered_by_expression(glue: Any, database: str) -> None:
    of_table = _partitioned(glue, database, [("2026-01-01", "9"), ("2026-01-01", "10"), ("2026-01-02", "9")])

    def values(**request: Any) -> list[list[str]]:
        return [entry["Values"] for entry in glue.get_partitions(**of_table, **request)["Partitions"]]

    # A comparison of texts would put 10 before 9.
    assert values(Expression="hour >= 10") == [["2026-01-01", "10"]]
    assert values(Expression="(dt = '2026-01-01') AND (hour in (9, 11))") == [["2026-01-01", "9"]]
    assert len(values(Expression="1 = 1")) == 3
    with pytest.raises(ClientError) as refused:
        values(Expression="n = 1")
    assert _code(refused) == "InvalidInputException"


def test_partitions_come_in_pages_and_in_disjoint_segments(glue: Any, database: str) -> None:
    every = [(f"2026-01-{day:02}", str(hour)) for day in range(1, 31) for hour in range(24)]
    of_table = _partitioned(glue, database, every)
    pages = glue.get_paginator("get_partitions").paginate(**of_table, PaginationConfig={"PageSize": 100})
    assert sorted(tuple(entry["Values"]) for page in pages for entry in page["Partitions"]) == sorted(every)
    segments = [
        tuple(entry["Values"])
        for number in range(5)
        for entry in glue.get_partitions(
            **of_table, Segment={"SegmentNumber": number, "TotalSegments": 5}, ExcludeColumnSchema=True
        )["Partitions"]
    ]
    assert sorted(segments) == sorted(every)


def test_partitions_can_be_left_without_their_columns(glue: Any, database: str) -> None:
    of_table = _partitioned(glue, database, [("2026-01-01", "9")])
    storage = glue.get_partitions(**of_table, ExcludeColumnSchema=True)["Partitions"][0]["StorageDescriptor"]
    assert storage == {"Location": "s3://b/t/2026-01-01/9/"}


def test_a_partition_is_updated_and_renamed(glue: Any, database: str) -> None:
    of_table = _partitioned(glue, database, [("2026-01-01", "9")])
    moved = {"Values": ["2026-01-01", "10"], "StorageDescriptor": STORAGE | {"Location": "s3://b/elsewhere/"}}
    glue.update_partition(**of_table, PartitionValueList=["2026-01-01", "9"], PartitionInput=moved)
    found = glue.get_partitions(**of_table)["Partitions"]
    assert [(entry["Values"], entry["StorageDescriptor"]["Location"]) for entry in found] == [
        (["2026-01-01", "10"], "s3://b/elsewhere/")
    ]
    with pytest.raises(ClientError) as refused:
        glue.update_partition(**of_table, PartitionValueList=["2026-01-01", "9"], PartitionInput=moved)
    assert _code(refused) == "EntityNotFoundException"


def test_partitions_are_deleted_in_a_batch_that_names_the_missing(glue: Any, database: str) -> None:
    of_table = _partitioned(glue, database, [("2026-01-01", "9"), ("2026-01-01", "10")])
    gone = [{"Values": ["2026-01-01", "9"]}, {"Values": ["2026-01-01", "23"]}]
    errors = glue.batch_delete_partition(**of_table, PartitionsToDelete=gone)["Errors"]
    assert [error["PartitionValues"] for error in errors] == [["2026-01-01", "23"]]
    assert [entry["Values"] for entry in glue.get_partitions(**of_table)["Partitions"]] == [["2026-01-01", "10"]]
    with pytest.raises(ClientError) as refused:
        glue.delete_partition(**of_table, PartitionValues=["2026-01-01", "9"])
    assert _code(refused) == "EntityNotFoundException"


def test_missing_partitions_are_left_out_of_a_batch(glue: Any, database: str) -> None:
    of_table = _partitioned(glue, database, [("2026-01-01", "9")])
    wanted = [{"Values": ["2026-01-01", "9"]}, {"Values": ["2026-01-01", "23"]}]
    answer = glue.batch_get_partition(**of_table, PartitionsToGet=wanted)
    assert [entry["Values"] for entry in answer["Partitions"]] == [["2026-01-01", "9"]]
    assert answer["UnprocessedKeys"] == []


def test_partitions_need_a_table_and_a_value_per_key(glue: Any, database: str) -> None:
    with pytest.raises(ClientError) as refused:
        glue.get_partitions(DatabaseName=database, TableName="missing")
    assert _code(refused) == "EntityNotFoundException"
    of_table = _partitioned(glue, database, [])
    with pytest.raises(ClientError) as refused:
        glue.create_partition(**of_table, PartitionInput={"Values": ["2026-01-01"], "StorageDescriptor": STORAGE})
    assert _code(refused) == "InvalidInputException"


def test_column_statistics_are_kept_for_tables_and_partitions(glue: Any, database: str) -> None:
    of_table = _partitioned(glue, database, [("2026-01-01", "9")])
    statistics = [
        {
            "ColumnName": "n",
            "ColumnType": "int",
            "AnalyzedTime": 0,
            "StatisticsData": {
                "Type": "LONG",
                "LongColumnStatisticsData": {"NumberOfNulls": 0, "NumberOfDistinctValues": 3},
            },
        }
    ]
    glue.update_column_statistics_for_table(**of_table, ColumnStatisticsList=statistics)
    kept = glue.get_column_statistics_for_table(**of_table, ColumnNames=["n"])["ColumnStatisticsList"]
    assert kept[0]["StatisticsData"]["LongColumnStatisticsData"]["NumberOfDistinctValues"] == 3
    glue.delete_column_statistics_for_table(**of_table, ColumnName="n")
    assert not glue.get_column_statistics_for_table(**of_table, ColumnNames=["n"])["ColumnStatisticsList"]

    of_partition = of_table | {"PartitionValues": ["2026-01-01", "9"]}
    glue.update_column_statistics_for_partition(**of_partition, ColumnStatisticsList=statistics)
    assert glue.get_column_statistics_for_partition(**of_partition, ColumnNames=["n"])["ColumnStatisticsList"]
    glue.delete_column_statistics_for_partition(**of_partition, ColumnName="n")
    assert not glue.get_column_statistics_for_partition(**of_partition, ColumnNames=["n"])["ColumnStatisticsList"]


def test_columns_of_an_iceberg_table_written_by_trino_are_marked(glue: Any, database: str) -> None:
    metadata = (
        b'{"current-schema-id":1,"schemas":[{"schema-id":0,"fields":[]},{"schema-id":1,"fields":['
        b'{"id":1,"name":"Id","required":true,"type":"long"},{"id":3,"name":"b","required":false,"type":"string"}]}]}'
    )
    s3 = boto3.client("s3")
    s3.put_object(Bucket="trafficlake-local-lake", Key=f"{database}/metadata.json", Body=metadata)
    columns = [{"Name": name, "Type": "string"} for name in ("id", "b", "dropped")]
    glue.create_table(
        DatabaseName=database,
        TableInput={
            "Name": "t",
            "StorageDescriptor": {"Columns": columns},
            "Parameters": {
                "table_type": "ICEBERG",
                "metadata_location": f"s3://trafficlake-local-lake/{database}/metadata.json",
            },
        },
    )
    marked = glue.get_table(DatabaseName=database, Name="t")["Table"]["StorageDescriptor"]["Columns"]
    assert [column["Parameters"] for column in marked] == [
        {"iceberg.field.current": "true", "iceberg.field.id": "1", "iceberg.field.optional": "false"},
        {"iceberg.field.current": "true", "iceberg.field.id": "3", "iceberg.field.optional": "true"},
        {"iceberg.field.current": "false"},
    ]


def test_an_unknown_call_is_named(glue: Any) -> None:
    with pytest.raises(ClientError, match="ListBlueprints"):
        glue.list_blueprints()
