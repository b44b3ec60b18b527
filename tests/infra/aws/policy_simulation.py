"""What recorded calls would have met on AWS: the role of who called, and what it allows."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ministack.core.iam_evaluator import EvalContext, evaluate, fnmatch_iam, fnmatch_iam_cs, parse_policy_document

from infra.home.environment import LOCAL_REGION
from infra.local.api_calls import Call
from tests.infra.aws.cloud import Cloud, Role
from tests.infra.aws.permissions import Need, needs
from tests.infra.aws.references import ACCOUNT

# These name what an earlier call of the same caller began, by an ID that tells nothing: (calls, the earlier one).
_FOLLOWING = {
    "GetQueryExecution": "StartQueryExecution",
    "GetQueryResults": "StartQueryExecution",
    "GetRecords": "GetShardIterator",
    "StopQueryExecution": "StartQueryExecution",
}


class Recorded(NamedTuple):
    """A line of the endpoint's record."""

    call: Call
    missing: bool


class Permission(NamedTuple):
    """One action on one resource, as a policy has them."""

    action: str
    resource: str

    def covers(self, need: Need) -> bool:
        """Tell whether a need is of this action and resource."""
        return fnmatch_iam(need.action, self.action) and fnmatch_iam_cs(need.resource, self.resource)


def read_record(path: Path) -> list[Recorded]:
    """Return the calls that an endpoint recorded, each once."""
    found = {line: json.loads(line) for line in path.read_text().splitlines()}
    return [Recorded(Call(*map(each.get, Call._fields)), each["missing"]) for each in found.values()]


def needs_of(recorded: Iterable[Recorded], cloud: Cloud) -> list[tuple[str, Need]]:
    """Return who needs what. Raises LookupError for a call of which it is not known what it needs."""
    recorded = list(recorded)
    return [
        (each.call.principal, need)
        for each in recorded
        for call in _named(each.call, recorded)
        for need in needs(call, cloud, missing=each.missing)
    ]


def _named(call: Call, recorded: list[Recorded]) -> Iterator[Call]:
    """Yield a call, with the names of what it follows where it has none of its own."""
    begun = _FOLLOWING.get(call.operation)
    if begun is None or call.names:
        yield call
        return
    former = [each.call for each in recorded if (each.call.principal, each.call.operation) == (call.principal, begun)]
    if not former:
        raise LookupError(f"{call.principal} called {call.operation} without {begun}")
    yield from (call._replace(names=each.names) for each in former)


def allows(role: Role, need: Need) -> bool:
    """Tell whether a role's policies allow an action on a resource, for a call that is encrypted on its way."""
    keys = dict(need.context)
    if need.action.startswith("kms:"):
        # The simulated account's keys are called by their aliases.
        keys["kms:resourcealiases"] = f"alias/{need.resource.rpartition('/')[2]}"
    context = EvalContext(
        principal_arn=role.arn,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=need.action,
        resource_arn=need.resource,
        region=LOCAL_REGION,
        secure_transport=True,
        service_context={name.lower(): value for name, value in keys.items()},
    )
    return evaluate(context, [parse_policy_document(each) for each in role.policies]).decision == "Allow"


def permissions(role: Role) -> list[Permission]:
    """Return everything that a role's policies allow, one action on one resource each."""
    return [
        Permission(action, resource)
        for policy in role.policies
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def denied(recorded: Iterable[Recorded], cloud: Cloud) -> list[tuple[str, Need]]:
    """Return who would have been denied what."""
    return [(who, need) for who, need in needs_of(recorded, cloud) if not allows(cloud.role_of(who), need)]


def allowed(cloud: Cloud, stage_prefix: str) -> set[tuple[str, str, str]]:
    """Return all permissions of all roles: (role's label, action, resource as its ARN ends)."""
    return {_told(role, each, stage_prefix) for role in cloud.roles for each in permissions(role)}


def unused(recorded: Iterable[Recorded], cloud: Cloud, stage_prefix: str) -> set[tuple[str, str, str]]:
    """Return those of all permissions that no recorded call needed."""
    made = [(cloud.role_of(who), need) for who, need in needs_of(recorded, cloud)]
    return {
        _told(role, each, stage_prefix)
        for role in cloud.roles
        for each in permissions(role)
        if not any(role is other and each.covers(need) for other, need in made)
    }


def label(role: Role, stage_prefix: str) -> str:
    """Return what to call a role: the function, job or project that has it, or the service where that has only one."""
    (service,) = role.services
    if service.partition(".")[0] in ("events", "firehose", "iot", "pipes", "quicksight"):
        return service.partition(".")[0]
    names = ", ".join(sorted(name.removeprefix(f"{stage_prefix}-") for name in role.components))
    return f"schedule of {names}" if service == "scheduler.amazonaws.com" else names


def _told(role: Role, permission: Permission, stage_prefix: str) -> tuple[str, str, str]:
    return label(role, stage_prefix), permission.action, permission.resource.split(":", 5)[-1]
