"""Statements through the real endpoint and engine with the AWS client, unmodified."""

import time

import boto3
import pytest

OUT = "s3://athena-tests/out/"
LAKE = "s3://athena-tests/lake"


class Failed(Exception):
    """A query that did not succeed."""


@pytest.fixture(scope="module")
def athena(athena_endpoint):
    boto3.client("s3").create_bucket(Bucket="athena-tests")
    boto3.client("glue").create_database(DatabaseInput={"Name": "lab", "LocationUri": f"{LAKE}/"})
    return boto3.client("athena")


@pytest.fixture(scope="module")
def execute(athena):
    def run(sql: str, **request) -> dict:
        request = {
            "QueryString": sql,
            "QueryExecutionContext": {"Database": "lab"},
            "ResultConfiguration": {"OutputLocation": OUT},
            **request,
        }
        key = athena.start_query_execution(**request)["QueryExecutionId"]
        while True:
            execution = athena.get_query_execution(QueryExecutionId=key)["QueryExecution"]
            state = execution["Status"]["State"]
            if state == "SUCCEEDED":
                return execution
            if state in ("FAILED", "CANCELLED"):
                raise Failed(execution["Status"]["StateChangeReason"], execution["Status"].get("AthenaError"))

    return run


@pytest.fixture(scope="module")
def rows(athena, execute):
    def run(sql: str, **request) -> list[list[str | None]]:
        execution = execute(sql, **request)
        pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution["QueryExecutionId"])
        return [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]

    return run


def _object(location: str) -> str:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()


def test_a_query_answers_with_a_header_and_leaves_csv_in_s3(execute, rows):
    sql = "select 1 as a, 1.5 as b, cast(null as varchar) as c, timestamp '2024-01-01 00:00:00' as d"
    assert rows(sql) == [["a", "b", "c", "d"], ["1", "1.5", None, "2024-01-01 00:00:00.000"]]
    execution = execute(sql)
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location.endswith(".csv")
    assert _object(location) == '"a","b","c","d"\n"1","1.5",,"2024-01-01 00:00:00.000"\n'
    assert (execution["StatementType"], execution["Statistics"]["DataScannedInBytes"]) == ("DML", 0)


def test_column_types_have_athenas_names(athena, execute):
    sql = "select 'x' as s, 1 as i, real '1' as r, decimal '1.10' as d, array[1] as a"
    key = execute(sql)["QueryExecutionId"]
    columns = athena.get_query_results(QueryExecutionId=key)["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [column["Type"] for column in columns] == ["varchar", "integer", "float", "decimal", "array"]
    assert (columns[3]["Precision"], columns[3]["Scale"]) == (3, 2)


def test_an_iceberg_table_lives_from_ctas_to_drop(execute, rows):
    execute(
        f'create table "awsdatacatalog"."lab"."ice" with (table_type=\'iceberg\', is_external=false, '
        f"location='{LAKE}/ice', partitioning=ARRAY['day(ts)'], vacuum_max_snapshot_age_seconds=60) as "
        "select 1 as id, timestamp '2024-01-01 00:00:00' as ts, 1.5 as v"
    )
    execute(
        "merge into lab.ice as target using (values (1, timestamp '2024-01-01 00:00:00', 2.5), "
        "(2, timestamp '2024-01-02 00:00:00', 3.5)) as src (id, ts, v) on (target.id = src.id) "
        'when matched then update set"v" = src.v when not matched then insert (id, ts, v) '
        "values (src.id, src.ts, src.v)"
    )
    execute("alter table lab.ice add columns (note string)")
    execute("update ice set note = 'changed' where id = 2")
    execute("delete from ice where id = 1")
    assert rows("select * from ice")[1:] == [["2", "2024-01-02 00:00:00.000000", "3.5", "changed"]]
    assert rows('select count(*) from "ice$snapshots"')[1] == ["4"]
    assert execute("select * from ice")["Statistics"]["DataScannedInBytes"] > 0
    execute("optimize ice rewrite data using bin_pack")
    execute("vacuum ice")
    execute("alter table `lab`.`ice` rename to `lab`.`ice2`")
    assert rows("show tables in lab 'ice*'") == [["ice2"]]
    execute("drop table `ice2`")
    with pytest.raises(Failed, match="TABLE_NOT_FOUND"):
        execute("select * from ice2")


def test_an_iceberg_table_is_created_and_changed_by_ddl(execute, rows):
    execute(
        "create table lab.made (id bigint, ts timestamp, name string comment 'its name') "
        f"partitioned by (day(ts), bucket(4, id)) location '{LAKE}/made/' "
        "tblproperties ('table_type'='ICEBERG', 'write_compression'='zstd')"
    )
    execute("insert into made values (1, timestamp '2024-01-01 00:00:00', 'a')")
    execute("alter table made change column name title string")
    execute("alter table made replace columns (id bigint, ts timestamp, title string, extra int)")
    assert rows("select title, extra from made") == [["title", "extra"], ["a", None]]
    table = boto3.client("glue").get_table(DatabaseName="lab", Name="made")["Table"]
    assert (table["TableType"], table["Parameters"]["table_type"].upper()) == ("EXTERNAL_TABLE", "ICEBERG")
    execute("drop table made")


def test_a_hive_ctas_keeps_milliseconds_and_names_its_objects(execute, rows):
    execution = execute(
        f"create table kept with (external_location='{LAKE}/kept/', partitioned_by=ARRAY['p']) as "
        "select 1 as id, timestamp '2024-01-01 00:00:00.123456' as ts, 'x' as p"
    )
    assert execution["StatementType"] == "DDL"
    assert _object(execution["Statistics"]["DataManifestLocation"]).startswith(f"{LAKE}/kept/p=x/")
    assert rows("select * from kept")[1:] == [["1", "2024-01-01 00:00:00.123", "x"]]
    assert rows("show partitions kept") == [["p=x"]]
    execute("drop table kept")


def test_a_view_is_stored_with_its_columns_and_read(execute, rows):
    execute("create or replace view lab.half as select id, id * 0.5 as h from (values 1, 3) as t (id)")
    execute("create or replace view lab.half as select id, id * 0.5 as h from (values 2) as t (id)")
    assert rows("select * from half")[1:] == [["2", "1.0"]]
    table = boto3.client("glue").get_table(DatabaseName="lab", Name="half")["Table"]
    assert table["TableType"] == "VIRTUAL_VIEW"
    assert [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]] == [("id", "int"), ("h", "double")]
    with pytest.raises(Failed, match="already exists"):
        execute("create view half as select 1 as id")
    execute("drop view half")


