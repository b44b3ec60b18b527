"""Queries through Athena, wherever the environment points."""

from dataclasses import dataclass
from datetime import datetime

import awswrangler as wr
import boto3
import numpy as np
import orjson
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
    return answer(start(sql, database))


def start(sql: str, database: str = "marts") -> str:
    """Start one statement and return its id, for answer(); several run side by side. Raises QueryError."""
    try:
        return wr.athena.start_query_execution(sql, database=database, workgroup=settings().workgroup)
    except wr.exceptions.QueryFailed as failure:
        raise QueryError(str(failure)) from failure


def answer(query_id: str) -> Answer:
    """Wait for a statement and return its rows. Raises QueryError with Athena's reason."""
    try:
        query = wr.athena.wait_query(query_id)
    except (wr.exceptions.QueryFailed, wr.exceptions.QueryCancelled) as failure:
        raise QueryError(str(failure)) from failure
    # Whether a statement gives rows: its first word may be WITH, VALUES or a bracket as well as SELECT.
    if query["StatementType"] == "DML" and query["ResultConfiguration"]["OutputLocation"].endswith(".csv"):
        rows = _typed_rows(query_id)
    else:
        rows = _plain_rows(query_id)
    statistics = query["Statistics"]
    return Answer(rows, statistics["DataScannedInBytes"], statistics["TotalExecutionTimeInMillis"])


def as_json(rows: pd.DataFrame) -> str:
    """Return rows as a JSON array of objects, numbers to the last bit; times are ISO 8601, missing values null."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(rows.astype(object).to_dict("records"), default=_json_value, option=options).decode()


def _json_value(value: object) -> object:
    """Return what orjson does not know as something that it knows."""
    if isinstance(value, datetime):  # of pandas; it is a subclass, and missing where it is NaT
        return None if value is pd.NaT else value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if value is pd.NA else str(value)


def _typed_rows(query_id: str) -> pd.DataFrame:
    """Return the rows of a SELECT; all as text where pandas has nothing for a type, such as that of a bare NULL."""
    try:
        return wr.athena.get_query_results(query_id)
    except wr.exceptions.UnsupportedType:
        return _plain_rows(query_id).iloc[1:]


def _plain_rows(query_id: str) -> pd.DataFrame:
    """Return all rows as text: what SHOW, DESCRIBE, EXPLAIN and DDL have, and a SELECT after its header."""
    pages = boto3.client("athena").get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    columns: list[str] = []
    rows: list[list[str | None]] = []
    for page in pages:
        columns = [column["Name"] for column in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
        rows += [_cells(row["Data"], len(columns)) for row in page["ResultSet"]["Rows"]]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _cells(data: list[dict[str, str]], width: int) -> list[str | None]:
    """Return a row's cells; DESCRIBE has one text in place of several, with tabs between them."""
    cells = [cell.get("VarCharValue") for cell in data]
    if len(cells) == width or len(cells) != 1:
        return cells
    parts: list[str | None] = [part.strip() for part in (cells[0] or "").split("\t")]
    return (parts + [None] * width)[:width]
