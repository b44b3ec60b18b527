"""CloudFormation for what the base's does not make: a resource is made by the API of its service, as any caller does.

The base's CloudFormation writes into the memory of its own services. Mappings and pipes of ours would not learn of it,
and it refuses archives, connections and API destinations. Templates and API share the names of properties, so a type
is told by its operations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.local.base import Handler, Response

GONE = ("NotFoundException", "ResourceNotFoundException")

Properties = dict[str, Any]
# What the template may refer to: the value of Ref, and the attributes of GetAtt.
Made = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class Kind:
    """How a type is made: `create_<noun>` and so on of a service.

    `named` is the member that tells one from another, `attributes` the members of an answer by the names that templates
    have for them, `renamed` the members of a request by those of properties.
    """

    service: str
    noun: str
    named: str
    attributes: dict[str, str]
    renamed: dict[str, str] = field(default_factory=dict)


KINDS = {
    "AWS::Lambda::EventSourceMapping": Kind("lambda", "event_source_mapping", "UUID", {"Id": "UUID"}),
    "AWS::Pipes::Pipe": Kind("pipes", "pipe", "Name", {"Arn": "Arn"}),
    "AWS::Events::Archive": Kind(
        "events", "archive", "ArchiveName", {"Arn": "ArchiveArn"}, {"SourceArn": "EventSourceArn"}
    ),
    "AWS::Events::Connection": Kind("events", "connection", "Name", {"Arn": "ConnectionArn", "SecretArn": "SecretArn"}),
    "AWS::Events::ApiDestination": Kind("events", "api_destination", "Name", {"Arn": "ApiDestinationArn"}),
}


def provisioners() -> dict[str, dict[str, Callable[..., Any]]]:
    """Return what CloudFormation is to call, by type: create, update and delete, as the base calls its own."""
    return {
        name: {"create": partial(_create, kind), "update": partial(_update, kind), "delete": partial(_delete, kind)}
        for name, kind in KINDS.items()
    }


def handler(base_handler: Handler, add_provisioners: Callable[[], None]) -> Handler:
    """Return the handler of CloudFormation that calls `add_provisioners` before its first call.

    Importing CloudFormation imports all services of the base, which takes seconds; most homes never need it.
    """
    added = False

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        nonlocal added
        if not added:
            add_provisioners()
            added = True
        return await base_handler(method, path, headers, body, query_params)

    return handle


def _create(kind: Kind, _logical_id: str, properties: Properties, _stack: str) -> Made:
    request = _request(kind, properties)
    answer = _operation(kind, "create")(**request)
    return _made(kind, request | answer)


def _update(kind: Kind, physical_id: str, _old: Properties, properties: Properties, _stack: str) -> Made:
    """Update what the API can update; the base replaces a resource that has another name, or refuses that."""
    request = _request(kind, properties) | {kind.named: physical_id}
    client = boto3.client(kind.service)
    operation = client.meta.method_to_api_mapping[f"update_{kind.noun}"]
    members = client.meta.service_model.operation_model(operation).input_shape.members
    answer = _operation(kind, "update")(**{name: value for name, value in request.items() if name in members})
    return _made(kind, request | answer)


def _delete(kind: Kind, physical_id: str, _properties: Properties) -> None:
    try:
        _operation(kind, "delete")(**{kind.named: physical_id})
    except ClientError as error:
        # Somebody else may have deleted it; CloudFormation then goes on.
        if error.response["Error"]["Code"] not in GONE:
            raise


def _operation(kind: Kind, verb: str) -> Callable[..., dict[str, Any]]:
    return getattr(boto3.client(kind.service), f"{verb}_{kind.noun}")


def _request(kind: Kind, properties: Properties) -> dict[str, Any]:
    request = {kind.renamed.get(name, name): value for name, value in properties.items()}
    # Templates list tags for some types; these APIs have them by key.
    if isinstance(request.get("Tags"), list):
        request["Tags"] = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    return request


def _made(kind: Kind, known: dict[str, Any]) -> Made:
    return known[kind.named], {name: known[member] for name, member in kind.attributes.items() if member in known}