def test_an_external_table_reads_csv_and_finds_its_partitions(execute, rows):
    s3 = boto3.client("s3")
    s3.put_object(Bucket="athena-tests", Key="lake/text/day=2024-01-01/a.csv", Body=b'id,name\n1,"a, b"\n')
    execute(
        "CREATE EXTERNAL TABLE IF NOT EXISTS `lab`.`text` (`id` string, `name` string) PARTITIONED BY (`day` string) "
        "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' "
        f"LOCATION '{LAKE}/text/' TBLPROPERTIES ('skip.header.line.count'='1')"
    )
    assert rows("select * from text") == [["id", "name", "day"]]
    execute("msck repair table text")
    assert rows("select * from text")[1:] == [["1", "a, b", "2024-01-01"]]
    execute("drop table text")


def test_unload_writes_where_it_is_told_and_leaves_no_table(execute, rows):
    execution = execute(f"unload (select 1.5 as a) to '{LAKE}/unloaded/' with (format='PARQUET')")
    assert _object(execution["Statistics"]["DataManifestLocation"]).startswith(f"{LAKE}/unloaded/")
    assert rows("show tables in lab 'unload*'") == []


def test_pages_of_a_long_result_follow_each_other(rows):
    found = rows("select x from unnest(sequence(1, 2500)) as t (x) order by x")
    assert found == [["x"], *([str(number)] for number in range(1, 2501))]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select nope from (values 1) as t (a)", "COLUMN_NOT_FOUND: line 1:8"),
        ("select 1/0", "DIVISION_BY_ZERO"),
        ("selec 1", "mismatched input 'selec'"),
        ("alter view v rename to w", "ALTER VIEW is not supported"),
        ("describe nothing", "Table not found lab.nothing"),
        ("select 1; select 2", "Only one sql statement"),
    ],
)
def test_a_failed_query_says_why(execute, sql, reason):
    with pytest.raises(Failed, match=reason) as failure:
        execute(sql)
    assert failure.value.args[1]["ErrorCategory"] == 2


def test_parameters_and_prepared_statements(athena, rows):
    assert rows("select ? as a, ? as b", ExecutionParameters=["1", "plain text"])[1:] == [["1", "plain text"]]
    athena.create_prepared_statement(StatementName="twice", WorkGroup="primary", QueryStatement="select ? * 2 as d")
    assert rows("execute twice using 21")[1:] == [["42"]]
    athena.delete_prepared_statement(StatementName="twice", WorkGroup="primary")


def test_the_same_token_starts_a_query_once(athena):
    request = {
        "QueryString": "select 1",
        "ResultConfiguration": {"OutputLocation": OUT},
        "ClientRequestToken": "t" * 32,
    }
    first = athena.start_query_execution(**request)["QueryExecutionId"]
    assert athena.start_query_execution(**request)["QueryExecutionId"] == first
    with pytest.raises(athena.exceptions.InvalidRequestException, match="Idempotent"):
        athena.start_query_execution(**request | {"QueryString": "select 2"})


def test_a_long_query_can_be_stopped(athena):
    sql = (
        "select count(*) from unnest(sequence(1, 10000)) a (x) cross join unnest(sequence(1, 10000)) b (y) where x%7<y"
    )
    key = athena.start_query_execution(QueryString=sql, ResultConfiguration={"OutputLocation": OUT})["QueryExecutionId"]
    time.sleep(0.3)
    athena.stop_query_execution(QueryExecutionId=key)
    for _ in range(10):
        state = athena.get_query_execution(QueryExecutionId=key)["QueryExecution"]["Status"]["State"]
        if state not in ("QUEUED", "RUNNING"):
            break
    assert state == "CANCELLED"


def test_a_work_group_says_where_results_go(athena, execute):
    configuration = {"ResultConfiguration": {"OutputLocation": f"{OUT}group"}}
    athena.create_work_group(Name="lab", Configuration=configuration)
    execution = execute("select 1", WorkGroup="lab")
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"{OUT}group/")
    athena.delete_work_group(WorkGroup="lab", RecursiveDeleteOption=True)
    with pytest.raises(athena.exceptions.InvalidRequestException, match="is not found"):
        execute("select 1", WorkGroup="lab")


def test_an_unknown_execution_and_an_unknown_action_are_refused(athena):
    with pytest.raises(athena.exceptions.InvalidRequestException, match="was not found"):
        athena.get_query_execution(QueryExecutionId="00000000-0000-0000-0000-000000000000")
    with pytest.raises(athena.exceptions.InvalidRequestException, match="not supported"):
        athena.list_engine_versions()


def test_metadata_of_tables(athena, execute):
    execute("create view listed as select 1 as a")
    found = athena.list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName="lab", Expression="list.*")
    assert [(table["Name"], table["TableType"]) for table in found["TableMetadataList"]] == [("listed", "VIRTUAL_VIEW")]
    execute("drop view listed")
