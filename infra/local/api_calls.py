"""What a signed AWS request asks for: who calls which operation on what.

Of a call's parameters only those are read that name resources: what is written, or asked for, stays unread.
"""

import html
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import botocore.session
import jmespath

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
# Where a REST service's name in botocore is not the one that its calls are signed for.
_MODELS = {"iotdata": "iot-data"}
# By the name that calls are signed for, of a request's members those that name resources; of other services none.
_NAMES = {
    "athena": "{WorkGroup: WorkGroup}",
    "dynamodb": """{
        TableName: TableName, IndexName: IndexName, Tables: keys(RequestItems || `{}`),
        Puts: TransactItems[].Put.TableName, Updates: TransactItems[].Update.TableName,
        Deletes: TransactItems[].Delete.TableName, Checks: TransactItems[].ConditionCheck.TableName,
        Gets: TransactItems[].Get.TableName
    }""",
    "events": "{Buses: Entries[].EventBusName}",
    "glue": """{
        DatabaseName: DatabaseName || DatabaseInput.Name, TableName: TableName || TableInput.Name, Name: Name
    }""",
    "kinesis": "{StreamName: StreamName, StreamARN: StreamARN}",
    "lambda": "{FunctionName: FunctionName}",
    "monitoring": "{Namespace: Namespace}",
    "s3": "{Bucket: Bucket, Key: Key, Prefix: Prefix, CopySource: CopySource, Keys: Keys}",
    "sqs": "{QueueUrl: QueueUrl, QueueName: QueueName}",
}


class Request(NamedTuple):
    """An HTTP request: its path and query as they were sent, its headers by lower-case name."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Call(NamedTuple):
    """An API call; `service` is the name that it is signed for, `names` what names resources, by member."""

    principal: str
    service: str
    operation: str
    names: dict[str, Any]


def read_call(request: Request) -> Call | None:
    """Return the call that a request makes; None for a request that nobody signed.

    An operation that the service's model does not have is called by its method and path.
    """
    credential = request.headers.get("authorization", "")
    if presigned := parse_qs(request.query).get("X-Amz-Credential"):
        credential = f"Credential={presigned[0]}"
    signed = _CREDENTIAL.search(credential)
    if signed is None:
        return None
    principal, service = signed.groups()
    operation, members = _operation(service, request)
    found = jmespath.search(_NAMES[service], members) if service in _NAMES else {}
    return Call(principal, service, operation, {name: _once(value) for name, value in found.items() if value})


def _once(value: str | list[str]) -> str | list[str]:
    return sorted(set(value)) if isinstance(value, list) else value


def _operation(service: str, request: Request) -> tuple[str, dict[str, Any]]:
    """Return the name of the operation that is asked for, and the members of its input."""
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2], json.loads(request.body or b"{}")
    if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if "Action" in form:
            return form["Action"], form
    query = {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}
    for route in _routes(_MODELS.get(service, service)):
        if (labels := route.labels_of(request, query)) is not None:
            return route.operation, labels | _named_elsewhere(request, query, route.operation)
    return f"{request.method} {request.path}", {}


def _named_elsewhere(request: Request, query: Mapping[str, str], operation: str) -> dict[str, Any]:
    """Return what S3 is told of objects by other ways than the path."""
    named: dict[str, Any] = {"Prefix": query["prefix"]} if "prefix" in query else {}
    if source := request.headers.get("x-amz-copy-source"):
        named["CopySource"] = unquote(source)
    if operation == "DeleteObjects":
        named["Keys"] = [html.unescape(key) for key in re.findall(r"<Key>([^<]+)</Key>", request.body.decode())]
    return named


class _Route(NamedTuple):
    """How a request for an operation of a REST service looks; the service's model says it."""

    operation: str
    method: str
    path: re.Pattern[str]
    path_text: int
    query: dict[str, str]
    in_query: list[str]
    in_headers: list[str]

    @property
    def demands(self) -> tuple[int, int]:
        """How much the operation asks of a request: of those that fit, the one that asks most is meant."""
        return len(self.query) + len(self.in_query) + len(self.in_headers), self.path_text

    def labels_of(self, request: Request, query: Mapping[str, str]) -> dict[str, str] | None:
        """Return what the labels of the path stand for, or None for a request that does not fit."""
        found = self.path.fullmatch(request.path) if request.method == self.method else None
        fits = (
            found
            and self.query.items() <= query.items()
            and all(name in query for name in self.in_query)
            and all(name in request.headers for name in self.in_headers)
        )
        return {name: unquote(value) for name, value in found.groupdict().items()} if fits else None


@cache
def _routes(service: str) -> list[_Route]:
    model = botocore.session.get_session().get_service_model(service)
    routes = (_route(model.operation_model(name)) for name in model.operation_names)
    return sorted(routes, key=lambda route: route.demands, reverse=True)


def _route(operation: Any) -> _Route:  # noqa: ANN401 — botocore's models have no types
    path, _, query = operation.http["requestUri"].partition("?")
    shape = operation.input_shape
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    names = {
        place: [each["name"] for each in required if each.get("location") == place]
        for place in ("querystring", "header")
    }
    return _Route(
        operation.name,
        operation.http["method"],
        re.compile(re.sub(r"\\{(\w+)(\\\+)?\\}", _label, re.escape(path.rstrip("/"))) + "/?"),
        len(re.sub(r"\{[^}]+\}", "", path)),
        {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()},
        names["querystring"],
        [name.lower() for name in names["header"]],
    )


def _label(label: re.Match[str]) -> str:
    # One that ends in `+` takes slashes; in the others they are escaped.
    return f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})"
