"""Types keep their meaning between Hive's and Trino's names."""

import pytest

from infra.local.athena.text import StatementError
from infra.local.athena.types import hive_to_trino, trino_to_hive


@pytest.mark.parametrize(
    ("hive", "trino"),
    [
        ("string", "varchar"),
        ("int", "integer"),
        ("float", "real"),
        ("binary", "varbinary"),
        ("decimal(10, 2)", "decimal(10, 2)"),
        ("timestamp", "timestamp(6)"),
        ("map<string,array<int>>", "map(varchar, array(integer))"),
        ("struct<a:int,b:struct<c:string>>", 'row("a" integer, "b" row("c" varchar))'),
    ],
)
def test_hive_to_trino(hive: str, trino: str):
    assert hive_to_trino(hive, timestamp_digits=6) == trino


@pytest.mark.parametrize(
    ("trino", "hive"),
    [
        ("varchar", "string"),
        ("varchar(3)", "varchar(3)"),
        ("integer", "int"),
        ("timestamp(6)", "timestamp"),
        ("timestamp(6) with time zone", "timestamp"),
        ("json", "string"),
        ("map(varchar, array(real))", "map<string,array<float>>"),
        ('row("a" integer, "b" row("c" varchar))', "struct<a:int,b:struct<c:string>>"),
        ("decimal(38, 0)", "decimal(38,0)"),
    ],
)
def test_trino_to_hive(trino: str, hive: str):
    assert trino_to_hive(trino) == hive


def test_an_unknown_type_is_refused():
    with pytest.raises(StatementError, match="strnig"):
        hive_to_trino("array<strnig>")
