"""Reading templates: resources by type and name, and what a role may do."""

from collections.abc import Iterator
from typing import Any

Resources = dict[str, dict[str, Any]]


def of_type(resources: Resources, kind: str) -> list[dict[str, Any]]:
    """Return the resources of a type such as AWS::S3::Bucket."""
    return [resource for resource in resources.values() if resource["Type"] == kind]


def properties(resources: Resources, kind: str, **wanted: str) -> dict[str, Any]:
    """Return the properties of the one resource of a type that has these, such as BucketName="…"."""
    all_of_type = (resource["Properties"] for resource in of_type(resources, kind))
    (found,) = (each for each in all_of_type if wanted.items() <= each.items())
    return found


def flat(value: Any) -> str:
    """Return a template's text with its references in angle brackets, such as <AWS::AccountId>."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return argument[0].join(map(flat, argument[1]))
    if function == "Fn::GetAtt":
        return f"<{'.'.join(argument)}>"
    return f"<{flat(argument)}>"


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a policy's statements with actions and resources as lists of text."""
    for statement in document["Statement"]:
        listed = {
            name: [flat(each) for each in (value if isinstance(value, list) else [value])]
            for name, value in statement.items()
            if name in ("Action", "Resource")
        }
        yield statement | listed
