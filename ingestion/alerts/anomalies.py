"""Anomalies of devices: from what a sensor reports to one event when a rule is broken and one when it is kept again.

Rules are those of `anomalies.yaml`, which says what its fields mean. Two pure stages: `violations` and `fingerprint`
judge one reading by itself and keep no state, `update` takes their results per sensor in the order of the stream.

- Time is event time, integers of microseconds since 1970 (UTC); durations are differences of whole seconds, as in
  `glue_jobs.stuck`. A reading that is not newer than the last one used is ignored: neither a repeat nor a reading
  that is late by seconds changes anything.
- A rule with a limit or a flag is broken by each reading beyond the limit or with the flag, kept by any other, and
  a reading without the measure says nothing about it. It starts when it has been broken, reading after reading, for
  `holds_for_s`, and ends when it has been kept, reading after reading, for `absent_for_s`. Both times start anew
  after more than `longest_gap_s` between two readings that say something about it.
- The rule of repeated values is broken by each reading that the batch flags as stuck: its run of equal readings, none
  more than `longest_gap_s` after the one before, has `repeated_readings` and has lasted `holds_for_s`. It starts with
  the first of them, since the beginning of the run, and is kept by any other reading. Zeros are no run: nothing
  passes.
- Silence starts and ends nothing. What has started ends with the next reading when its rule is no longer there.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

import yaml

from ingestion.errors import UnusableFileError
from ingestion.generated_reading import FLAGS, Reading

STARTED = "DeviceAnomalyStarted"
ENDED = "DeviceAnomalyEnded"
RULES_FILE = Path(__file__).with_name("anomalies.yaml")
# Measures that a rule can limit, with the contract's units. Their order is that of the bits of `Findings`.
MEASURES = {
    "occupancy_pct": "%",
    "temperature_c": "°C",
    "battery_pct": "%",
    "speed_kmh": "km/h",
    "vehicle_count": "veh",
}
ITEM_VERSION = 1
_SECOND_US = 1_000_000
_MILLI = 1000
# A device may send 1e308: beyond this it is only known to be absurd, and thousandths of it fit into 64 bits.
_LARGEST = 1e12
_BIT = {measure: 1 << position for position, measure in enumerate(MEASURES)}
_POSITION = {measure: Reading._fields.index(measure) for measure in MEASURES}
_DURATIONS = ("holds_for_s", "absent_for_s", "longest_gap_s")
_SUBJECTS = ("measure", "flag", "repeated_readings")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_pack = Struct("<ddd").pack


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value.strip())


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return type(value) is int and value >= 0


# What each field of a rule must be, as a test and in words.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_name, "small letters, digits and _"),
    "title": (_is_line, "a line of text"),
    "measure": (lambda value: value in tuple(MEASURES), f"one of {', '.join(MEASURES)}"),
    "above": (_is_number, "a number"),
    "below": (_is_number, "a number"),
    "flag": (lambda value: value in FLAGS, f"one of {', '.join(FLAGS)}"),
    "repeated_readings": (lambda value: _is_whole(value) and value >= 2, "a whole number of at least 2"),
} | dict.fromkeys(_DURATIONS, (_is_whole, "a whole number of seconds of at least 0"))

# What one reading says: bits of the measures that it lacks, and (rule, value in thousandths) of each rule that it
# breaks; the value is None for a flag. JSON's lists do as well as tuples.
Findings = tuple[int, Sequence[tuple[str, int | None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: a limit on a measure (the other limit is infinite), a flag, or repeated readings. Durations in s."""

    name: str
    title: str
    measure: str | None = None
    above: float = math.inf
    below: float = -math.inf
    flag: str | None = None
    repeated_readings: int | None = None
    holds_for_s: int
    absent_for_s: int
    longest_gap_s: int


class _Limit(NamedTuple):
    position: int
    bit: int
    low: float
    high: float
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, in the file's order, and by what they look at."""

    rules: tuple[Rule, ...]
    limits: tuple[_Limit, ...]
    flags: frozenset[str]
    stuck: Rule | None

    def get(self, name: str) -> Rule | None:
        """Return the rule of a name, if there is one."""
        return next((rule for rule in self.rules if rule.name == name), None)


@dataclass(frozen=True, slots=True)
class Change:
    """One event: `kind` is STARTED or ENDED, `since_us` when the rule was first broken.

    `value` is the measure farthest beyond the limit since then; None for rules without a limit.
    """

    kind: str
    rule: str
    ts_us: int
    since_us: int
    value: float | None


class Trace(NamedTuple):
    """A rule that a sensor breaks, or has broken: `told_us` is the last reading that says something about it."""

    rule: str
    is_open: bool
    since_us: int
    told_us: int
    kept_since_us: int | None
    worst_milli: int | None


