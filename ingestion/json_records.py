"""How JSON payloads become rows under a schema, as Firehose's record format conversion does it.

Rules are those of the Amazon Data Firehose Developer Guide, "Convert input data format" (concatenated documents
are read, an array of documents is not) and "Handling errors for data format conversion" (the error line), and of
the OpenX JSON SerDe that it names as deserializer, with its default options (keys compare in lower case):

- string column: text as it is, a number as its literal text, a boolean as `true`/`false`, an object or array as
  its JSON text with keys in lower case (the SerDe lowers every key before it reads a value);
- double, bigint, int column: a number, or a text that holds one; booleans, objects and other texts fail;
- null and absent keys are null, keys without a column are dropped, of a repeated key the last one counts.

Every byte of a payload, apart from white space between documents, ends either in a row or in the `raw` of a
failure. Documents before malformed JSON are converted; what follows it fails as one piece, since without a
frame around documents nobody can say where the next one begins.
"""

import base64
import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

PARSE_ERROR = "DataFormatConversion.ParseError"
MALFORMED_DATA = "DataFormatConversion.MalformedData"

Columns = Sequence[tuple[str, str]]

_BATCH = 20_000
_GROUP_BYTES = 1 << 20
_WHITE_SPACE = b" \t\r\n"
_DECIMAL = re.compile(r"[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?[ \t\r\n]*")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NONE = type(None)
_MISMATCH = "Data does not match the schema."


class Malformed(NamedTuple):
    """A piece of a payload that is no document, with Firehose's error code and a message."""

    raw: bytes
    code: str
    message: str


class ConversionFailure(NamedTuple):
    """A document that did not become a row; `index` is its position among the documents given to `convert`.

    `rows_before` of the rows that the other documents became come before it.
    """

    index: int
    raw: bytes
    code: str
    message: str
    rows_before: int


def split_documents(payload: bytes) -> list[bytes | Malformed]:
    """Return the documents of one record, in order, with what is no document in its place.

    A blank payload is one `Malformed`, as Firehose reports it. Top-level arrays and scalars are `Malformed`
    by themselves; malformed JSON takes the rest of the payload with it.
    """
    pieces = _pieces(payload)
    try:
        if set(map(type, map(orjson.loads, pieces))) == {dict}:
            return pieces
    except orjson.JSONDecodeError:
        pass
    return _scan(payload)


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
    return pa.schema([(name.lower(), _TYPES[kind][0]) for name, kind in columns])


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


def _pieces(payload: bytes) -> list[bytes]:
    """Cut a payload where documents are likely to meet; never empty.

    If every piece is an object by itself, then reading on from document to document gives the same pieces.
    """
    if b"}{" in payload:
        payload = payload.replace(b"}{", b"}\n{")
    if b"\n" not in payload:
        return [payload]
    return [piece for line in payload.split(b"\n") if (piece := line.strip(_WHITE_SPACE))] or [payload]


def _convert_group(payloads: Sequence[bytes], columns: Columns) -> tuple[pa.Table, list[ConversionFailure]]:
    parts: list[list[Any]] = [_pieces(payload) for payload in payloads]
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


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Numbers stay text: the scanner only looks for boundaries, and Python refuses integers of 4,300 digits.
_SCANNER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant)


def _scan(payload: bytes) -> list[bytes | Malformed]:
    """Split a payload by reading value after value."""
    try:
        text, undecodable = payload.decode(), None
    except UnicodeDecodeError as error:
        text, undecodable = payload[: error.start].decode(), error
    found: list[bytes | Malformed] = []
    position = offset = 0  # in characters, in bytes
    while True:
        start = position
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        offset += position - start
        if offset == len(payload):
            return found or [Malformed(payload, MALFORMED_DATA, "The record was empty or contained only whitespace.")]
        try:
            value, end = _SCANNER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            if undecodable:
                return [*found, Malformed(payload[offset:], MALFORMED_DATA, "The data cannot be decoded as UTF-8.")]
            reason = "It is nested too deeply." if isinstance(error, RecursionError) else f"{error}."
            return [*found, Malformed(payload[offset:], PARSE_ERROR, f"Encountered malformed JSON. {reason}")]
        raw = text[position:end].encode()
        found.append(raw if isinstance(value, dict) else _no_object(raw, value))
        position, offset = end, offset + len(raw)


