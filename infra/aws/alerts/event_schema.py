"""The schema of the alerts in EventBridge's registry, where who receives them looks it up."""

import json
from pathlib import Path
from typing import Any

from aws_cdk import aws_eventschemas as eventschemas
from constructs import Construct

from infra.aws.stages import Stage
from ingestion.alerts import messages

Schema = dict[str, Any]

# The registry takes no later draft of JSON Schema, apart from OpenAPI ("AWS::EventSchemas::Schema").
DRAFT_4 = "http://json-schema.org/draft-04/schema#"
_UNCHANGED = {
    *("title", "description", "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    "required",
}
_OF_OBJECTS = {"allOf", "properties", "required", "type", "unevaluatedProperties"}


class EventSchema(Construct):
    """The registry, named like the bus, and the one schema in it."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Put `events.schema.json` into a registry."""
        super().__init__(scope, construct_id)
        registry = eventschemas.CfnRegistry(self, "Registry", registry_name=stage.city.alert_bus)
        written = json.loads(Path(messages.__file__).with_name("events.schema.json").read_text())
        eventschemas.CfnSchema(
            self,
            "Detail",
            registry_name=registry.attr_registry_name,
            schema_name=f"{messages.SOURCE}@detail",
            type="JSONSchemaDraft4",
            description=written["title"],
            content=json.dumps(draft_4(written)),
        )


def draft_4(schema: Schema) -> Schema:
    """Return a schema of draft 2020-12 as one of draft 4 that takes the same documents.

    An object with `unevaluatedProperties: false` must get each of its properties from `properties` and `allOf`. Draft 4
    knows no integer that is written as a fraction (1.0). Raises ValueError for a keyword that is not translated.
    """
    definitions = {name: _translated(each, schema) for name, each in schema["$defs"].items()}
    rest = {key: value for key, value in schema.items() if key not in ("$schema", "$defs")}
    return {"$schema": DRAFT_4, **_translated(rest, schema), "definitions": definitions}


def _translated(part: Schema, whole: Schema) -> Schema:
    if "unevaluatedProperties" in part:
        return _closed(part, whole)
    found: Schema = {}
    for keyword, value in part.items():
        match keyword:
            case "const":
                found["enum"] = [value]
            case "$ref":
                # Draft 4 does not look at what stands beside a reference.
                found.setdefault("allOf", []).append({"$ref": value.replace("#/$defs/", "#/definitions/")})
            case "properties":
                found[keyword] = {name: _translated(each, whole) for name, each in value.items()}
            case "allOf" | "anyOf" | "oneOf":
                found.setdefault(keyword, []).extend(_translated(each, whole) for each in value)
            case _ if keyword in _UNCHANGED:
                found[keyword] = value
            case _:
                raise ValueError(f"{keyword} is not translated to draft 4")
    return found


def _closed(part: Schema, whole: Schema) -> Schema:
    """Return an object that has no properties but its own: draft 4 must see all of them in one place."""
    if unknown := part.keys() - _OF_OBJECTS - {"description"}:
        raise ValueError(f"{sorted(unknown)} beside unevaluatedProperties: not translated to draft 4")
    names = [name for each in _with_references(part, whole) for name in each.get("properties", {})]
    opened = {key: value for key, value in part.items() if key != "unevaluatedProperties"}
    translated = _translated(opened, whole)
    own = {name: {} for name in names} | translated.get("properties", {})
    return translated | {"properties": own, "additionalProperties": False}


def _with_references(part: Schema, whole: Schema) -> list[Schema]:
    """Return a schema and all that it is made of by `allOf` and references."""
    more = [*part.get("allOf", ())]
    if "$ref" in part:
        more.append(whole["$defs"][part["$ref"].removeprefix("#/$defs/")])
    return [part, *(each for other in more for each in _with_references(other, whole))]
