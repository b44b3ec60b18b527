"""What a person in a control room reads of a change, and what a machine reads of it: one event detail. Pure.

`events.schema.json` is the written form of the seven details. Texts are in English with the city's local time;
machine fields keep ids, numbers and UTC as they are.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote

from ingestion.alerts import anomalies, machine
from ingestion.alerts.congestion_index import SPAN

VERSION = "1"
SOURCE = "trafficlake.alerts"
SILENCE_STARTED = "FeedSilenceStarted"
SILENCE_ENDED = "FeedSilenceEnded"
# Index points above the usual of the hour, up to which an index is called usual: 16 % of the free-flow speed.
USUAL_WITHIN = 20
TITLE_LENGTH = 100
_TITLE_ID_LENGTH = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000
# Not strftime's names, which are those of the machine's language.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SEGMENT_NUMBERS = ("position_km", "length_km", "free_flow_kmh")

Detail = dict[str, Any]
# A title and the lines of a message.
_Text = tuple[str, list[str]]


def describe(
    change: Mapping[str, Any],
    segment: Mapping[str, Any] | None,
    usual_index: float | None,
    time_zone: tzinfo,
    dashboard_url: str,
) -> Detail:
    """Return the detail of a change for the bus, JSON-able, as `events.schema.json` has it.

    `change` has kind, segment_id, zone_id, sensor_id, ts_us, since_us (microseconds since 1970), level, mean_index,
    worst_index (0 to 100), rule and value; `segment` what the registry knows of the segment: segment_id, corridor_id,
    zone_id, free_flow_kmh, position_km, length_km, each None where unknown. Numbers may be of any type.
    `usual_index` is the segment's usual index for the local weekday and hour of `ts_us`, None where unknown. The link
    is `dashboard_url` with the id as a query parameter; without a URL there is none. Raises KeyError for another kind.
    """
    fields, text = _KINDS[change["kind"]]
    registered = segment or {}
    detail = {
        "version": VERSION,
        "kind": change["kind"],
        "event_id": _event_id(change),
        **_times(change),
        "zone_id": change["zone_id"] if change["zone_id"] is not None else registered.get("zone_id"),
        **fields(change, registered, usual_index),
    }
    title, lines = text(detail, segment is not None, time_zone)
    detail["dashboard_url"] = _link(dashboard_url, detail)
    if detail["dashboard_url"] is not None:
        lines.append(f"Dashboard: {detail['dashboard_url']}")
    return detail | {"title": _cut(title, TITLE_LENGTH), "message": "\n".join(lines)}


def _event_id(change: Mapping[str, Any]) -> str:
    """Return what is equal for the same change and differs for any other; ids are quoted, so no `/` is in them."""
    subject = next(change[name] for name in ("sensor_id", "segment_id", "zone_id") if change[name] is not None)
    parts = [change["kind"], quote(subject, safe=""), change["rule"], str(int(change["ts_us"]))]
    return "/".join(part for part in parts if part is not None)


def _times(change: Mapping[str, Any]) -> Detail:
    ts_us, since_us = int(change["ts_us"]), int(change["since_us"])
    return {"ts": _iso(ts_us), "ts_us": ts_us, "since": _iso(since_us), "since_us": since_us}


def _iso(time_us: int) -> str:
    return _instant(time_us).isoformat().replace("+00:00", "Z")


def _instant(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def _link(dashboard_url: str, detail: Detail) -> str | None:
    if not dashboard_url:
        return None
    name = next(name for name in ("segment_id", "sensor_id", "zone_id") if detail.get(name) is not None)
    return f"{dashboard_url}{'&' if '?' in dashboard_url else '?'}{name}={quote(detail[name], safe='')}"


# --- machine fields


def _rising_fields(change: Mapping[str, Any], segment: Mapping[str, Any], usual_index: float | None) -> Detail:
    mean_index, usual = _number(change["mean_index"]), _number(usual_index)
    return _congestion_fields(change, segment, usual_index) | {
        "usual_index": usual,
        "is_usual": None if usual is None else mean_index <= usual + USUAL_WITHIN,
    }


def _congestion_fields(change: Mapping[str, Any], segment: Mapping[str, Any], _: float | None) -> Detail:
    return _segment_fields(change, segment) | {
        "level": change["level"],
        "mean_index": _number(change["mean_index"]),
        "worst_index": _number(change["worst_index"]),
    }


def _anomaly_fields(change: Mapping[str, Any], segment: Mapping[str, Any], _: float | None) -> Detail:
    rule = anomalies.load().get(change["rule"])
    return {"sensor_id": change["sensor_id"]} | _segment_fields(change, segment) | {
        "rule": change["rule"],
        "rule_title": change["rule"].replace("_", " ") if rule is None else rule.title,
        "value": _number(change["value"]),
        "unit": None if rule is None else anomalies.MEASURES.get(rule.measure),
    }  # fmt: skip


def _no_fields(*_: object) -> Detail:
    return {}


def _segment_fields(change: Mapping[str, Any], segment: Mapping[str, Any]) -> Detail:
    return {
        "segment_id": change["segment_id"] if change["segment_id"] is not None else segment.get("segment_id"),
        "corridor_id": segment.get("corridor_id"),
        **{name: _number(segment.get(name)) for name in _SEGMENT_NUMBERS},
    }


def _number(value: Any) -> float | None:  # noqa: ANN401 - DynamoDB gives decimals
    return None if value is None else float(value)


# --- texts


def _started(detail: Detail, is_known: bool, zone: tzinfo) -> _Text:
    since = f"Since {_moment(detail['since_us'], zone)}."
    lines = [_where(detail, is_known), since, _level(detail), _usual(detail, zone)]
    return f"{detail['level']}: congestion on {_place(detail)}", lines


def _escalated(detail: Detail, is_known: bool, zone: tzinfo) -> _Text:
    since = (
        f"Since {_moment(detail['since_us'], zone)}; {detail['level']} since "
        f"{_later_moment(detail['since_us'], detail['ts_us'], zone)}, {_lasted(detail)} later."
    )
    lines = [_where(detail, is_known), since, _level(detail), _usual(detail, zone)]
    return f"{detail['level']}: congestion has worsened on {_place(detail)}", lines


def _cleared(detail: Detail, is_known: bool, zone: tzinfo) -> _Text:
    lines = [
        _where(detail, is_known),
        f"From {_span(detail, zone)}.",
        f"At worst {detail['level']}: mean congestion index {_index(detail, 'worst_index')}.",
        f"When cleared: {_index(detail, 'mean_index')}.",
    ]
    return f"Cleared after {_lasted(detail)}: congestion on {_place(detail)}", lines


def _silence_started(detail: Detail, _: bool, zone: tzinfo) -> _Text:
    lines = [
        f"Zone {_shown(detail['zone_id'])}: no reading since {_moment(detail['since_us'], zone)} ({_lasted(detail)}).",
        "Until readings come again, congestion in this zone can neither start nor clear.",
    ]
    return f"No readings from zone {_short(detail['zone_id'])} for {_lasted(detail)}", lines


def _silence_ended(detail: Detail, _: bool, zone: tzinfo) -> _Text:
    lines = [f"Zone {_shown(detail['zone_id'])}: readings come again.", f"Silent from {_span(detail, zone)}."]
    return f"Readings from zone {_short(detail['zone_id'])} again after {_lasted(detail)}", lines


def _anomaly_started(detail: Detail, is_known: bool, zone: tzinfo) -> _Text:
    since = f"Since {_moment(detail['since_us'], zone)} ({_lasted(detail)})."
    title = f"Sensor {_short(detail['sensor_id'])}: {detail['rule_title']}{_value(detail, ' ({})')}"
    return title, [_where(detail, is_known), f"{_capital(_reported(detail))}.", since]


def _anomaly_ended(detail: Detail, is_known: bool, zone: tzinfo) -> _Text:
    title = f"Over after {_lasted(detail)}: sensor {_short(detail['sensor_id'])}, {detail['rule_title']}"
    reported = f"Over: {_reported(detail)}{'' if detail['value'] is None else ' at worst'}."
    return title, [_where(detail, is_known), reported, f"From {_span(detail, zone)}."]


def _where(detail: Detail, is_known: bool) -> str:
    """Return where it is, from the device to the zone, as far as that is known."""
    parts = []
    if detail.get("sensor_id") is not None:
        parts.append(f"sensor {_shown(detail['sensor_id'])}")
    if detail["segment_id"] is not None:
        length = "" if detail["length_km"] is None else f" ({detail['length_km']:.1f} km)"
        parts.append(f"segment {_shown(detail['segment_id'])}{length}")
    if not is_known:
        parts[-1] += " (not in the registry)"
    if detail["corridor_id"] is not None:
        position = "" if detail["position_km"] is None else f" at km {detail['position_km']:.1f}"
        parts.append(f"corridor {_shown(detail['corridor_id'])}{position}")
    if detail["zone_id"] is not None:
        parts.append(f"zone {_shown(detail['zone_id'])}")
    return f"{_capital(', '.join(parts))}."


def _place(detail: Detail) -> str:
    if detail["corridor_id"] is None:
        return f"segment {_short(detail['segment_id'])}"
    position = "" if detail["position_km"] is None else f" km {detail['position_km']:.1f}"
    return f"{_short(detail['corridor_id'])}{position}"


def _level(detail: Detail) -> str:
    return f"{detail['level']}: mean congestion index {_index(detail, 'mean_index')}."


def _index(detail: Detail, name: str) -> str:
    """Return an index and what it means in speed, by the metrics definition turned round."""
    index, free_flow_kmh = detail[name], detail["free_flow_kmh"]
    if free_flow_kmh is None:
        return f"{index:.1f} of 100"
    share = 1 - SPAN * index / 100
    # beyond its ends the index says no more
    about = "at most" if index >= 100 else "at least" if index <= 0 else "about"
    speed = f"{about} {share * free_flow_kmh:.0f} km/h"
    return f"{index:.1f} of 100, {speed}, {100 * share:.0f} % of the free-flow speed of {free_flow_kmh:.0f} km/h"


def _usual(detail: Detail, zone: tzinfo) -> str:
    local = _instant(detail["ts_us"]).astimezone(zone)
    hour = f"a {_DAYS[local.weekday()]} at {local.hour} h"
    if detail["is_usual"] is None:
        return f"Whether this is usual for {hour} is not known."
    return (
        f"{'Usual' if detail['is_usual'] else 'Not usual'} for {hour}: the usual index is {detail['usual_index']:.0f}."
    )


def _reported(detail: Detail) -> str:
    """Return the rule in words, with what was reported and the limit where there is one."""
    rule = anomalies.load().get(detail["rule"])
    limit = ""
    if rule is not None and rule.measure is not None:
        limit = f" ({f'above {rule.above:g}' if rule.above < math.inf else f'below {rule.below:g}'} {detail['unit']})"
    return f"{detail['rule_title']}{limit}{_value(detail, ': {}')}"


def _value(detail: Detail, form: str) -> str:
    if detail["value"] is None:
        return ""
    return form.format(f"{detail['value']:g}" + (f" {detail['unit']}" if detail["unit"] else ""))


def _span(detail: Detail, zone: tzinfo) -> str:
    until = _later_moment(detail["since_us"], detail["ts_us"], zone)
    return f"{_moment(detail['since_us'], zone)} to {until} ({_lasted(detail)})"


def _moment(time_us: int, zone: tzinfo) -> str:
    local = _instant(time_us).astimezone(zone)
    return (
        f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M} {local.tzname()}"
    )


def _later_moment(before_us: int, time_us: int, zone: tzinfo) -> str:
    """Return a moment beside an earlier one: without the date where that is the same."""
    before, local = (_instant(us).astimezone(zone) for us in (before_us, time_us))
    return f"{local:%H:%M} {local.tzname()}" if before.date() == local.date() else _moment(time_us, zone)


def _lasted(detail: Detail) -> str:
    seconds = (detail["ts_us"] - detail["since_us"]) // _SECOND_US
    if seconds < 60:
        return f"{seconds} s"
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    counted = ((days, "d"), (hours, "h"), (minutes if not days else 0, "min"))
    return " ".join(f"{count} {unit}" for count, unit in counted if count)


def _short(name: str) -> str:
    return _cut(_shown(name), _TITLE_ID_LENGTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _shown(name: str) -> str:
    """Return an id for a text: a device can put a line break into its own, and no line of a message is to be forged."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_KINDS: dict[str, tuple[Callable[..., Detail], Callable[[Detail, bool, tzinfo], _Text]]] = {
    machine.STARTED: (_rising_fields, _started),
    machine.ESCALATED: (_rising_fields, _escalated),
    machine.CLEARED: (_congestion_fields, _cleared),
    SILENCE_STARTED: (_no_fields, _silence_started),
    SILENCE_ENDED: (_no_fields, _silence_ended),
    anomalies.STARTED: (_anomaly_fields, _anomaly_started),
    anomalies.ENDED: (_anomaly_fields, _anomaly_ended),
}
