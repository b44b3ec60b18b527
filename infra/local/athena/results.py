"""Query results as Athena leaves them: CSV or text in S3, and pages of rows for GetQueryResults."""

import base64
import itertools
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from infra.local.athena.engine import Column, Rows

Cells = list[str | None]
_MAX_LENGTH = 2_147_483_647
# Precision and scale that Athena names with a type.
_PRECISION = {
    "bigint": (19, 0),
    "integer": (10, 0),
    "smallint": (5, 0),
    "tinyint": (3, 0),
    "double": (17, 0),
    "float": (17, 0),
    "timestamp": (3, 0),
    "timestamp with time zone": (3, 0),
    "varchar": (_MAX_LENGTH, 0),
    "varbinary": (1_073_741_824, 0),
}
_CASE_SENSITIVE = ("varchar", "char")


def column_info(column: Column) -> dict[str, Any]:
    """Describe a result column as GetQueryResults does."""
    raw = column.signature["rawType"]
    name = {"real": "float", "unknown": "unknown"}.get(raw, raw)
    precision, scale = _PRECISION.get(name, (0, 0))
    numbers = [argument["value"] for argument in column.signature.get("arguments", ()) if argument["kind"] == "LONG"]
    if name == "decimal":
        precision, scale = numbers
    elif name in ("varchar", "char") and numbers:
        precision = min(numbers[0], _MAX_LENGTH)
    return info(column.name, name, precision, scale)


def info(name: str, kind: str, precision: int = _MAX_LENGTH, scale: int = 0) -> dict[str, Any]:
    """Return one entry of ColumnInfo."""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind in _CASE_SENSITIVE,
    }


def formatter(signature: dict[str, Any]) -> Callable[[Any], str | None]:
    """Return how Athena writes a value of this type as text; null stays None."""
    write = _formatter(signature)
    return lambda value: None if value is None else write(value)


def _formatter(signature: dict[str, Any]) -> Callable[[Any], str]:
    raw = signature["rawType"]
    arguments = signature.get("arguments", [])
    if raw in ("double", "real"):
        return java_double
    if raw == "boolean":
        return lambda value: "true" if value else "false"
    if raw == "varbinary":
        return _hex
    if raw.startswith("timestamp") or raw.startswith("time"):
        return _padded_time
    if raw == "array":
        item = _nested(arguments[0]["value"])
        return lambda value: f"[{', '.join(map(item, value))}]"
    if raw == "map":
        key, item = (_nested(argument["value"]) for argument in arguments)
        return lambda value: "{" + ", ".join(f"{key(k)}={item(v)}" for k, v in value.items()) + "}"
    if raw == "row":
        fields = [_named_field(argument["value"], number) for number, argument in enumerate(arguments)]
        return lambda value: (
            "{" + ", ".join(f"{name}={write(v)}" for (name, write), v in zip(fields, value, strict=True)) + "}"
        )
    return str


def _named_field(field: dict[str, Any], number: int) -> tuple[str, Callable[[Any], str]]:
    name = (field.get("fieldName") or {}).get("name") or f"field{number}"
    return name, _nested(field["typeSignature"])


def _nested(signature: dict[str, Any]) -> Callable[[Any], str]:
    write = _formatter(signature)
    return lambda value: "null" if value is None else write(value)


def _hex(value: str) -> str:
    return base64.b64decode(value).hex(" ")


_FRACTION = re.compile(r"\.(\d+)")


def _padded_time(value: str) -> str:
    match = _FRACTION.search(value)
    if match:
        return value if len(match[1]) >= 3 else value.replace(match[0], match[0].ljust(4, "0"), 1)
    # Seconds without a fraction: Athena writes at least milliseconds.
    return re.sub(r"(\d\d:\d\d:\d\d)", r"\1.000", value, count=1)


def java_double(value: float | str) -> str:
    """Write a double as Java does: 1.0, 1.0E7, 1.0E-4, NaN, Infinity."""
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        text = repr(number)
        return text if "." in text else text + ".0"
    return _scientific(number)


def _scientific(number: float) -> str:
    sign = "-" if number < 0 else ""
    text = repr(abs(number))
    digits, _, exponent = text.partition("e")
    whole, _, fraction = digits.partition(".")
    power = int(exponent or 0)
    if whole.strip("0"):
        power += len(whole) - 1
        figures = whole + fraction
    else:
        stripped = fraction.lstrip("0")
        power -= len(fraction) - len(stripped) + 1
        figures = stripped
    figures = figures.rstrip("0") or "0"
    return f"{sign}{figures[0]}.{figures[1:] or '0'}E{power}"


class Sink:
    """Receives a result page by page and writes it twice: CSV for S3, and JSON lines for GetQueryResults."""

    def __init__(self, folder: Path, execution_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.csv_path = folder / f"{execution_id}.csv"
        self.rows_path = folder / f"{execution_id}.rows"
        self.columns: list[dict[str, Any]] = []
        self.rows = 0
        self._csv = self.csv_path.open("wb")
        self._lines = self.rows_path.open("wb")
        self._formatters: list[Callable[[Any], str | None]] = []
        self.begun = False

    def begin(self, columns: list[Column], *, header: bool = True) -> None:
        """Take the columns, and write them as header row."""
        self.begun = True
        self.columns = [column_info(column) for column in columns]
        self._formatters = [formatter(column.signature) for column in columns]
        if header:
            self._write([[column.name for column in columns]])

    def add(self, rows: Rows) -> None:
        """Append rows of Trino values."""
        self.rows += len(rows)
        formatters = self._formatters
        self._write([[write(value) for write, value in zip(formatters, row, strict=True)] for row in rows])

    def _write(self, rows: Iterable[Cells]) -> None:
        for cells in rows:
            self._csv.write(csv_line(cells))
            self._lines.write(orjson.dumps(cells) + b"\n")

    def close(self) -> None:
        """End both files."""
        self._csv.close()
        self._lines.close()


def csv_line(cells: Cells) -> bytes:
    """Athena quotes every value; a null is nothing between two commas."""
    quoted = ("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells)
    return (",".join(quoted) + "\n").encode()


def read_rows(path: Path, token: str | None, limit: int) -> tuple[list[Cells], str | None]:
    """Return up to `limit` rows from where `token` says (the start without one), and the token of the rest or None."""
    with path.open("rb") as file:
        file.seek(int(token or 0))
        rows = [orjson.loads(line) for line in itertools.islice(iter(file.readline, b""), limit)]
        return rows, str(file.tell()) if file.peek(1) else None


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Keep the lines of a text result as rows of one cell."""
    path.write_bytes(b"".join(orjson.dumps([line]) + b"\n" for line in lines))
