"""What a person reads of each change, whole; what a machine reads, by the written schema."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from ingestion.alerts import anomalies, machine, messages
from ingestion.alerts.congestion_index import congestion_index
from ingestion.alerts.messages import describe

SCHEMA = json.loads((Path(messages.__file__).parent / "events.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
DASHBOARD = "https://dash.example/city"
SEGMENT = {
    "segment_id": "I-405-N/12",
    "corridor_id": "I-405-N",
    "zone_id": "west",
    "free_flow_kmh": 85.0,
    "position_km": 12.4,
    "length_km": 0.8,
}


def us(text):
    """Return microseconds since 1970 of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


# 08:10 and 09:35 in Los Angeles
SINCE_US, TS_US = us("2026-03-02T16:10:00"), us("2026-03-02T17:35:00")


def change(kind, **fields):
    empty = {
        **{"segment_id": None, "zone_id": "west", "sensor_id": None, "ts_us": TS_US, "since_us": SINCE_US},
        **{"level": None, "mean_index": None, "worst_index": None, "rule": None, "value": None},
    }
    return {"kind": kind, **empty, **fields}


def congestion(kind, **fields):
    known = {"segment_id": "I-405-N/12", "level": "CRITICAL", "mean_index": 92.0, "worst_index": 92.0}
    return change(kind, **(known | fields))


def anomaly(kind, rule="temperature_high", value=78.5, **fields):
    return change(kind, **({"segment_id": "I-405-N/12", "sensor_id": "d17", "rule": rule, "value": value} | fields))


STARTED = congestion(machine.STARTED, ts_us=SINCE_US)
ESCALATED = congestion(machine.ESCALATED)
CLEARED = congestion(machine.CLEARED, mean_index=40.0, worst_index=97.5)
SILENT = change(messages.SILENCE_STARTED, ts_us=SINCE_US + 300_000_000)
HEARD = change(messages.SILENCE_ENDED)
HOT = anomaly(anomalies.STARTED)
COOL = anomaly(anomalies.ENDED)


def described(change, segment=SEGMENT, usual_index=35.0, time_zone=LOS_ANGELES, dashboard_url=DASHBOARD):
    """Return the detail, valid by the schema and as it comes out of JSON."""
    detail = json.loads(json.dumps(describe(change, segment, usual_index, time_zone, dashboard_url)))
    VALIDATOR.validate(detail)
    return detail


def text(*args, **kwargs):
    detail = described(*args, **kwargs)
    return [detail["title"], *detail["message"].split("\n")]


def test_congestion_started():
    assert text(STARTED) == [
        "CRITICAL: congestion on I-405-N km 12.4",
        "Segment I-405-N/12 (0.8 km), corridor I-405-N at km 12.4, zone west.",
        "Since Monday 2 March 2026, 08:10 PST.",
        "CRITICAL: mean congestion index 92.0 of 100, about 22 km/h, 26 % of the free-flow speed of 85 km/h.",
        "Not usual for a Monday at 8 h: the usual index is 35.",
        "Dashboard: https://dash.example/city?segment_id=I-405-N%2F12",
    ]


def test_congestion_escalated():
    assert text(ESCALATED, usual_index=88.4) == [
        "CRITICAL: congestion has worsened on I-405-N km 12.4",
        "Segment I-405-N/12 (0.8 km), corridor I-405-N at km 12.4, zone west.",
        "Since Monday 2 March 2026, 08:10 PST; CRITICAL since 09:35 PST, 1 h 25 min later.",
        "CRITICAL: mean congestion index 92.0 of 100, about 22 km/h, 26 % of the free-flow speed of 85 km/h.",
        "Usual for a Monday at 9 h: the usual index is 88.",
        "Dashboard: https://dash.example/city?segment_id=I-405-N%2F12",
    ]


def test_congestion_cleared():
    assert text(CLEARED) == [
        "Cleared after 1 h 25 min: congestion on I-405-N km 12.4",
        "Segment I-405-N/12 (0.8 km), corridor I-405-N at km 12.4, zone west.",
        "From Monday 2 March 2026, 08:10 PST to 09:35 PST (1 h 25 min).",
        "At worst CRITICAL: mean congestion index 97.5 of 100, about 19 km/h, 22 % of the free-flow speed of 85 km/h.",
        "When cleared: 40.0 of 100, about 58 km/h, 68 % of the free-flow speed of 85 km/h.",
        "Dashboard: https://dash.example/city?segment_id=I-405-N%2F12",
    ]


def test_feed_silence_started():
    assert text(SILENT, None) == [
        "No readings from zone west for 5 min",
        "Zone west: no reading since Monday 2 March 2026, 08:10 PST (5 min).",
        "Until readings come again, congestion in this zone can neither start nor clear.",
        "Dashboard: https://dash.example/city?zone_id=west",
    ]


