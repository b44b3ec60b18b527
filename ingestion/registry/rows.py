"""A city's registry file, checked row by row: a row that cannot be right is refused, with the reason in plain words."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingestion.contract import model
from ingestion.errors import UnusableFileError
from ingestion.tabular import raw_rows
from ingestion.timestamps import parse_timestamp

Value = str | int | float | None
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHOWN = 60


@dataclass(frozen=True)
class RegistryRow:
    """One valid row: a sensor's attributes from `valid_from` (UTC, naive; None where the file leaves it open)."""

    line: int
    valid_from: datetime | None
    attributes: Mapping[str, Value]

    @property
    def sensor_id(self) -> str:
        """Return the sensor that the row is about."""
        return str(self.attributes["sensor_id"])

    @property
    def segment(self) -> tuple[Value, ...]:
        """Return what the row says of its segment, in the order of `SEGMENT_ATTRIBUTES`."""
        return tuple(self.attributes[name] for name in SEGMENT_ATTRIBUTES)


@dataclass(frozen=True)
class Finding:
    """What was found in a line: a refusal of the row, or (`refused` false) a notice that costs nothing."""

    line: int
    sensor_id: str
    column: str
    value: str
    reason: str
    refused: bool = True


def _columns() -> tuple[model.Column, ...]:
    return tuple(column for column in model.load("registry").columns if not column.derived)


COLUMNS = tuple(column.name for column in _columns())
REQUIRED = tuple(column.name for column in _columns() if column.required and not column.optional_in_file)
SEGMENT_ATTRIBUTES = tuple(column.name for column in _columns() if column.segment_attribute)


def read_registry(path: str | Path) -> tuple[list[RegistryRow], list[Finding]]:
    """Read a registry CSV file; return (valid rows, findings).

    Raises UnusableFileError, with one clear sentence, when nothing of the file can be used: it cannot be read, is
    empty, binary or not comma-separated, or a required column is missing.
    """
    notices: list[Finding] = []
    rows, findings = check_rows(_cells(Path(path), notices))
    return rows, notices + findings


def _cells(path: Path, notices: list[Finding]) -> Iterator[tuple[int, dict[str, str]]]:
    lines = raw_rows(path)
    line, header = next(lines, (0, []))
    header = [name.strip().lower() for name in header]
    _check_header(path, header)
    notices.extend(
        Finding(line, "", name, "", f"there is no such column in a registry; {name} is left out", refused=False)
        for name in header
        if name not in COLUMNS
    )
    for number, cells in lines:
        # a row with too few cells has no more than those; one with too many may be shifted, and says so below
        row = dict(zip(header, cells, strict=False))
        if len(cells) > len(header):
            row[_SURPLUS] = ",".join(cells[len(header) :])
        yield number, row


_SURPLUS = "(surplus)"


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise UnusableFileError(f"{path} is empty; a registry begins with a header: {','.join(COLUMNS)}.")
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise UnusableFileError(f"{path} is separated by {name}; a registry is separated by commas.")
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise UnusableFileError(
            f"{path} has no column {', '.join(missing)}; a registry needs at least {', '.join(REQUIRED)}."
        )
    twice = sorted({name for name in header if name in COLUMNS and header.count(name) > 1})
    if twice:
        raise UnusableFileError(f"{path} has the column {twice[0]} more than once.")


def check_rows(cells: Iterable[tuple[int, Mapping[str, str]]]) -> tuple[list[RegistryRow], list[Finding]]:
    """Check (line number, cells by column name); return (valid rows in order of lines, findings in that order).

    A row is refused for any cell that is missing or wrong; for saying something else than an earlier row of the
    same sensor and time; or for saying something else of its segment than an earlier row does for the same time.
    A row that repeats an earlier one is left out with a notice.
    """
    rows: list[RegistryRow] = []
    findings: list[Finding] = []
    for line, row in cells:
        checked = _check_cells(line, row)
        if isinstance(checked, RegistryRow):
            rows.append(checked)
        else:
            findings.extend(checked)
    rows, repeated = _without_duplicates(rows)
    rows, disagreeing = _without_disagreement(rows)
    return rows, sorted(findings + repeated + disagreeing, key=lambda finding: finding.line)


def _check_cells(line: int, row: Mapping[str, str]) -> RegistryRow | list[Finding]:
    sensor_id = row.get("sensor_id", "").strip()
    attributes: dict[str, Value] = {}
    valid_from = None
    findings = []
    if _SURPLUS in row:
        findings.append(Finding(line, sensor_id, "", row[_SURPLUS], "the row has more cells than the header"))
    for column in _columns():
        text = row.get(column.name, "").strip()
        try:
            if column.name == "valid_from":
                valid_from = _moment(column, text)
            else:
                attributes[column.name] = _value(column, text)
        except ValueError as error:
            findings.append(Finding(line, sensor_id, column.name, _shortened(text), str(error)))
    return findings or RegistryRow(line, valid_from, attributes)


