"""The schema in the registry takes the events that the written one takes, and refuses those that it refuses."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from infra.aws.alerts.event_schema import EventSchema, draft_4
from ingestion.alerts import messages
from tests.infra.aws.templates import of_type

WRITTEN = json.loads(Path(messages.__file__).with_name("events.schema.json").read_text())
KINDS = [reference["$ref"].rpartition("/")[2] for reference in WRITTEN["oneOf"]]
SEGMENT = {
    "segment_id": "s", "corridor_id": "c", "zone_id": "z", "free_flow_kmh": 85.0, "position_km": 12.4, "length_km": 0.8,
}  # fmt: skip
CHANGE = {
    "segment_id": "s", "zone_id": "z", "sensor_id": "d", "ts_us": 1_772_640_000_000_000,
    "since_us": 1_772_630_000_000_000, "level": "CRITICAL", "mean_index": 92.0, "worst_index": 95.0,
    "rule": "temperature_high", "value": 78.5,
}  # fmt: skip
WRONG = [None, "", "x", -1, 101, True]


@pytest.fixture(scope="module")
def registered(resources_of, stage):
    resources = resources_of(lambda stack: EventSchema(stack, "Schema", stage=stage))
    (schema,) = (each["Properties"] for each in of_type(resources, "AWS::EventSchemas::Schema"))
    return schema


def event(kind):
    change = CHANGE | {"kind": kind}
    return messages.describe(change, SEGMENT, 35.0, ZoneInfo("Europe/Rome"), "https://dash.example/")


def changed(detail):
    """Yield an event with each of its members left out, or replaced, or another added, or the kind of another."""
    # A validator takes milliseconds: each kind tries another of the values on a member that kinds have in common.
    for number, name in enumerate(detail, start=KINDS.index(detail["kind"])):
        yield {key: value for key, value in detail.items() if key != name}
        yield detail | {name: WRONG[number % len(WRONG)]}
    for name in ("another", "usual_index", "value", "level"):
        yield detail | {name: 50}
    for kind in KINDS:
        yield detail | {"kind": kind}


@pytest.mark.parametrize("kind", KINDS)
def test_both_take_and_refuse_the_same(registered, kind):
    written, draft4 = Draft202012Validator(WRITTEN), Draft4Validator(json.loads(registered["Content"]))
    assert draft4.is_valid(event(kind))
    outcomes = set()
    for each in changed(event(kind)):
        outcomes.add(written.is_valid(each))
        assert draft4.is_valid(each) == written.is_valid(each), each
    assert outcomes == {True, False}


def test_it_is_a_schema_of_the_draft_that_it_says(registered):
    assert registered["Type"] == "JSONSchemaDraft4"
    Draft4Validator.check_schema(json.loads(registered["Content"]))


def test_a_keyword_that_draft_4_does_not_know_is_not_dropped():
    with pytest.raises(ValueError, match="exclusiveMinimum"):
        draft_4({"$defs": {"speed": {"type": "number", "exclusiveMinimum": 0}}})