class State(NamedTuple):
    """What is kept of a sensor: its last reading, the run of equal readings that it ends, and what it breaks.

    `run_readings` is 0 while nothing passes. Only a sensor with a trace or a long run is worth storing: what is lost
    with any other is its last reading.
    """

    ts_us: int
    fingerprint: int
    run_since_us: int
    run_readings: int
    traces: tuple[Trace, ...]


# The contract's times begin in 2000.
_NEW = State(0, 0, 0, 0, ())


@cache
def load(path: Path = RULES_FILE) -> Rules:
    """Return the rules of a file; raises UnusableFileError that names file, rule and field, OSError if unreadable."""
    try:
        document = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise UnusableFileError(f"{path}: this is no YAML: {error}") from error
    if not isinstance(document, dict) or document.keys() != {"rules"} or not isinstance(document["rules"], list):
        raise UnusableFileError(f"{path}: the file must hold a list named rules and nothing else.")
    rules: list[Rule] = []
    for number, entry in enumerate(document["rules"], start=1):
        try:
            rule = _rule(entry)
            if rule.name in {other.name for other in rules}:
                raise ValueError("name is that of another rule.")
            if rule.repeated_readings is not None and any(other.repeated_readings is not None for other in rules):
                raise ValueError("repeated_readings may be in one rule only.")
        except ValueError as error:
            named = isinstance(entry, dict) and isinstance(entry.get("name"), str)
            raise UnusableFileError(f"{path}: rule {entry['name'] if named else number}: {error}") from error
        rules.append(rule)
    return _by_subject(rules)


def _rule(entry: object) -> Rule:
    """Return one rule of the file; raises ValueError that names the field."""
    if not isinstance(entry, dict):
        raise ValueError("it must be a list of fields with a name.")
    given = [subject for subject in _SUBJECTS if subject in entry]
    if len(given) != 1:
        raise ValueError(f"it needs one of {', '.join(_SUBJECTS)}, not {' and '.join(given) or 'none'}.")
    limits = [limit for limit in ("above", "below") if limit in entry]
    if len(limits) != (given == ["measure"]):
        raise ValueError("a measure needs one of above and below, and nothing else has them.")
    expected = ("name", "title", *given, *limits, *_DURATIONS)
    for field in (*expected, *entry):
        if field not in entry:
            raise ValueError(f"{field} is missing.")
        if field not in expected:
            raise ValueError(f"{field} is not a field of this rule; those are {', '.join(expected)}.")
    for field in expected:
        is_valid, words = _FIELDS[field]
        if not is_valid(entry[field]):
            raise ValueError(f"{field} must be {words}, not {entry[field]!r}.")
    return Rule(**entry)


def _by_subject(rules: Sequence[Rule]) -> Rules:
    limits = []
    for measure in MEASURES:
        of_measure = tuple(rule for rule in rules if rule.measure == measure)
        if of_measure:
            low, high = max(rule.below for rule in of_measure), min(rule.above for rule in of_measure)
            limits.append(_Limit(_POSITION[measure], _BIT[measure], low, high, of_measure))
    return Rules(
        rules=tuple(rules),
        limits=tuple(limits),
        flags=frozenset(rule.flag for rule in rules if rule.flag is not None),
        stuck=next((rule for rule in rules if rule.repeated_readings is not None), None),
    )


def violations(reading: Reading, rules: Rules) -> Findings:
    """Return what a valid reading says about the rules by itself: `(0, ())` for a whole one that breaks none."""
    lacks = 0
    broken: tuple[tuple[str, int | None], ...] = ()
    for position, bit, low, high, of_measure in rules.limits:
        value = reading[position]
        if value is None:
            lacks |= bit
        elif not low <= value <= high:
            milli = round(max(-_LARGEST, min(_LARGEST, value)) * _MILLI)
            broken += tuple((rule.name, milli) for rule in of_measure if not rule.below <= value <= rule.above)
    if reading.flags and not rules.flags.isdisjoint(reading.flags):
        broken += tuple((rule.name, None) for rule in rules.rules if rule.flag in reading.flags)
    return lacks, broken


def fingerprint(reading: Reading) -> int:
    """Return 32 bits that are equal for equal count, speed and occupancy; 0 where none of them is above zero."""
    count, speed, occupancy = reading.vehicle_count, reading.speed_kmh, reading.occupancy_pct
    if not (count or speed or occupancy):
        return 0
    # a measure of a valid reading is never below zero
    measures = _pack(
        -1 if count is None else count, -1 if speed is None else speed, -1 if occupancy is None else occupancy
    )
    return crc32(measures) or 1


