"""Names of types: Trino's, Hive's as Glue keeps them, and Athena's in result sets."""

import re

from infra.local.athena.text import StatementError, quoted

_HIVE_TO_TRINO = {
    "string": "varchar",
    "int": "integer",
    "float": "real",
    "binary": "varbinary",
}
_SIMPLE = ("boolean", "tinyint", "smallint", "integer", "bigint", "double", "date", "varchar", "real", "varbinary")
_TRINO_TO_HIVE = {"integer": "int", "real": "float", "varbinary": "binary", "varchar": "string"}


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "<(" and 1) or 0
        depth -= (character in ">)" and 1) or 0
        if character == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [part.strip() for part in (*parts, text[start:])]


def hive_to_trino(hive_type: str, *, timestamp_digits: int = 3) -> str:
    """Return Trino's name for a Hive type such as `map<string,array<int>>`. Raises StatementError."""

    def translated(part: str) -> str:
        return hive_to_trino(part, timestamp_digits=timestamp_digits)

    text = re.sub(r"\s+", " ", hive_type.strip().lower()).replace("`", "")
    if match := re.fullmatch(r"(array|map|struct)\s*<(.*)>", text):
        kind, inner = match.groups()
        if kind != "struct":
            return f"{kind}({', '.join(map(translated, _split(inner)))})"
        fields = (part.split(":", 1) for part in _split(inner))
        return f"row({', '.join(f'{quoted(name.strip())} {translated(of)}' for name, of in fields)})"
    if re.fullmatch(r"(decimal|varchar|char) ?\([\d, ]+\)", text):
        return text
    named = {
        **_HIVE_TO_TRINO,
        "timestamp": f"timestamp({timestamp_digits})",
        "timestamptz": f"timestamp({timestamp_digits}) with time zone",
        "timestamp with time zone": f"timestamp({timestamp_digits}) with time zone",
        "decimal": "decimal(10,0)",
    }
    name = named.get(text, text)
    if name == text and name not in _SIMPLE:
        raise StatementError(f"FAILED: ParseException: unknown type {hive_type}")
    return name


def trino_to_hive(trino_type: str) -> str:
    """Return Glue's name for a Trino type; types that Hive lacks become string."""
    text = trino_type.strip()
    match = re.fullmatch(r"(array|map|row)\((.*)\)", text)
    if match:
        kind, inner = match.groups()
        parts = _split(inner)
        if kind == "row":
            fields = (re.fullmatch(r'("?)(.*?)\1 (.*)', part) for part in parts)
            return "struct<" + ",".join(f"{f.group(2)}:{trino_to_hive(f.group(3))}" for f in fields if f) + ">"
        return f"{kind}<{','.join(map(trino_to_hive, parts))}>"
    if text.startswith("timestamp"):
        return "timestamp"
    if re.match(r"(decimal|char|varchar)\(", text):
        return text.replace(" ", "")
    name = _TRINO_TO_HIVE.get(text, text)
    return name if name in {*_SIMPLE, "int", "float", "binary", "string"} else "string"