def test_feed_silence_ended():
    assert text(HEARD, None) == [
        "Readings from zone west again after 1 h 25 min",
        "Zone west: readings come again.",
        "Silent from Monday 2 March 2026, 08:10 PST to 09:35 PST (1 h 25 min).",
        "Dashboard: https://dash.example/city?zone_id=west",
    ]


def test_device_anomaly_started():
    assert text(HOT) == [
        "Sensor d17: temperature too high (78.5 °C)",
        "Sensor d17, segment I-405-N/12 (0.8 km), corridor I-405-N at km 12.4, zone west.",
        "Temperature too high (above 74 °C): 78.5 °C.",
        "Since Monday 2 March 2026, 08:10 PST (1 h 25 min).",
        "Dashboard: https://dash.example/city?segment_id=I-405-N%2F12",
    ]


def test_device_anomaly_ended():
    assert text(COOL) == [
        "Over after 1 h 25 min: sensor d17, temperature too high",
        "Sensor d17, segment I-405-N/12 (0.8 km), corridor I-405-N at km 12.4, zone west.",
        "Over: temperature too high (above 74 °C): 78.5 °C at worst.",
        "From Monday 2 March 2026, 08:10 PST to 09:35 PST (1 h 25 min).",
        "Dashboard: https://dash.example/city?segment_id=I-405-N%2F12",
    ]


@pytest.mark.parametrize(
    ("rule", "value", "title", "line"),
    [
        ("battery_low", 7.0, "Sensor d17: battery low (7 %)", "Battery low (below 20 %): 7 %."),
        ("values_stuck", None, "Sensor d17: same values repeated", "Same values repeated."),
        (
            "status_not_ok",
            None,
            "Sensor d17: device says that it is not well",
            "Device says that it is not well.",
        ),
        # taken out of the file since
        ("door_open", 3.0, "Sensor d17: door open (3)", "Door open: 3."),
    ],
)
def test_each_rule_is_told_in_words_and_with_its_unit(rule, value, title, line):
    told = text(anomaly(anomalies.STARTED, rule, value))
    assert (told[0], told[2]) == (title, line)
    ended = text(anomaly(anomalies.ENDED, rule, value))[0]
    assert ended == f"Over after 1 h 25 min: sensor d17, {title.removeprefix('Sensor d17: ').split(' (')[0]}"


# --- where


def test_a_segment_that_the_registry_does_not_know_has_its_id_and_no_speed():
    assert text(STARTED, None)[:4] == [
        "CRITICAL: congestion on segment I-405-N/12",
        "Segment I-405-N/12 (not in the registry), zone west.",
        "Since Monday 2 March 2026, 08:10 PST.",
        "CRITICAL: mean congestion index 92.0 of 100.",
    ]
    nowhere = anomaly(anomalies.STARTED, segment_id=None, zone_id=None)
    assert text(nowhere, None)[1] == "Sensor d17 (not in the registry)."
    assert text(nowhere, None)[-1] == "Dashboard: https://dash.example/city?sensor_id=d17"


def test_what_the_registry_leaves_open_is_left_out():
    bare = dict.fromkeys(SEGMENT) | {"segment_id": "I-405-N/12"}
    assert text(congestion(machine.STARTED, zone_id=None), bare)[:2] == [
        "CRITICAL: congestion on segment I-405-N/12",
        "Segment I-405-N/12.",
    ]
    assert text(STARTED, bare | {"corridor_id": "I-405-N"})[0] == "CRITICAL: congestion on I-405-N"


def test_a_zone_that_the_change_does_not_know_is_that_of_the_segment():
    assert described(congestion(machine.STARTED, zone_id=None))["zone_id"] == "west"


def test_very_long_ids_fit_a_title_and_are_whole_in_the_message():
    long = "s" * 128
    detail = described(anomaly(anomalies.ENDED, sensor_id=long, since_us=us("2024-11-02T08:15:00")))
    assert detail["title"] == f"Over after 485 d 9 h: sensor {'s' * 31}…, temperature too high"
    assert detail["message"].startswith(f"Sensor {long}, segment")
    segment = SEGMENT | {"corridor_id": "c" * 500, "position_km": 12345.67}
    assert described(ESCALATED, segment)["title"] == f"CRITICAL: congestion has worsened on {'c' * 31}… km 12345.7"
    # a title of a rule may be long as well
    unknown = described(anomaly(anomalies.STARTED, rule="r" * 200))
    assert (len(unknown["title"]), unknown["title"][-1]) == (100, "…")