def update(
    state: State | None, ts_us: int, findings: Findings, fingerprint: int, rules: Rules
) -> tuple[State, tuple[Change, ...]]:
    """Take one reading of a sensor; return its new state and what changed by it, in the order of the rules.

    `state` is None before the first reading, `findings` and `fingerprint` are those of the reading.
    """
    state = _NEW if state is None else state
    if ts_us <= state.ts_us:
        return state, ()
    lacks, broken = findings
    since_us, readings, is_stuck = _run(state, ts_us, fingerprint, rules.stuck)
    if not (state.traces or broken or is_stuck):
        return State(ts_us, fingerprint, since_us, readings, ()), ()
    values = dict(broken)
    of_rule = {trace.rule: trace for trace in state.traces}
    traces, changes = [], []
    for rule in rules.rules:
        trace = of_rule.pop(rule.name, None)
        if rule.measure is None or not lacks & _BIT[rule.measure]:
            if is_stuck if rule is rules.stuck else rule.name in values:
                begun_us = since_us if rule is rules.stuck else ts_us
                trace, change = _broken(rule, trace, begun_us, ts_us, values.get(rule.name))
            else:
                trace, change = _kept(rule, trace, ts_us)
            if change is not None:
                changes.append(change)
        if trace is not None:
            traces.append(trace)
    # of rules that are no longer there
    changes += [_ended(trace, ts_us) for trace in of_rule.values() if trace.is_open]
    return State(ts_us, fingerprint, since_us, readings, tuple(traces)), tuple(changes)


def to_item(state: State) -> dict[str, Any]:
    """Return the state as JSON-able data of integers, text, booleans and lists only."""
    return {
        "version": ITEM_VERSION,
        "run": list(state[:4]),
        "traces": [list(trace) for trace in state.traces],
    }


def from_item(item: Mapping[str, Any]) -> State:
    """Return the state of an item; whole numbers may come as any number type. Raises ValueError for its version."""
    if item.get("version") != ITEM_VERSION:
        raise ValueError(f"a state of version {item.get('version')} cannot be read; this is version {ITEM_VERSION}.")
    traces = [
        Trace(rule, is_open, int(since), int(told), _whole(kept), _whole(worst))
        for rule, is_open, since, told, kept, worst in item["traces"]
    ]
    return State(*map(int, item["run"]), tuple(traces))


def _whole(number: Any) -> int | None:  # noqa: ANN401 - DynamoDB gives decimals
    return None if number is None else int(number)


def _run(state: State, ts_us: int, fingerprint: int, stuck: Rule | None) -> tuple[int, int, bool]:
    """Return since when and over how many readings the last one is repeated, and whether that is too long."""
    if stuck is None or not fingerprint:
        return ts_us, 0, False
    if fingerprint != state.fingerprint or _seconds(state.ts_us, ts_us) > stuck.longest_gap_s:
        return ts_us, 1, False
    readings = state.run_readings + 1
    is_long = _seconds(state.run_since_us, ts_us) >= stuck.holds_for_s
    return state.run_since_us, readings, is_long and readings >= (stuck.repeated_readings or 0)


def _broken(
    rule: Rule, trace: Trace | None, since_us: int, ts_us: int, milli: int | None
) -> tuple[Trace, Change | None]:
    """Return the trace of a rule after a reading that breaks it, by itself since `since_us`."""
    was_open = trace is not None and trace.is_open
    if trace is None or (not was_open and _seconds(trace.told_us, ts_us) > rule.longest_gap_s):
        trace = Trace(rule.name, False, since_us, ts_us, None, milli)
    is_open = was_open or _seconds(trace.since_us, ts_us) >= rule.holds_for_s
    after = Trace(rule.name, is_open, trace.since_us, ts_us, None, _worse(rule, trace.worst_milli, milli))
    if was_open or not is_open:
        return after, None
    return after, Change(STARTED, rule.name, ts_us, after.since_us, _value(after))


def _worse(rule: Rule, worst_milli: int | None, milli: int | None) -> int | None:
    if worst_milli is None or milli is None:
        return milli
    return max(worst_milli, milli) if rule.above < math.inf else min(worst_milli, milli)


def _kept(rule: Rule, trace: Trace | None, ts_us: int) -> tuple[Trace | None, Change | None]:
    """Return the trace of a rule after a reading that keeps it."""
    if trace is None or not trace.is_open:
        return None, None
    kept_since_us = trace.kept_since_us
    if kept_since_us is None or _seconds(trace.told_us, ts_us) > rule.longest_gap_s:
        kept_since_us = ts_us
    if _seconds(kept_since_us, ts_us) >= rule.absent_for_s:
        return None, _ended(trace, ts_us)
    return trace._replace(told_us=ts_us, kept_since_us=kept_since_us), None


def _ended(trace: Trace, ts_us: int) -> Change:
    return Change(ENDED, trace.rule, ts_us, trace.since_us, _value(trace))


def _value(trace: Trace) -> float | None:
    return None if trace.worst_milli is None else trace.worst_milli / _MILLI


def _seconds(start_us: int, end_us: int) -> int:
    """Return the difference of two times, each cut to a whole second."""
    return end_us // _SECOND_US - start_us // _SECOND_US