def _no_object(raw: bytes, value: object) -> Malformed:
    if isinstance(value, list):
        return Malformed(raw, MALFORMED_DATA, f"{_MISMATCH} An array of documents is not a valid input.")
    return Malformed(
        raw,
        MALFORMED_DATA,
        "The input JSON contained a primitive at the top level. The top level must be an object or array.",
    )


def _convert_batch(documents: Sequence[bytes | Malformed], schema: pa.Schema) -> tuple[pa.Table, dict[int, Malformed]]:
    """Return the rows and what did not become one, by its position."""
    failed: dict[int, Malformed] = {}
    try:
        rows = list(map(orjson.loads, documents))
    except orjson.JSONDecodeError:
        rows = [_loads(document, index, failed) for index, document in enumerate(documents)]
    if set(map(type, rows)) - {dict}:
        for index, row in enumerate(rows):
            if type(row) is not dict:
                failed.setdefault(index, _no_object(documents[index], row))
                rows[index] = {}
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


def _loads(document: bytes | Malformed, index: int, failed: dict[int, Malformed]) -> object:
    if isinstance(document, Malformed):
        failed[index] = document
        return {}
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        failed[index] = Malformed(document, PARSE_ERROR, f"Encountered malformed JSON. {error}.")
        return {}


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
            failed.setdefault(index, Malformed(documents[index], MALFORMED_DATA, f"{_MISMATCH} {error}"))
    return pa.array(coerced, field.type)


def _string(value: object, name: str, raw: bytes) -> str:
    kind = type(value)
    if kind is str:
        return value
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float:
        return _literal(raw, name)
    try:
        return orjson.dumps(_lower_keys(value)).decode()
    except (RecursionError, orjson.JSONEncodeError):
        raise ValueError(f"Column {name} is nested too deeply.") from None


def _literal(raw: bytes, name: str) -> str:
    """Return a number as it was written: a parsed float has lost its digits and its notation."""
    try:
        document = _SCANNER.decode(raw.decode())
    except RecursionError:
        raise ValueError(f"The document of column {name} is nested too deeply.") from None
    return {key.lower(): value for key, value in document.items()}[name]


def _lower_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key.lower(): _lower_keys(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_lower_keys(entry) for entry in value]
    return value


def _double(value: object, name: str, _raw: bytes) -> float:
    if type(value) in (int, float):
        return float(value)
    text = _scalar_text(value, name)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"For input string: {_quoted(text)}")
    number = float(text.strip(" \t\r\n").rstrip("dDfF"))
    if math.isinf(number):
        raise ValueError(f"Column {name} cannot hold {_quoted(text)}.")
    return number


def _bounded_integer(bits: int) -> Callable[[object, str, bytes], int]:
    def integer(value: object, name: str, _raw: bytes) -> int:
        text = str(value) if type(value) is int else _scalar_text(value, name)
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"For input string: {_quoted(text)}")
        number = int(text)
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise ValueError(f"Column {name} cannot hold {text}.")
        return number

    return integer


def _boolean(value: object, name: str, _raw: bytes) -> bool:
    text = _scalar_text(value, name).lower()
    if text not in ("true", "false"):
        raise ValueError(f"For input string: {_quoted(text)}")
    return text == "true"


def _scalar_text(value: object, name: str) -> str:
    if isinstance(value, dict | list):
        raise ValueError(f"Column {name} cannot hold a JSON {'object' if isinstance(value, dict) else 'array'}.")
    return value if isinstance(value, str) else str(value).lower()


def _quoted(text: str) -> str:
    """Return a text for a message: a value of a megabyte is in rawData already."""
    return f'"{text[:200]}"' + ("…" if len(text) > 200 else "")


_TYPES: dict[str, tuple[pa.DataType, Iterable[type], Callable[[object, str, bytes], Any]]] = {
    "string": (pa.string(), (str,), _string),
    "double": (pa.float64(), (float, int), _double),
    "bigint": (pa.int64(), (int,), _bounded_integer(64)),
    "int": (pa.int32(), (int,), _bounded_integer(32)),
    "boolean": (pa.bool_(), (bool,), _boolean),
}
# What Arrow takes as it is. Not left to its errors: it would take a boolean for a double.
_DIRECT = {arrow: {*kinds, _NONE} for arrow, kinds, _ in _TYPES.values()}
_COERCE = {arrow: coerce for arrow, _, coerce in _TYPES.values()}
