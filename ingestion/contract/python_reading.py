"""A Python module that types and judges one reading by the contract, without Spark, YAML or sqlglot at run time."""

from collections.abc import Iterator

from ingestion.contract import model, rules
from ingestion.contract.python_conditions import Guard, statements

# Where the committed file lies, from the root of the checkout.
PATH = "ingestion/generated_reading.py"

_TYPES = {"string": "str", "int": "int", "double": "float", "timestamp": "int"}
# What is not taken as it was sent: `_derived` makes it.
_SPECIAL = ("ts", "speed_kmh", "speed_unit", "received_at")


def module() -> str:
    """Return the text of the module. Raises ContractError where it cannot hold what the contract says."""
    contract = model.load("readings")
    columns = tuple(column for column in contract.columns if not column.derived)
    refusals, flags = rules.rejections(contract), rules.sample_flags(contract)
    return "\n".join(
        [
            _HEAD,
            f"REASONS = {_names(refusals)}",
            f"FLAGS = {_names(flags)}",
            "# Every key of a reading, as sent.",
            f"KEYS = {_names(name for column in columns for name in column.landing_names)}",
            "# Unit of a speed → what makes it km/h.",
            f"KMH_PER = {{{', '.join(_factors(contract))}}}",
            "_NOTHING = dict.fromkeys(KEYS)",
            *(f'_{kind} = COLUMN_TYPES["{kind}"][1]' for kind in sorted({c.landing_type for c in columns})),
            "_new = tuple.__new__  # a named tuple's own constructor is a Python function",
            "\n",
            *_reading_class(columns),
            "\n",
            *_reading_function(columns, refusals, flags),
            _TAIL,
        ]
    )


def field(column: model.Column) -> str:
    """Return the name of a column's field in a reading: an instant says that it is in microseconds."""
    return f"{column.name.removesuffix('_at')}_us" if column.physical_type == "timestamp" else column.name


def _reading_class(columns: tuple[model.Column, ...]) -> Iterator[str]:
    yield "class Reading(NamedTuple):"
    yield '    """One reading in the contract\'s units, instants in microseconds since 1970 (UTC); None is unknown.'
    yield ""
    yield "    It is valid where `reasons` is empty. The count of a refused one is cut to a whole number."
    yield '    """\n'
    yield from (f"    {field(column)}: {_TYPES[column.physical_type]} | None" for column in columns)
    yield "    arrived_us: int"
    yield "    flags: tuple[str, ...]"
    yield "    reasons: tuple[str, ...]"


def _reading_function(
    columns: tuple[model.Column, ...], refusals: dict[str, str], flags: dict[str, str]
) -> Iterator[str]:
    yield "def reading(row: dict[str, Any], document: bytes, arrived_us: int, place: int) -> Reading:"
    yield '    """Return the reading of a document\'s members; `place` is its position in the record.\n'
    yield "    Raises ValueError where a value does not fit its column."
    yield '    """'
    yield "    sent = _NOTHING | row"
    yield "    if len(sent) != len(KEYS):"
    yield "        sent = _NOTHING | {name: value for key, value in row.items() if (name := key.lower()) in _NOTHING}"
    yield "    ("
    yield from (f"        {_local(column, name)}," for column in columns for name in column.landing_names)
    yield "    ) = sent.values()"
    yield "    reasons = flags = 0"
    lines = _by_guard(columns, refusals, flags)
    for column in columns:
        # A column of one name that is taken as it was sent is judged where it is looked at anyway.
        own = column.name not in _SPECIAL and len(column.landing_names) == 1
        yield from _typed(column, lines.pop(frozenset({column.name}), []) if own else [])
    yield _DERIVED
    for guard, judgements in lines.items():
        if guard:
            yield f"    if {' and '.join(f'{name} is not None' for name in sorted(guard))}:"
        yield from _indented(judgements, 8 if guard else 4)
    for column in columns:
        if column.physical_type == "int":
            yield f"    if type({column.name}) is float:\n        {column.name} = int({column.name})"
    yield "    values = ("
    yield from (f"        {column.name}," for column in columns)
    yield "        arrived_at,"
    yield "        _names(FLAGS, flags) if flags else (),"
    yield "        _names(REASONS, reasons) if reasons else (),"
    yield "    )"
    yield "    return _new(Reading, values)"


