"""What the IoT control plane says of a client certificate: whose it is, and what its policies allow."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from botocore.exceptions import ClientError

_VARIABLE = re.compile(r"\$\{([^{}]+)\}")
PAGE = 250


@dataclass(frozen=True)
class Device:
    """A certificate that is active. `thing` is the one thing that it is attached to, if it is exactly one."""

    certificate_id: str
    arn_prefix: str
    thing: str | None
    policies: tuple[str, ...]

    def allows(self, client_id: str, action: str, resource: str) -> bool:
        """Say whether its policies allow an action such as iot:Publish on a resource such as topic/a/b."""
        variables = {"iot:ClientId": client_id, "iot:Connection.Thing.IsAttached": "true" if self.thing else "false"}
        if self.thing:
            variables["iot:Connection.Thing.ThingName"] = self.thing
        return _allows(self.policies, tuple(variables.items()), action, self.arn_prefix + resource)


def look_up(iot: Any, certificate_id: str) -> Device | None:  # noqa: ANN401 — boto3 clients have no type
    """Return the device of a certificate by its ID (SHA-256 of its DER bytes), or None where it is not active."""
    try:
        certificate = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    if certificate["status"] != "ACTIVE":
        return None
    arn = certificate["certificateArn"]
    things = iot.list_principal_things(principal=arn, maxResults=2)["things"]
    names = [policy["policyName"] for policy in iot.list_attached_policies(target=arn)["policies"]]
    policies = tuple(iot.get_policy(policyName=name)["policyDocument"] for name in names)
    return Device(certificate_id, arn.rsplit(":", 1)[0] + ":", things[0] if len(things) == 1 else None, policies)


def active_certificates(iot: Any) -> set[str]:  # noqa: ANN401 — boto3 clients have no type
    """Return the IDs of all certificates that are active."""
    pages = iot.get_paginator("list_certificates").paginate(PaginationConfig={"PageSize": PAGE})
    found = (certificate for page in pages for certificate in page["certificates"])
    return {certificate["certificateId"] for certificate in found if certificate["status"] == "ACTIVE"}


@lru_cache(maxsize=65536)
def _allows(policies: tuple[str, ...], variables: tuple[tuple[str, str], ...], action: str, resource: str) -> bool:
    effects = {
        statement["Effect"]
        for document in policies
        for statement in _listed(orjson.loads(document)["Statement"])
        if _applies(statement, dict(variables), action, resource)
    }
    return effects == {"Allow"}


def _applies(statement: dict[str, Any], variables: dict[str, str], action: str, resource: str) -> bool:
    """Say whether a statement is about this call; one that cannot be judged allows nothing and denies everything."""
    if statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}:
        return statement["Effect"] == "Deny"
    actions = any(_matches(pattern, {}, action) for pattern in _listed(statement["Action"]))
    resources = any(_matches(pattern, variables, resource) for pattern in _listed(statement["Resource"]))
    return actions and resources and _holds(statement, variables)


def _holds(statement: dict[str, Any], variables: dict[str, str]) -> bool:
    conditions = statement.get("Condition", {})
    if conditions.keys() - {"Bool"}:
        return statement["Effect"] == "Deny"
    return all(
        variables.get(name) in {str(value).lower() for value in _listed(values)}
        for name, values in conditions.get("Bool", {}).items()
    )


def _matches(pattern: str, variables: dict[str, str], text: str) -> bool:
    """Match `*` and `?`; the value of a variable stands for itself, and one without value matches nothing."""
    parts = _VARIABLE.split(pattern)
    if any(name not in variables for name in parts[1::2]):
        return False
    expressions = [
        re.escape(variables[part]) if place % 2 else re.escape(part).replace(r"\*", ".*").replace(r"\?", ".")
        for place, part in enumerate(parts)
    ]
    return re.fullmatch("".join(expressions), text, re.DOTALL) is not None


def _listed(value: Any) -> Iterable[Any]:  # noqa: ANN401 — what policies hold in place of a list
    return value if isinstance(value, list) else [value]
