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


def resolved(value: Any, references: dict[str, str]) -> Any:
    """Return part of a template with references replaced, by parameter (AWS::AccountId) or attribute (Arn)."""
    if isinstance(value, list):
        return [resolved(each, references) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": name}:
            return references[name]
        case {"Fn::GetAtt": [_, attribute]}:
            return references[attribute]
        case {"Fn::Join": [between, parts]}:
            return between.join(resolved(parts, references))
    return {name: resolved(each, references) for name, each in value.items()}


def allowed(resources: Resources, role: str) -> dict[str, set[str]]:
    """Return what the role whose logical ID begins so may do: resources by action."""
    found: dict[str, set[str]] = {}
    for policy in of_type(resources, "AWS::IAM::Policy"):
        if not all(flat(each).removeprefix("<").startswith(role) for each in policy["Properties"]["Roles"]):
            continue
        for statement in statements(policy["Properties"]["PolicyDocument"]):
            assert statement["Effect"] == "Allow"
            for action in statement["Action"]:
                found.setdefault(action, set()).update(statement["Resource"])
    return found


def named(resources: Resources, granted: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return what is allowed with the names that we gave to resources in place of their logical IDs."""
    names = {f"<{key}.Arn>": name for key, resource in resources.items() if (name := _name(resource))}
    for alias in of_type(resources, "AWS::KMS::Alias"):
        names[flat(alias["Properties"]["TargetKeyId"])] = alias["Properties"]["AliasName"]

    def by_name(text: str) -> str:
        for reference, name in names.items():
            text = text.replace(reference, name)
        return text

    return {action: set(map(by_name, found)) for action, found in granted.items()}


def _name(resource: dict[str, Any]) -> str | None:
    properties = resource.get("Properties", {})
    kinds = ("Name", "TableName", "QueueName", "FunctionName", "BucketName")
    return next((properties[kind] for kind in kinds if isinstance(properties.get(kind), str)), None)
