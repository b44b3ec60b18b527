"""Queries through Athena, wherever the environment points."""

import json
from dataclasses import dataclass

import awswrangler as wr
import boto3
import pandas as pd

from infra.errors import FailedError
from infra.settings import settings


class QueryError(FailedError):
    """Athena refused or failed a query; the message is Athena's reason."""


@dataclass(frozen=True)
class Answer:
    """Rows of a query with Athena's own figures: bytes that it read, and milliseconds from start to end."""

    rows: pd.DataFrame
    scanned_bytes: int
    total_ms: int


def ask(sql: str, database: str = "marts") -> Answer:
    """Run one statement in the stage's workgroup and return its rows; statements without rows give an empty frame.

    Raises QueryError with Athena's reason.
    """
    try:
        query = wr.athena.start_query_execution(sql, database=database, workgroup=settings().workgroup, wait=True)
    except (wr.exceptions.QueryFailed, wr.exceptions.QueryCancelled) as failure:
        raise QueryError(str(failure)) from failure
    if query["StatementType"] == "DML" and query.get("SubstatementType", "SELECT") == "SELECT":
        rows = wr.athena.get_query_results(query["QueryExecutionId"])
    else:
        rows = _plain_rows(query["QueryExecutionId"])
    statistics = query["Statistics"]
    return Answer(rows, statistics["DataScannedInBytes"], statistics["TotalExecutionTimeInMillis"])


def as_json(rows: pd.DataFrame) -> str:
    """Return rows as a JSON array of objects; times are ISO 8601, missing values null."""
    return json.dumps(json.loads(rows.to_json(orient="records", date_format="iso", date_unit="us")), indent=1)


def _plain_rows(query_id: str) -> pd.DataFrame:
    """Return the rows of a statement that has no header row (SHOW, DESCRIBE, EXPLAIN, DDL), as text."""
    pages = boto3.client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    columns: list[str] = []
    rows: list[list[str | None]] = []
    for page in pages:
        columns = [column["Name"] for column in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
        rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
    return pd.DataFrame(rows, columns=columns)
