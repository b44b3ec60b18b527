"""A stage's templates as what they become: what each role may do, and which keys encrypt what."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.infra.aws.references import StageTemplates
from tests.infra.aws.templates import flat

_KEYS = ("KMSMasterKeyID", "KmsMasterKeyId", "KMSMasterKeyId", "KeyId")
_ENCRYPTED = ("AWS::DynamoDB::Table", "AWS::Kinesis::Stream", "AWS::S3::Bucket")
_ROLES = ("Role", "RoleArn", "RoleARN", "ServiceRole")


class Role(NamedTuple):
    """A role: the names of the resources that have it, the services that take it on, and its policies."""

    arn: str
    components: frozenset[str]
    services: frozenset[str]
    policies: list[dict[str, Any]]


class Cloud(NamedTuple):
    """A deployed stage: its roles, and by ARN of a bucket, stream or table that of its key, if it has one of its own.

    In their ARNs roles are called by their logical IDs, and keys by their aliases.
    """

    roles: list[Role]
    keys: dict[str, str]

    def role_of(self, principal: str) -> Role:
        """Return the role of a component such as a function, or the only one of a service. Raises LookupError."""
        found = [role for role in self.roles if principal in role.components] or [
            role for role in self.roles if principal in role.services
        ]
        if len(found) != 1:
            raise LookupError(f"{principal} has {len(found)} roles in the templates, not one")
        return found[0]


def read_cloud(templates: Sequence[Path]) -> Cloud:
    """Return what the templates of a stage become."""
    stage = StageTemplates(templates)
    assert len(stage.resources) == sum(map(len, stage.stacks.values())), "two stacks use a logical ID"
    for name, resource in stage.resources.items():
        if resource["Type"] == "AWS::IAM::Role":
            stage.physical[name] = name
        if resource["Type"] == "AWS::KMS::Alias":
            key = flat(resource["Properties"]["TargetKeyId"]).strip("<>").removesuffix(".Arn")
            stage.physical[key] = resource["Properties"]["AliasName"].removeprefix("alias/")
    keys = {
        stage.arn(name): key
        for name in _of_types(stage, *_ENCRYPTED)
        for key in _values(stage.properties(name), _KEYS)
        if key.startswith("arn:aws:kms:")
    }
    return Cloud([_role(stage, name) for name in _of_types(stage, "AWS::IAM::Role")], keys)


def _of_types(stage: StageTemplates, *kinds: str) -> list[str]:
    return [name for name, resource in stage.resources.items() if resource["Type"] in kinds]


def _role(stage: StageTemplates, name: str) -> Role:
    properties, arn = stage.properties(name), stage.arn(name)
    policies = [
        stage.properties(policy)["PolicyDocument"]
        for policy in _of_types(stage, "AWS::IAM::Policy")
        if {"Ref": name} in stage.resources[policy]["Properties"]["Roles"]
    ]
    policies += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    trusted = properties["AssumeRolePolicyDocument"]["Statement"]
    services = {service for statement in trusted for service in _listed(statement["Principal"].get("Service", []))}
    reference = {"Fn::GetAtt": [name, "Arn"]}
    components = {
        each["Properties"].get("Name") or stage.identity(other).rpartition(":")[2]
        for other, each in stage.resources.items()
        if reference in _values(each.get("Properties", {}), _ROLES)
    }
    return Role(arn, frozenset(components), frozenset(services), policies)


def _values(properties: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield what properties of these names hold, at any depth."""
    if isinstance(properties, list):
        for each in properties:
            yield from _values(each, names)
    elif isinstance(properties, dict):
        for name, each in properties.items():
            if name in names:
                yield each
            else:
                yield from _values(each, names)


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
