"""How JSON payloads become rows under a schema, as Firehose's record format conversion does it.

`json_documents` says how documents and values are read; what does not become a row is a failure, whole, and
`error_line` writes it as Firehose does ("Handling errors for data format conversion").
"""

import base64
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from ingestion.json_documents import COLUMN_TYPES, Malformed, load, mismatch, pieces, split_documents

Columns = Sequence[tuple[str, str]]

_BATCH = 20_000
_GROUP_BYTES = 1 << 20
_NONE = type(None)


class ConversionFailure(NamedTuple):
    """A document that did not become a row; `index` is its position among the documents given to `convert`.

    `rows_before` of the rows that the other documents became come before it.
    """

    index: int
    raw: bytes
    code: str
    message: str
    rows_before: int


def convert_payloads(payloads: Sequence[bytes], columns: Columns) -> tuple[pa.Table, list[ConversionFailure]]:
    """Return the rows of all documents in `payloads` and the failures, both in order.

    The same as `split_documents` of each and then `convert`, but parsing once; the `index` of a failure is that of
    its payload. Raises ValueError for a column type that is not supported here.
    """
    tables, failures = [arrow_schema(columns).empty_table()], []
    first = size = rows = 0
    for end, payload in enumerate(payloads, 1):
        size += len(payload)
        if size >= _GROUP_BYTES or end == len(payloads):
            table, failed = _convert_group(payloads[first:end], columns)
            tables.append(table)
            failures += [
                failure._replace(index=first + failure.index, rows_before=rows + failure.rows_before)
                for failure in failed
            ]
            first, size, rows = end, 0, rows + table.num_rows
    return pa.concat_tables(tables), failures


def convert(documents: Sequence[bytes | Malformed], columns: Columns) -> tuple[pa.Table, list[ConversionFailure]]:
    """Return the rows of `documents` under `columns` (name, Glue type) and the documents that failed.

    Rows keep the order of the documents. Raises ValueError for a column type that is not supported here.
    """
    schema = arrow_schema(columns)
    tables: list[pa.Table] = []
    failures: list[ConversionFailure] = []
    for start in range(0, len(documents), _BATCH):
        table, failed = _convert_batch(documents[start : start + _BATCH], schema)
        tables.append(table)
        for index in sorted(failed):
            position = start + index
            failures.append(ConversionFailure(position, *failed[index], rows_before=position - len(failures)))
    return pa.concat_tables(tables) if tables else schema.empty_table(), failures


def arrow_schema(columns: Columns) -> pa.Schema:
    """Return the Arrow schema of landing columns. Raises ValueError for a type that is not supported."""
    unsupported = [f"{name} {kind}" for name, kind in columns if kind not in _TYPES]
    if unsupported:
        raise ValueError(f"Record format conversion supports {', '.join(_TYPES)} columns, not {', '.join(unsupported)}")
    return pa.schema([(name.lower(), _TYPES[kind]) for name, kind in columns])


def error_line(
    failure: Malformed | ConversionFailure,
    arrival: datetime,
    attempt_end: datetime,
    table: dict[str, str | None],
    sequence_number: str | None = None,
) -> bytes:
    """Return one line of Firehose's error output ("Handling errors for data format conversion"), newline included.

    `table` holds catalogId, databaseName, tableName, region, versionId and catalogArn as far as known; the sequence
    number is that of the Kinesis record. There is no sub-sequence number, since KPL aggregates are not read.
    """
    names = ("catalogId", "databaseName", "tableName", "region", "versionId", "catalogArn")
    return orjson.dumps(
        {
            "attemptsMade": 1,
            "arrivalTimestamp": round(arrival.timestamp() * 1000),
            "lastErrorCode": failure.code,
            "lastErrorMessage": failure.message,
            "attemptEndingTimestamp": round(attempt_end.timestamp() * 1000),
            "rawData": base64.b64encode(failure.raw).decode(),
            "sequenceNumber": sequence_number,
            "subSequenceNumber": None,
            "dataCatalogTable": {name: table.get(name) for name in names},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _convert_group(payloads: Sequence[bytes], columns: Columns) -> tuple[pa.Table, list[ConversionFailure]]:
    parts: list[list[Any]] = [pieces(payload) for payload in payloads]
    table, failures = convert([piece for part in parts for piece in part], columns)
    if failures:
        # Only a failure tells that the pieces of its payload may be wrong.
        starts = list(accumulate(map(len, parts), initial=0))
        for owner in {bisect_right(starts, failure.index) - 1 for failure in failures}:
            parts[owner] = split_documents(payloads[owner])
        table, failures = convert([piece for part in parts for piece in part], columns)
        starts = list(accumulate(map(len, parts), initial=0))
        failures = [failure._replace(index=bisect_right(starts, failure.index) - 1) for failure in failures]
    return table, failures


def _convert_batch(documents: Sequence[bytes | Malformed], schema: pa.Schema) -> tuple[pa.Table, dict[int, Malformed]]:
    """Return the rows and what did not become one, by its position."""
    failed: dict[int, Malformed] = {}
    try:
        rows = list(map(orjson.loads, documents))
    except orjson.JSONDecodeError:
        rows = []
    if set(map(type, rows)) != {dict}:
        rows = [load(document) for document in documents]
        failed = {index: row for index, row in enumerate(rows) if isinstance(row, Malformed)}
        rows = [{} if index in failed else row for index, row in enumerate(rows)]
    keys = set().union(*rows)
    if any(key != key.lower() for key in keys):
        rows = [{key.lower(): value for key, value in row.items()} for row in rows]
        keys = {key.lower() for key in keys}
    arrays = []
    for field in schema:
        if field.name not in keys:
            arrays.append(pa.nulls(len(rows), field.type))
            continue
        values = [row.get(field.name) for row in rows]
        arrays.append(_array(values, field, documents, failed))
    table = pa.Table.from_arrays(arrays, schema=schema)
    if failed:
        table = table.filter(pa.array([index not in failed for index in range(len(rows))], pa.bool_()))
    return table, failed


def _array(
    values: list[Any], field: pa.Field, documents: Sequence[bytes | Malformed], failed: dict[int, Malformed]
) -> pa.Array:
    """Return the values of one column; a value that does not fit its type is null and its document has failed."""
    direct, coerce = _DIRECT[field.type], _COERCE[field.type]
    kinds = set(map(type, values))
    if kinds <= direct:
        try:
            return pa.array(values, field.type)
        except (pa.ArrowInvalid, OverflowError):
            pass  # an integer that the column cannot hold exactly
    coerced: list[Any] = [None] * len(values)
    for index, value in enumerate(values):
        if value is None:
            continue
        try:
            coerced[index] = coerce(value, field.name, documents[index])
        except ValueError as error:
            failed.setdefault(index, mismatch(documents[index], error))
    return pa.array(coerced, field.type)


_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
}
# What Arrow takes as it is. Not left to its errors: it would take a boolean for a double.
_DIRECT = {_TYPES[kind]: {*direct, _NONE} for kind, (direct, _) in COLUMN_TYPES.items()}
_COERCE = {_TYPES[kind]: coerce for kind, (_, coerce) in COLUMN_TYPES.items()}