def test_an_id_cannot_forge_a_line_or_a_link():
    forged = "d1\nDashboard: https://evil.example\u2028&x=1"
    detail = described(anomaly(anomalies.STARTED, sensor_id=forged, segment_id=None), None)
    assert detail["message"].split("\n")[0].startswith("Sensor d1�Dashboard: https://evil.example�&x=1 (not in")
    assert "\n" not in detail["title"]
    link = "https://dash.example/city?sensor_id=d1%0ADashboard%3A%20https%3A%2F%2Fevil.example%E2%80%A8%26x%3D1"
    assert detail["dashboard_url"] == link
    assert detail["sensor_id"] == forged


def test_a_dashboard_with_a_query_keeps_it_and_none_gives_no_link():
    assert described(STARTED, dashboard_url="https://dash.example/?org=1")["dashboard_url"] == (
        "https://dash.example/?org=1&segment_id=I-405-N%2F12"
    )
    assert described(STARTED, dashboard_url="")["dashboard_url"] is None
    assert "Dashboard" not in described(STARTED, dashboard_url="")["message"]


# --- how bad


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (100, "at most 20 km/h, 20 % of"),
        (90, "about 28 km/h, 28 % of"),
        (80, "about 36 km/h, 36 % of"),
        (0, "at least 100 km/h, 100 % of"),
    ],
)
def test_an_index_is_told_as_the_speed_that_it_was_made_of(index, words):
    cleared = text(congestion(machine.CLEARED, mean_index=index), SEGMENT | {"free_flow_kmh": 100.0})
    assert cleared[4] == f"When cleared: {index:.1f} of 100, {words} the free-flow speed of 100 km/h."
    speed = float(words.split(" km/h")[0].split()[-1])
    made = congestion_index(
        speed_kmh=speed, vehicle_count=None, quality_flags=(), free_flow_kmh=100.0, capacity_veh=None
    )
    assert made == pytest.approx(index)


@pytest.mark.parametrize(
    ("usual_index", "is_usual", "line"),
    [
        (None, None, "Whether this is usual for a Monday at 8 h is not known."),
        (71.9, False, "Not usual for a Monday at 8 h: the usual index is 72."),
        (72, True, "Usual for a Monday at 8 h: the usual index is 72."),
        (Decimal(95), True, "Usual for a Monday at 8 h: the usual index is 95."),
    ],
)
def test_usual_is_within_twenty_points_of_the_usual_index(usual_index, is_usual, line):
    detail = described(STARTED, usual_index=usual_index)
    assert detail["is_usual"] is is_usual
    assert detail["message"].split("\n")[3] == line


# --- when


def test_a_night_with_a_change_of_the_clock_lasts_as_long_as_it_did():
    # the clock goes from 01:59 PST to 03:00 PDT
    spring = {"since_us": us("2026-03-08T09:30:00"), "ts_us": us("2026-03-08T10:30:00")}
    assert text(CLEARED | spring)[2] == "From Sunday 8 March 2026, 01:30 PST to 03:30 PDT (1 h)."
    # and from 01:59 PDT to 01:00 PST
    autumn = {"since_us": us("2026-11-01T08:30:00"), "ts_us": us("2026-11-01T09:30:00")}
    assert text(CLEARED | autumn)[2] == "From Sunday 1 November 2026, 01:30 PDT to 01:30 PST (1 h)."
    assert text(ESCALATED | autumn)[2] == (
        "Since Sunday 1 November 2026, 01:30 PDT; CRITICAL since 01:30 PST, 1 h later."
    )