def _value(column: model.Column, text: str) -> Value:
    """Return the typed value of a cell; raises ValueError with the reason in plain words."""
    if not text:
        if column.required:
            raise ValueError(f"{column.name} is missing")
        return None
    if column.logical_type == "string":
        if column.max_length and len(text) > column.max_length:
            raise ValueError(f"{column.name} is longer than {column.max_length} characters")
        return text
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{column.name} is not a number")
    number = float(text)
    low, high, above = column.minimum, column.maximum, column.exclusive_minimum
    if above is not None and number <= above:
        raise ValueError(f"{column.name} must be above {above}")
    if (low is not None and number < float(low)) or (high is not None and number > float(high)):
        raise ValueError(f"{column.name} must be {_range(low, high)}")
    if column.logical_type == "integer":
        if not number.is_integer():
            raise ValueError(f"{column.name} is not a whole number")
        return int(number)
    # 1e999 reads as infinity
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{column.name} is not a number")
    return number


def _range(low: float | str | None, high: float | str | None) -> str:
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"between {low} and {high}"


def _moment(column: model.Column, text: str) -> datetime | None:
    if not text:
        return None
    instant, _ = parse_timestamp(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    if instant is None:
        raise ValueError(f"{column.name} is not a date or time such as 2024-03-01 or 2024-03-01T06:00:00Z")
    low, high = (parse_timestamp(str(limit))[0] for limit in (column.minimum, column.maximum))
    if low is None or high is None or not low <= instant <= high:
        raise ValueError(f"{column.name} must be between {column.minimum} and {column.maximum}")
    return instant.astimezone(UTC).replace(tzinfo=None)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _without_duplicates(rows: list[RegistryRow]) -> tuple[list[RegistryRow], list[Finding]]:
    kept: dict[tuple[str, datetime | None], RegistryRow] = {}
    findings = []
    for row in rows:
        first = kept.setdefault((row.sensor_id, row.valid_from), row)
        if first is row:
            continue
        same = first.attributes == row.attributes
        reason = (
            f"the same as line {first.line}; it counts once"
            if same
            else f"line {first.line} says something else of this sensor and the same time "
            f"({_difference(first.attributes, row.attributes)}); the first counts"
        )
        findings.append(Finding(row.line, row.sensor_id, "sensor_id", row.sensor_id, reason, refused=not same))
    return list(kept.values()), findings


def _without_disagreement(rows: list[RegistryRow]) -> tuple[list[RegistryRow], list[Finding]]:
    """Leave out rows that say something else of a segment than an earlier row of another sensor for the same time."""
    spans = _spans(rows)
    kept: list[RegistryRow] = []
    findings = []
    by_segment: dict[Value, dict[tuple[Value, ...], list[RegistryRow]]] = {}
    for row in rows:
        said = by_segment.setdefault(row.attributes["segment_id"], {})
        other = next(
            (
                earlier
                for segment, earlier_rows in said.items()
                if segment != row.segment
                for earlier in earlier_rows
                if earlier.sensor_id != row.sensor_id and _overlap(spans[earlier.line], spans[row.line])
            ),
            None,
        )
        if other is None:
            said.setdefault(row.segment, []).append(row)
            kept.append(row)
            continue
        column = next(n for n in SEGMENT_ATTRIBUTES if other.attributes[n] != row.attributes[n])
        value, before = row.attributes[column], other.attributes[column]
        reason = (
            f"line {other.line} (sensor {other.sensor_id}) says {_shown(before)} for the same segment "
            f"{row.attributes['segment_id']}; {column} must be the same for all its sensors"
        )
        findings.append(
            Finding(row.line, row.sensor_id, column, _shortened("" if value is None else str(value)), reason)
        )
    return kept, findings


def _spans(rows: list[RegistryRow]) -> dict[int, tuple[datetime, datetime]]:
    """Return, by line, the time that each row speaks for: until the next row of its sensor in the file."""
    by_sensor: dict[str, list[RegistryRow]] = {}
    for row in rows:
        by_sensor.setdefault(row.sensor_id, []).append(row)
    spans = {}
    for versions in by_sensor.values():
        versions.sort(key=lambda row: row.valid_from or datetime.min)
        starts = [row.valid_from or datetime.min for row in versions]
        for row, start, end in zip(versions, starts, [*starts[1:], datetime.max], strict=True):
            spans[row.line] = (start, end)
    return spans


def _overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _difference(first: Mapping[str, Value], later: Mapping[str, Value]) -> str:
    name = next(name for name in first if first[name] != later[name])
    return f"{name} {_shown(first[name])}, not {_shown(later[name])}"


def _shown(value: Value) -> str:
    return "nothing" if value is None else _shortened(str(value))