def _local(column: model.Column, name: str) -> str:
    """Return the variable of what was sent under one name of a column."""
    if len(column.landing_names) > 1:
        return name
    return f"sent_{column.name}" if column.name in _SPECIAL else column.name


def _typed(column: model.Column, judgements: list[str]) -> Iterator[str]:
    """Make what was sent for a column a value of its landing type, and judge it."""
    kinds = [{"string": "str", "double": "float"}[column.landing_type or "string"]]
    if column.physical_type in ("int", "timestamp"):
        kinds.insert(0, "int")  # whole counts and epochs mostly come as whole numbers
    for name in column.landing_names:
        local = _local(column, name)
        yield f"    if {local} is not None:"
        yield f"        if {' and '.join(f'type({local}) is not {kind}' for kind in kinds)}:"
        yield f'            {local} = _{column.landing_type}({local}, "{name}", document)'
        yield from _indented(judgements, 8)
    if len(column.landing_names) > 1:
        target = "speed_sent" if column.name == "speed_kmh" else column.name
        first, *others = (_local(column, name) for name in column.landing_names)
        yield f"    {target} = {first}"
        for other in others:
            yield f"    if {target} is None:\n        {target} = {other}"


def _indented(texts: list[str], spaces: int) -> Iterator[str]:
    return (" " * spaces + line for text in texts for line in text.split("\n"))


def _by_guard(
    columns: tuple[model.Column, ...], refusals: dict[str, str], flags: dict[str, str]
) -> dict[Guard, list[str]]:
    nullable = {column.name: True for column in columns} | {"ts_sent": True, "speed_sent": True}
    nullable |= {"ts_zoned": False, "arrived_at": False}
    if missing := set(rules.BESIDE) - nullable.keys():
        raise model.ContractError(f"a reading in Python has no {sorted(missing)}")
    lines = statements("reasons", refusals, nullable)
    for guard, more in statements("flags", flags, nullable).items():
        lines.setdefault(guard, []).extend(more)
    return lines


def _factors(contract: model.Contract) -> Iterator[str]:
    for unit in contract.column("speed_unit").enum:
        yield f'"{unit}": {rules.KMH_PER_MPH if unit == "mph" else 1.0}'


def _names(names: Iterator[str] | dict[str, str]) -> str:
    return "(\n" + "".join(f'    "{name}",\n' for name in names) + ")"


_HEAD = '''"""One reading, typed and judged. Made by `python -m ingestion.contract`: change the contract, not this.

It decides what `glue_jobs.parsing` decides, by the same conditions of readings.yaml, for one document at a time.
"""

from functools import cache
from typing import Any, NamedTuple

from ingestion.json_documents import COLUMN_TYPES
from ingestion.moments import LONG, arrival, event_time, known_event_time
'''

_DERIVED = """    short = type(sent_ts) is not str or len(sent_ts) < LONG
    ts_sent, ts, ts_zoned = known_event_time(sent_ts) if short else event_time(sent_ts)
    received_at, arrived_at, stand_in = None, arrived_us, arrived_us + place
    if sent_received_at is not None:
        received_at, arrived_at, stand_in = arrival(sent_received_at, arrived_us, place)
    if ts_sent is None:
        ts = stand_in
    speed_unit = None
    speed_kmh = speed_sent
    if sent_speed_unit is not None and (speed_unit := sent_speed_unit.strip(" ").lower() or None) is not None:
        speed_kmh = speed_sent * KMH_PER[speed_unit] if speed_sent is not None and speed_unit in KMH_PER else None"""

_TAIL = """

@cache
def _names(names: tuple[str, ...], bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(names) if bits >> bit & 1)
"""
