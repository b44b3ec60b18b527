"""Canonical readings: JSON lines, plain or gzip, from a file or stdin. What is sent is passed on byte for byte."""

import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ingestion.errors import UnusableFileError

_CHECKED_AT_ONCE = 1 << 20
_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BLANK = b" \t\r\n"
_NEXT_DOCUMENT = re.compile(rb"\}\s*\{")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)


def documents(path: str) -> Iterator[bytes]:
    """Return the documents of a file of JSON lines; `-` is stdin; gzip is known by its first bytes.

    A line may hold several concatenated documents, which come apart; a line that is no JSON document comes out as
    it is, because refusing it, with a reason, is the pipeline's task. Raises UnusableFileError when there is no
    such file, it cannot be read, or it is UTF-16, a broken gzip file or something else that is named .gz.
    """
    if path == "-":
        with _sentences("stdin"):
            yield from _lines(_content(sys.stdin.buffer, "stdin"))
        return
    if Path(path).is_dir():
        raise UnusableFileError(f"{path} is a folder; give a file of JSON lines, plain or gzip, or - for stdin.")
    with _sentences(path), Path(path).open("rb") as file:
        yield from _lines(_content(file, path))


def check(path: str) -> None:
    """Raise UnusableFileError where `documents` would, and send nothing; gzip is unpacked whole, since its end counts.

    What can be read only once, stdin or a pipe, is left for `documents`.
    """
    file_path = Path(path)
    if path == "-":
        return
    if file_path.is_file():
        with _sentences(path), file_path.open("rb") as file:
            content = _content(file, path)
            while isinstance(content, gzip.GzipFile) and content.read(_CHECKED_AT_ONCE):
                pass
    elif file_path.is_dir() or not file_path.exists():
        next(documents(path), None)


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """Turn what goes wrong while reading into UnusableFileError."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:  # before OSError, which BadGzipFile is
        raise UnusableFileError(f"{name} is a broken gzip file: {error}.") from error
    except OSError as error:
        raise UnusableFileError(f"{name} cannot be read: {error.strerror or error}.") from error


def _content(file: BinaryIO, name: str) -> BinaryIO:
    """Return what to read a file's lines from, past its byte order mark and unpacked."""
    # io.BufferedReader on top, because a pipe's reader may not offer peek.
    reader = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    start = reader.peek(3)[:3]
    if start[:2] in _UTF16_BOMS:
        raise UnusableFileError(f"{name} is UTF-16; JSON is UTF-8. Convert it first.")
    if start == _UTF8_BOM:
        reader.read(3)
    if start[:2] == _GZIP:
        return gzip.GzipFile(fileobj=reader)
    if name.endswith(".gz"):
        raise UnusableFileError(f"{name} is no gzip file, although it is named like one.")
    return reader


def _lines(source: BinaryIO) -> Iterator[bytes]:
    for line in source:
        stripped = line.strip(_BLANK)
        if not stripped:
            continue
        if _NEXT_DOCUMENT.search(stripped):
            yield from split(stripped)
        else:
            yield stripped


def split(line: bytes) -> Iterator[bytes]:
    """Cut a line of concatenated JSON objects into its documents; what closes no object stays whole at the end."""
    depth = start = 0
    for token in _TOKEN.finditer(line):
        if token.group() == b"{":
            depth += 1
        elif token.group() == b"}":
            depth -= 1
            if depth == 0:
                yield line[start : token.end()].strip(_BLANK)
                start = token.end()
    rest = line[start:].strip(_BLANK)
    if rest:
        yield rest