def test_the_hour_and_the_weekday_are_those_of_the_city():
    # Tuesday 23:40 in Los Angeles is Wednesday elsewhere
    late = STARTED | {"ts_us": us("2026-03-04T07:40:00"), "since_us": us("2026-03-04T07:40:00")}
    assert text(late)[2] == "Since Tuesday 3 March 2026, 23:40 PST."
    assert text(late)[4].startswith("Not usual for a Tuesday at 23 h")
    assert text(late, time_zone=ZoneInfo("Europe/Berlin"))[2] == "Since Wednesday 4 March 2026, 08:40 CET."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86399, "23 h 59 min"),
        (86400 + 3540, "1 d"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_in_words(seconds, words):
    assert text(CLEARED | {"ts_us": SINCE_US + seconds * 1_000_000})[0].startswith(f"Cleared after {words}: ")


def test_an_end_on_another_day_has_its_date():
    ended = COOL | {"ts_us": TS_US + 86_400_000_000}
    assert text(ended)[3] == "From Monday 2 March 2026, 08:10 PST to Tuesday 3 March 2026, 09:35 PST (1 d 1 h)."


# --- for a machine


def test_a_detail_for_a_machine():
    detail = described(STARTED | {"ts_us": SINCE_US + 1, "mean_index": Decimal("92.123456")}, usual_index=None)
    assert {name: value for name, value in detail.items() if name not in ("title", "message")} == {
        "version": "1",
        "kind": "CongestionStarted",
        "event_id": f"CongestionStarted/I-405-N%2F12/{SINCE_US + 1}",
        "ts": "2026-03-02T16:10:00.000001Z",
        "ts_us": SINCE_US + 1,
        "since": "2026-03-02T16:10:00Z",
        "since_us": SINCE_US,
        "zone_id": "west",
        "segment_id": "I-405-N/12",
        "corridor_id": "I-405-N",
        "position_km": 12.4,
        "length_km": 0.8,
        "free_flow_kmh": 85.0,
        "level": "CRITICAL",
        "mean_index": 92.123456,
        "worst_index": 92.0,
        "usual_index": None,
        "is_usual": None,
        "dashboard_url": "https://dash.example/city?segment_id=I-405-N%2F12",
    }
    hot = described(HOT)
    assert [hot[name] for name in ("sensor_id", "rule", "rule_title", "value", "unit")] == [
        *("d17", "temperature_high", "temperature too high", 78.5, "°C")
    ]
    assert hot["event_id"] == f"DeviceAnomalyStarted/d17/temperature_high/{TS_US}"


ALL = [STARTED, ESCALATED, CLEARED, SILENT, HEARD, HOT, COOL]


def test_the_same_change_has_the_same_id_and_another_has_another():
    others = [
        one | {"ts_us": TS_US + 7} | ({"sensor_id": "d/1"} if one["sensor_id"] else {"segment_id": "d/1"})
        for one in ALL
        if one["segment_id"]
    ]
    others += [HOT | {"rule": "temperature_low"}, HOT | {"sensor_id": "d%2F1"}, SILENT | {"zone_id": "east"}]
    ids = [described(one)["event_id"] for one in [*ALL, *others]]
    assert len(set(ids)) == len(ids)
    assert [described(one, None, None)["event_id"] for one in [*ALL, *others]] == ids


def test_the_schema_is_one_and_names_each_kind():
    Draft202012Validator.check_schema(SCHEMA)
    assert [place["$ref"].split("/")[-1] for place in SCHEMA["oneOf"]] == [one["kind"] for one in ALL]


@pytest.mark.parametrize("kind", [one["kind"] for one in ALL])
def test_the_schema_refuses_what_is_missing_too_much_or_of_another_kind(kind):
    detail = described(next(one for one in ALL if one["kind"] == kind))
    for name in detail:
        with pytest.raises(ValidationError):
            VALIDATOR.validate({key: value for key, value in detail.items() if key != name})
    for wrong in ({"more": 1}, {"kind": "Congestion"}, {"version": "2"}, {"ts": "2026-03-02 16:10"}, {"title": ""}):
        with pytest.raises(ValidationError):
            VALIDATOR.validate(detail | wrong)


def test_another_kind_is_refused():
    with pytest.raises(KeyError, match="Congestion"):
        describe(STARTED | {"kind": "Congestion"}, SEGMENT, None, LOS_ANGELES, DASHBOARD)


IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
INDICES = st.floats(0, 100)
SEGMENTS = st.fixed_dictionaries(
    {
        **{"segment_id": IDS, "corridor_id": st.none() | IDS, "zone_id": st.none() | IDS},
        **dict.fromkeys(("free_flow_kmh", "position_km", "length_km"), st.none() | st.floats(0.1, 1e4)),
    }
)
DRAWN = {
    **{"segment_id": IDS, "zone_id": IDS, "sensor_id": IDS},
    **{"mean_index": INDICES, "worst_index": INDICES, "value": st.floats(-1e12, 1e12)},
}


@st.composite
def changes(draw):
    """Draw a change of any kind, with any ids and figures where that kind has them."""
    one = draw(st.sampled_from(ALL))
    since_us = draw(st.integers(us("2000-01-01"), us("2100-01-01")))
    drawn = {name: draw(values) for name, values in DRAWN.items() if one[name] is not None}
    return one | drawn | {"since_us": since_us, "ts_us": since_us + draw(st.integers(0, 10**14))}


@settings(max_examples=150)
@given(one=changes(), segment=st.none() | SEGMENTS, usual_index=st.none() | INDICES)
def test_any_change_gives_a_valid_detail_of_few_lines(one, segment, usual_index):
    detail = described(one, segment, usual_index)
    assert detail["title"].isprintable()
    assert 3 <= len(detail["message"].splitlines()) <= 5
    lasted = datetime.fromisoformat(detail["ts"]) - datetime.fromisoformat(detail["since"])
    assert lasted == timedelta(microseconds=one["ts_us"] - one["since_us"])
