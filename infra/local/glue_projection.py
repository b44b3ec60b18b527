"""Partition projection, answered by Glue from what is there, for the engine behind the local Athena (Trino).

Trino knows partition projection itself, but lists every possible partition where a query does not bound it: a year of
hours takes it 13 s. So Trino's Glue client signs with the access key `trafficlake-trino`, and for that key alone
- `projection.*` and `storage.location.template` are left out of tables, so that Trino asks Glue for partitions, and
- GetPartitions of a projected table is answered with the partitions that the declared ranges allow and that hold
  objects in S3. A projected partition without objects has no rows, so queries give the same rows. GetPartition and
  BatchGetPartition are answered for whatever the ranges allow.
All other clients see tables and partitions as they are. Projection types: date, integer, enum and injected.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.local import glue_catalog
from infra.local.glue_catalog import Call, GlueError

ENGINE_KEY = "trafficlake-trino"
HIDDEN = re.compile(r"projection\.|storage\.location\.template$")
# Java's date letters → (as a pattern, as strptime reads them); longest first.
DATE_LETTERS = {
    "yyyy": (r"\d{4}", "%Y"),
    "MM": (r"\d{2}", "%m"),
    "dd": (r"\d{2}", "%d"),
    "HH": (r"\d{2}", "%H"),
    "mm": (r"\d{2}", "%M"),
    "ss": (r"\d{2}", "%S"),
}
UNITS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
# (address) → the keys below it, as they go on after the address.
KeysBelow = Callable[[str], list[str]]
Allowed = Callable[[str], bool]


def is_engine(headers: dict[str, str]) -> bool:
    """Say whether a request is signed with the engine's key."""
    return f"Credential={ENGINE_KEY}/" in headers.get("authorization", "")


def is_projected(table: dict[str, Any]) -> bool:
    """Say whether a table's partitions are computed from its parameters."""
    return (table.get("Parameters") or {}).get("projection.enabled", "").lower() == "true"


