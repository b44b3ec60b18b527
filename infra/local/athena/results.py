"""Query results as Athena leaves them: CSV or text in S3, and pages of rows for GetQueryResults."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import orjson

from infra.local.athena.engine import Column, Rows
from infra.local.athena.values import formatter

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


def rows_path(folder: Path, execution_id: str) -> Path:
    """Return where the rows of an execution are kept for GetQueryResults."""
    return folder / f"{execution_id}.rows"


class Sink:
    """Receives a result page by page and writes it twice: CSV for S3, and JSON lines for GetQueryResults.

    A context: the CSV is gone at its end, and after a failure the lines are too.
    """

    def __init__(self, folder: Path, execution_id: str, *, header: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.csv_path = folder / f"{execution_id}.csv"
        self.columns: list[dict[str, Any]] = []
        self._header = header
        self._rows_path = rows_path(folder, execution_id)
        self._csv = self.csv_path.open("wb")
        self._lines = self._rows_path.open("wb")
        self._formatters: list[Callable[[Any], str | None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        self.csv_path.unlink()
        if kind:
            self._rows_path.unlink()

    def begin(self, columns: list[Column]) -> None:
        """Take the columns and write them as header row; once."""
        if self.columns:
            return
        self.columns = [column_info(column) for column in columns]
        self._formatters = [formatter(column.signature) for column in columns]
        if self._header:
            self._write([[column.name for column in columns]])

    def add(self, columns: list[Column], rows: Rows) -> None:
        """Append rows of Trino values."""
        self.begin(columns)
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
