"""Reading CSV files, with one clear sentence where a file is not what it should be."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from ingestion.errors import UnusableFileError


def folder(path: str, what: str, *files: str) -> Path:
    """Return the folder of a data set; raises UnusableFileError unless it is one that holds the named files."""
    found = Path(path)
    if not found.is_dir():
        raise UnusableFileError(f"{path} is not a folder; {what} is read from the folder that holds {files[0]}.")
    missing = [name for name in files if not any(found.glob(name))]
    if missing:
        raise UnusableFileError(f"{path} does not hold {what}: {missing[0]} is missing.")
    return found


def raw_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Return (line number, cells) of a CSV file's rows, blank ones left out.

    A byte order mark is skipped, lines may end in any way. Raises UnusableFileError when the file cannot be read,
    is not UTF-8 text or is no CSV.
    """
    reader = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # strict: otherwise a quote that is never closed swallows the rest of the file without a word
            reader = csv.reader(file, strict=True)
            for row in reader:
                if any("\0" in cell for cell in row):
                    raise UnusableFileError(f"{path} is not a text file.")
                if row:
                    yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise UnusableFileError(f"{path} is not UTF-8 text.") from error
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise UnusableFileError(f"{path} is not a CSV file: line {line}: {error}.") from error
    except OSError as error:
        raise UnusableFileError(f"{path} cannot be read: {error.strerror or error}.") from error


def rows(path: Path, *columns: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Return (line number, row by column name) of a CSV file with a header; missing cells are empty.

    Raises UnusableFileError as `raw_rows` does, and when a column is missing.
    """
    lines = raw_rows(path)
    _, header = next(lines, (0, []))
    missing = [column for column in columns if column not in header]
    if missing:
        raise UnusableFileError(f"{path} has no column {missing[0]}.")
    for line, cells in lines:
        yield line, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False))


def number(text: str) -> int | float | str | None:
    """Return a cell as a JSON value: a number, None when it is empty, and otherwise the text, to be refused later."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    return int(value) if text.isdigit() else value
