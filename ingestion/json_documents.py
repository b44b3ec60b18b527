"""How JSON payloads are read as documents and their values under a schema, as Firehose's conversion does it.

It needs no Arrow, so that one reading can be read where there is none; `json_records` makes tables by these rules.

Rules are those of the Amazon Data Firehose Developer Guide, "Convert input data format" (concatenated documents
are read, an array of documents is not) and "Handling errors for data format conversion" (the error codes), and of
the OpenX JSON SerDe that it names as deserializer, with its default options (keys compare in lower case):

- string column: text as it is, a number as its literal text, a boolean as `true`/`false`, an object or array as
  its JSON text with keys in lower case (the SerDe lowers every key before it reads a value);
- double, bigint, int column: a number, or a text that holds one; booleans, objects and other texts fail;
- null and absent keys are null, keys without a column are dropped, of a repeated key the last one counts.

Every byte of a payload, apart from white space between documents, ends either in a document or in the `raw` of a
`Malformed`. Documents before malformed JSON are read; what follows it fails as one piece, since without a frame
around documents nobody can say where the next one begins.
"""

import json
import math
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import orjson

PARSE_ERROR = "DataFormatConversion.ParseError"
MALFORMED_DATA = "DataFormatConversion.MalformedData"

_WHITE_SPACE = b" \t\r\n"
_DECIMAL = re.compile(r"[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?[ \t\r\n]*")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_MISMATCH = "Data does not match the schema."


class Malformed(NamedTuple):
    """A piece of a payload that is no document, with Firehose's error code and a message."""

    raw: bytes
    code: str
    message: str


def split_documents(payload: bytes) -> list[bytes | Malformed]:
    """Return the documents of one record, in order, with what is no document in its place.

    A blank payload is one `Malformed`, as Firehose reports it. Top-level arrays and scalars are `Malformed`
    by themselves; malformed JSON takes the rest of the payload with it.
    """
    found = pieces(payload)
    try:
        if set(map(type, map(orjson.loads, found))) == {dict}:
            return found
    except orjson.JSONDecodeError:
        pass
    return _scan(payload)


def load(document: bytes | Malformed) -> dict[str, Any] | Malformed:
    """Return a document's members under their keys as sent, or why it is none."""
    if isinstance(document, Malformed):
        return document
    try:
        value = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        return Malformed(document, PARSE_ERROR, f"Encountered malformed JSON. {error}.")
    return value if type(value) is dict else _no_object(document, value)


def mismatch(document: bytes, error: ValueError) -> Malformed:
    """Return a document as one whose value does not fit its column; `error` is what that column's rule raised."""
    return Malformed(document, MALFORMED_DATA, f"{_MISMATCH} {error}")


def pieces(payload: bytes) -> list[bytes]:
    """Cut a payload where documents are likely to meet; never empty.

    If every piece is an object by itself, then reading on from document to document gives the same pieces.
    """
    if b"}{" in payload:
        payload = payload.replace(b"}{", b"}\n{")
    if b"\n" not in payload:
        return [payload]
    return [piece for line in payload.split(b"\n") if (piece := line.strip(_WHITE_SPACE))] or [payload]


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


# Glue type → the kinds of JSON value that it takes as they are, and what makes its value of any other but null:
# from the value, the name of the column and the document. That raises ValueError where the value does not fit.
COLUMN_TYPES: dict[str, tuple[Collection[type], Callable[[Any, str, bytes], Any]]] = {
    "string": ((str,), _string),
    "double": ((float, int), _double),
    "bigint": ((int,), _bounded_integer(64)),
    "int": ((int,), _bounded_integer(32)),
    "boolean": ((bool,), _boolean),
}