def hide_parameters(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a Glue answer with tables that show nothing of projection."""

    def hidden(table: dict[str, Any]) -> dict[str, Any]:
        parameters = table.get("Parameters") or {}
        return table | {"Parameters": {key: value for key, value in parameters.items() if not HIDDEN.match(key)}}

    if "Table" in answer:
        return answer | {"Table": hidden(answer["Table"])}
    if "TableList" in answer:
        return answer | {"TableList": [hidden(table) for table in answer["TableList"]]}
    return answer


def keep_parameters(request: dict[str, Any], call: Call) -> dict[str, Any]:
    """Return an UpdateTable request with the parameters that the engine was not shown."""
    table = request["TableInput"]
    stored = call("GetTable", {"DatabaseName": request["DatabaseName"], "Name": table["Name"]})["Table"]
    kept = {key: value for key, value in (stored.get("Parameters") or {}).items() if HIDDEN.match(key)}
    return request | {"TableInput": table | {"Parameters": kept | (table.get("Parameters") or {})}}


def answer(name: str, request: dict[str, Any], call: Call, keys_below: KeysBelow) -> dict[str, Any] | None:
    """Return the answer to a partition call on a projected table; None where the call is none of that.

    `keys_below` returns what lies in S3 below an s3:// address that ends in "/".
    """
    if "Partition" not in name or "TableName" not in request or "ColumnStatistics" in name:
        return None
    table = call("GetTable", {"DatabaseName": request["DatabaseName"], "Name": request["TableName"]})["Table"]
    if not is_projected(table):
        return None
    if name == "GetPartitions":
        return _list(table, request, keys_below)
    if name == "GetPartition":
        return {"Partition": _one(table, request["PartitionValues"])}
    if name == "BatchGetPartition":
        wanted = [entry["Values"] for entry in request["PartitionsToGet"]]
        return {"Partitions": _allowed_partitions(table, wanted), "UnprocessedKeys": []}
    # Projected partitions are not stored: there is nothing to create, change or delete.
    return {} if name in ("CreatePartition", "UpdatePartition", "DeletePartition") else {"Errors": []}


def _list(table: dict[str, Any], request: dict[str, Any], keys_below: KeysBelow) -> dict[str, Any]:
    # All in one segment: each further one would look through all keys again.
    if request.get("Segment", {}).get("SegmentNumber"):
        return {"Partitions": []}
    found = [_partition(table, values) for values in existing(table, keys_below)]
    return glue_catalog.select_partitions(table, found, request | {"Segment": None})


def _one(table: dict[str, Any], values: list[str]) -> dict[str, Any]:
    found = _allowed_partitions(table, [values])
    if not found:
        raise GlueError("EntityNotFoundException", "Partition not found")
    return found[0]


def existing(table: dict[str, Any], keys_below: KeysBelow) -> list[list[str]]:
    """Return the values of the partitions that the declared ranges allow and that hold objects, in order."""
    base, levels = _levels(table)
    folders = {tuple(key.split("/")[: len(levels)]) for key in keys_below(base) if key.count("/") >= len(levels)}
    allowed = {key: _allowed(table["Parameters"], key) for key in glue_catalog.column_types(table)}
    found = []
    for folder in sorted(folders):
        matches = [level.fullmatch(part) for level, part in zip(levels, folder, strict=True)]
        if not all(matches):
            continue
        parts: dict[str, list[str]] = {key: [] for key in allowed}
        for match in matches:
            for group, text in match.groupdict().items():
                parts[group.rsplit("__", 1)[0]].append(text)
        values = {key: "/".join(texts) for key, texts in parts.items()}
        if all(allowed[key](value) for key, value in values.items()):
            found.append(list(values.values()))
    return found


def _allowed_partitions(table: dict[str, Any], wanted: list[list[str]]) -> list[dict[str, Any]]:
    """Return the partitions of the given values that the declared ranges allow: without objects they have no rows."""
    allowed = [_allowed(table["Parameters"], key) for key in glue_catalog.column_types(table)]
    return [
        _partition(table, values)
        for values in wanted
        if all(is_allowed(value) for is_allowed, value in zip(allowed, values, strict=True))
    ]


def _partition(table: dict[str, Any], values: list[str]) -> dict[str, Any]:
    location = _template(table).rstrip("/") + "/"
    for key, value in zip(glue_catalog.column_types(table), values, strict=True):
        digits = int(table["Parameters"].get(f"projection.{key}.digits") or 0)
        location = location.replace(f"${{{key}}}", value.zfill(digits))
    return {
        "Values": values,
        "DatabaseName": table["DatabaseName"],
        "TableName": table["Name"],
        "CreationTime": table.get("CreateTime", 0),
        "StorageDescriptor": table["StorageDescriptor"] | {"Location": location},
        "Parameters": {},
    }


def _template(table: dict[str, Any]) -> str:
    """Return the template of partition locations; without one, Hive's layout below the table."""
    if template := table["Parameters"].get("storage.location.template"):
        return template
    keys = "".join(f"{key}=${{{key}}}/" for key in glue_catalog.column_types(table))
    return f"{table['StorageDescriptor']['Location'].rstrip('/')}/{keys}"


def _levels(table: dict[str, Any]) -> tuple[str, list[re.Pattern[str]]]:
    """Return where to begin listing, and the pattern of the names at each level below it.

    A group is called `<key>__<n>`, n being the part of a value whose format holds slashes.
    """
    template = _template(table).rstrip("/")
    base = template[: template.index("${")].rpartition("/")[0] + "/"
    rest = re.split(r"\$\{([^}]+)\}", template.removeprefix(base))
    pattern = ""
    for index, text in enumerate(rest):
        if index % 2 == 0:
            pattern += "/".join(re.escape(part) for part in text.split("/"))
        else:
            parts = _pattern(table["Parameters"], text).split("/")
            pattern += "/".join(f"(?P<{text}__{number}>{part})" for number, part in enumerate(parts))
    return base, [re.compile(level) for level in pattern.split("/")]


def _pattern(parameters: dict[str, str], key: str) -> str:
    """Return the pattern of a key's values, without groups."""
    kind = parameters.get(f"projection.{key}.type", "injected").lower()
    if kind == "date":
        text = re.escape(parameters[f"projection.{key}.format"]).replace("'", "")
        for letters, (digits, _) in DATE_LETTERS.items():
            text = text.replace(letters, digits)
        return text
    if kind == "integer":
        digits = int(parameters.get(f"projection.{key}.digits") or 0)
        return rf"-?\d{{{digits}}}" if digits else r"-?\d+"
    return ".+"


def _allowed(parameters: dict[str, str], key: str) -> Allowed:
    """Return a function that says whether the declaration of a key allows a value."""
    kind = parameters.get(f"projection.{key}.type", "injected").lower()
    if kind == "date":
        reading = re.sub(r"'", "", parameters[f"projection.{key}.format"])
        for letters, (_, directive) in DATE_LETTERS.items():
            reading = reading.replace(letters, directive)
        now = datetime.now(UTC).replace(tzinfo=None)
        first, last = (_instant(end, reading, now) for end in parameters[f"projection.{key}.range"].split(","))
        return lambda value: _is_between(value, reading, first, last)
    if kind == "integer":
        low, high = (int(end) for end in parameters[f"projection.{key}.range"].split(","))
        return lambda value: re.fullmatch(r"-?\d+", value) is not None and low <= int(value) <= high
    if kind == "enum":
        values = parameters[f"projection.{key}.values"].split(",")
        return lambda value: value in values
    return lambda _value: True


def _is_between(value: str, reading: str, first: datetime, last: datetime) -> bool:
    try:
        return first <= datetime.strptime(value, reading) <= last
    except ValueError:
        return False


def _instant(text: str, reading: str, now: datetime) -> datetime:
    """Return one end of a date range: a value in the key's own format, or `NOW` plus or minus some units."""
    relative = re.fullmatch(r"NOW(?:\s*([+-]\s*\d+)\s*([A-Z]+?)S?)?", text.strip(), re.IGNORECASE)
    if not relative:
        return datetime.strptime(text.strip(), reading)
    if not relative[1]:
        return now
    amount, unit = int(relative[1].replace(" ", "")), relative[2].upper()
    if unit in ("MONTH", "YEAR"):
        months = now.year * 12 + now.month - 1 + amount * (12 if unit == "YEAR" else 1)
        return now.replace(year=months // 12, month=months % 12 + 1, day=min(now.day, 28))
    return now + timedelta(seconds=amount * UNITS[unit])
