"""Clients that data engineers use, with their defaults, against the real endpoint."""

import awswrangler as wr
import boto3
import pandas as pd
import pytest
from pyathena import connect
from pyathena.error import OperationalError

OUT = "s3://athena-clients/out/"


@pytest.fixture(scope="module")
def frame(athena_endpoint):
    boto3.client("s3").create_bucket(Bucket="athena-clients")
    boto3.client("glue").create_database(DatabaseInput={"Name": "clients"})
    times = pd.to_datetime(["2024-01-01 00:00:00", "2024-01-02 10:20:30", None])
    frame = pd.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"], "ts": times, "v": [1.5, None, 2.5]})
    wr.s3.to_parquet(frame, path="s3://athena-clients/source/", dataset=True, database="clients", table="source")
    return frame


@pytest.mark.parametrize("approach", [{}, {"ctas_approach": False}, {"ctas_approach": False, "unload_approach": True}])
def test_awswrangler_reads_in_all_its_ways(frame, approach, request):
    place = f"{OUT}{request.node.callspec.id}/"
    found = wr.athena.read_sql_query("select * from source", "clients", s3_output=place, **approach)
    # Read by CTAS, as is wrangler's default, or by UNLOAD: files have no order among themselves.
    found = found.sort_values("id", ignore_index=True)
    assert found.id.tolist() == [1, 2, 3]
    assert found.name.isna().tolist() == [False, True, False]
    assert found.v.dropna().tolist() == [1.5, 2.5]
    assert found.ts.iloc[1] == pd.Timestamp("2024-01-02 10:20:30")


def test_awswrangler_merges_into_iceberg_and_adds_columns(frame):
    where = {"database": "clients", "table": "ice", "s3_output": OUT}
    wr.athena.to_iceberg(
        frame, **where, temp_path="s3://athena-clients/tmp1/", table_location="s3://athena-clients/ice/"
    )
    changed = frame.assign(id=[3, 4, 5], v=9.0, note="new")
    wr.athena.to_iceberg(
        changed, **where, temp_path="s3://athena-clients/tmp2/", merge_cols=["id"], schema_evolution=True
    )
    found = wr.athena.read_sql_query("select id, v, note from ice", "clients", s3_output=OUT)
    found = found.sort_values("id", ignore_index=True)
    assert found.id.tolist() == [1, 2, 3, 4, 5]
    assert found.v.fillna(-1).tolist() == [1.5, -1, 9, 9, 9]
    assert found.note.fillna("").tolist() == ["", "", "new", "new", "new"]


def test_pyathena_reads_typed_rows_and_reports_failures(frame):
    with connect(s3_staging_dir=OUT, region_name="us-east-1", schema_name="clients") as connection:
        cursor = connection.cursor()
        cursor.execute("select id, v from source where name = %(name)s", {"name": "c"})
        assert cursor.fetchall() == [(3, 2.5)]
        with pytest.raises(OperationalError, match="COLUMN_NOT_FOUND"):
            cursor.execute("select nope from source")
