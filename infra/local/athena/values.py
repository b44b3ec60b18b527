"""Values as Athena writes them in text, by their type in Trino."""

import base64
import math
import re
from collections.abc import Callable
from typing import Any

Write = Callable[[Any], str]


def formatter(signature: dict[str, Any]) -> Callable[[Any], str | None]:
    """Return how Athena writes a value of this type as text; null stays None."""
    write = _formatter(signature)
    return lambda value: None if value is None else write(value)


def _formatter(signature: dict[str, Any]) -> Write:
    build = _NESTED.get(signature["rawType"])
    return build(signature["arguments"]) if build else _PLAIN.get(signature["rawType"], str)


def _array(arguments: list[dict[str, Any]]) -> Write:
    item = _nested(arguments[0]["value"])
    return lambda value: f"[{', '.join(map(item, value))}]"


def _map(arguments: list[dict[str, Any]]) -> Write:
    key, item = (_nested(argument["value"]) for argument in arguments)
    return lambda value: "{" + ", ".join(f"{key(k)}={item(v)}" for k, v in value.items()) + "}"


def _row(arguments: list[dict[str, Any]]) -> Write:
    fields = [_named_field(argument["value"], number) for number, argument in enumerate(arguments)]
    return lambda row: "{" + ", ".join(f"{name}={write(v)}" for (name, write), v in zip(fields, row, strict=True)) + "}"


def _named_field(field: dict[str, Any], number: int) -> tuple[str, Write]:
    name = (field.get("fieldName") or {}).get("name") or f"field{number}"
    return name, _nested(field["typeSignature"])


def _nested(signature: dict[str, Any]) -> Write:
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


_PLAIN: dict[str, Write] = {
    "double": java_double,
    "real": java_double,
    "boolean": lambda value: "true" if value else "false",
    "varbinary": _hex,
    "time": _padded_time,
    "time with time zone": _padded_time,
    "timestamp": _padded_time,
    "timestamp with time zone": _padded_time,
}
_NESTED: dict[str, Callable[[list[dict[str, Any]]], Write]] = {"array": _array, "map": _map, "row": _row}
