"""Each difference between Athena and Trino is rewritten, and nothing else is touched."""

import pytest

from infra.local.athena import rewrites
from infra.local.athena.rewrites import Name
from infra.local.athena.text import StatementError, tokenize


@pytest.mark.parametrize(
    ("athena", "trino"),
    [
        ("select 1.5, .5, 1., 2", "select 1.5e0, .5e0, 1.e0, 2"),
        ("select 1.5e3, '1.5', \"1.5\", a.b /* 1.5 */ from a", "select 1.5e3, '1.5', \"1.5\", a.b /* 1.5 */ from a"),
        ("select decimal '1.5', cast(1.5 as decimal(10,2))", "select decimal '1.5', cast(1.5e0 as decimal(10,2))"),
        ("select t1.c from t1 where x=1.5and y", "select t1.c from t1 where x=1.5e0and y"),
    ],
)
def test_decimal_literals_are_doubles(athena: str, trino: str):
    assert rewrites.double_literals(tokenize(athena)).sql == trino


@pytest.mark.parametrize(
    ("athena", "trino"),
    [
        ("OPTIMIZE s.t REWRITE DATA USING BIN_PACK", "ALTER TABLE s.t EXECUTE optimize"),
        (
            'optimize "s"."t" rewrite data using bin_pack where d > date \'2024-01-01\'',
            'ALTER TABLE "s"."t" EXECUTE optimize where d > date \'2024-01-01\'',
        ),
        ("select optimize from t", "select optimize from t"),
    ],
)
def test_optimize_is_a_table_procedure(athena: str, trino: str):
    assert rewrites.optimize(tokenize(athena)).sql == trino


def test_optimize_without_its_method_is_refused():
    with pytest.raises(StatementError, match="BIN_PACK"):
        rewrites.optimize(tokenize("optimize t"))


def _words(sql: str) -> str:
    return " ".join(sql.split())


def test_iceberg_ctas_names_the_iceberg_catalog_and_its_properties():
    ctas = rewrites.parse_create_table_as(
        tokenize(
            'create table "awsdatacatalog"."s"."t" with (table_type=\'iceberg\', is_external=false, '
            "location='s3://b/t/', format='parquet', write_compression='zstd', "
            "partitioning=ARRAY['days(d)', 'bucket(4, id)'], vacuum_max_snapshot_age_seconds=60) as select 1 as id"
        )
    )
    rewritten = rewrites.iceberg_create_table_as(ctas, Name("s", "t"))
    assert _words(rewritten.sql) == (
        'CREATE TABLE "iceberg"."s"."t" WITH (location = \'s3://b/t\', format = \'PARQUET\', '
        "partitioning = ARRAY['day(d)', 'bucket(id, 4)'], "
        "extra_properties = MAP(ARRAY['vacuum_max_snapshot_age_seconds'], ARRAY['60'])) AS select 1 as id"
    )
    assert rewritten.session == (("iceberg.compression_codec", "ZSTD"),)


def test_iceberg_ctas_needs_a_location():
    ctas = rewrites.parse_create_table_as(tokenize("create table t with (table_type='ICEBERG') as select 1 a"))
    with pytest.raises(StatementError, match="location"):
        rewrites.iceberg_create_table_as(ctas, Name("s", "t"))


def test_hive_ctas_gets_athenas_defaults():
    ctas = rewrites.parse_create_table_as(tokenize("create table if not exists t as with q as (select 1 a) table q"))
    rewritten = rewrites.hive_create_table_as(ctas, Name("s", "t"), "s3://out/tables/1")
    assert _words(rewritten.sql) == (
        'CREATE TABLE IF NOT EXISTS "awsdatacatalog"."s"."t" '
        "WITH (format = 'PARQUET', external_location = 's3://out/tables/1/') AS with q as (select 1 a) table q"
    )
    assert rewritten.session == ()


def test_hive_ctas_says_compression_and_delimiter_as_trino_does():
    ctas = rewrites.parse_create_table_as(
        tokenize(
            "create table t with (format='textfile', field_delimiter='|', write_compression='gzip', "
            "external_location='s3://b/t', partitioned_by=ARRAY['p']) as select 1 a, 2 p"
        )
    )
    rewritten = rewrites.hive_create_table_as(ctas, Name("s", "t"), "s3://out/")
    assert _words(rewritten.sql) == (
        'CREATE TABLE "awsdatacatalog"."s"."t" WITH (format = \'TEXTFILE\', external_location = \'s3://b/t/\', '
        "partitioned_by = ARRAY['p'], textfile_field_separator = '|') AS select 1 a, 2 p"
    )
    assert rewritten.session == (("awsdatacatalog.compression_codec", "GZIP"),)


def test_times_are_cast_to_milliseconds_at_any_depth_for_hive():
    query = rewrites.millisecond_times(
        "select * from t", [("id", "bigint"), ("ts", "timestamp(6)"), ("a", "array(timestamp(6))")]
    )
    assert query == (
        'SELECT "id", CAST("ts" AS timestamp(3)) AS "ts", CAST("a" AS array(timestamp(3))) AS "a" '
        "FROM (select * from t\n)"
    )


@pytest.mark.parametrize(
    ("parameter", "sql"),
    [
        ("1", "1"),
        ("1.5", "1.5e0"),
        ("'it''s'", "'it''s'"),
        ("date '2024-01-01'", "date '2024-01-01'"),
        ("null", "null"),
        ("Main Street", "'Main Street'"),
        ("it's", "'it''s'"),
        ("1; drop table t", "'1; drop table t'"),
    ],
)
def test_parameters_are_bound_as_values(parameter: str, sql: str):
    assert rewrites.with_parameters("select ?", [parameter]) == f"EXECUTE IMMEDIATE 'select ?' USING {sql}"


def test_without_parameters_nothing_is_bound():
    assert rewrites.with_parameters("select '?'", []) == "select '?'"
