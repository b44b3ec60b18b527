"""A stage's templates as what they become: resources by ARN, their keys, and what each role may do."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ACCOUNT = "000000000000"
# By type: the ARN, with the resource's properties by their names. A key is called by its alias, if it has one.
_ARNS = {
    "AWS::Athena::WorkGroup": "athena:{region}:{account}:workgroup/{Name}",
    "AWS::CodeBuild::Project": "codebuild:{region}:{account}:project/{Name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{TableName}",
    "AWS::Events::ApiDestination": "events:{region}:{account}:api-destination/{Name}",
    "AWS::Events::Connection": "events:{region}:{account}:connection/{Name}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{Name}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{EventBusName}/{Name}",
    "AWS::IAM::Role": "iam::{account}:role/{id}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{id}",
    "AWS::Kinesis::Stream": "kinesis:{region}:{account}:stream/{Name}",
    "AWS::KinesisFirehose::DeliveryStream": "firehose:{region}:{account}:deliverystream/{DeliveryStreamName}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{FunctionName}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{LogGroupName}:*",
    "AWS::S3::Bucket": "s3:::{BucketName}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{TopicName}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{QueueName}",
    "AWS::SecretsManager::Secret": "secretsmanager:{region}:{account}:secret:{Name}-000000",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{StateMachineName}",
}
# Their `Ref` is the ARN; that of others is the name.
_REF_IS_ARN = ("AWS::SNS::Topic", "AWS::SecretsManager::Secret", "AWS::StepFunctions::StateMachine")
_NAMES = ("FunctionName", "DeliveryStreamName", "RuleName", "StateMachineName", "BucketName", "TableName", "Name")
_KEYS = ("KMSMasterKeyID", "KmsMasterKeyId", "KMSMasterKeyId", "KeyId")
_ROLES = ("Role", "RoleArn", "RoleARN", "ServiceRole")


class Role(NamedTuple):
    """A role: what is named after the resources that have it, the services that take it on, and its policies."""

    arn: str
    components: frozenset[str]
    services: frozenset[str]
    policies: list[dict[str, Any]]


class Cloud(NamedTuple):
    """A deployed stage: its roles, and by ARN of a bucket, stream, table or topic that of its own KMS key."""

    region: str
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


def read_cloud(templates: Sequence[Path], region: str) -> Cloud:
    """Return what the templates of a stage become in an account. Raises LookupError for what they refer to in vain."""
    stacks = [_Stack(json.loads(path.read_text()), region, path.name) for path in templates]
    for stack in stacks:
        stack.exports.update({name: value for each in stacks for name, value in each.own_exports()})
    return Cloud(
        region,
        [role for stack in stacks for role in _roles(stack)],
        {arn: key for stack in stacks for arn, key in _keys(stack)},
    )


class _Stack:
    def __init__(self, template: dict[str, Any], region: str, name: str) -> None:
        self._template, self._name = template, name
        self.resources: dict[str, dict[str, Any]] = template["Resources"]
        self._pseudo = {"region": region, "account": ACCOUNT}
        self.exports: dict[str, str] = {}

    def own_exports(self) -> Iterator[tuple[str, str]]:
        for output in self._template.get("Outputs", {}).values():
            if "Export" in output:
                yield output["Export"]["Name"], self.resolved(output["Value"])

    def resolved(self, value: Any) -> Any:
        """Return part of the template with references replaced by names and ARNs."""
        match value:
            case list():
                return [self.resolved(each) for each in value]
            case {"Ref": name}:
                return self._reference(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return self._attribute(name, attribute)
            case {"Fn::Join": [between, parts]}:
                return between.join(map(self.resolved, parts))
            case {"Fn::ImportValue": name}:
                return self.exports[name]
        return {name: self.resolved(each) for name, each in value.items()} if isinstance(value, dict) else value

    def arn(self, name: str) -> str:
        resource = self.resources[name]
        properties = {"EventBusName": "default"} | {
            key: self.resolved(each) for key, each in resource.get("Properties", {}).items() if key in _ARN_PROPERTIES
        }
        return "arn:aws:" + _ARNS[resource["Type"]].format(**self._pseudo, **properties, id=self._called(name))

    def _called(self, name: str) -> str:
        """Return a key's alias without its beginning, or the logical ID with the stack's."""
        for resource in self.resources.values():
            if resource["Type"] == "AWS::KMS::Alias" and resource["Properties"]["TargetKeyId"] == {
                "Fn::GetAtt": [name, "Arn"]
            }:
                return resource["Properties"]["AliasName"].removeprefix("alias/")
        return f"{self._name.partition('.')[0]}-{name}"

    def _reference(self, name: str) -> str:
        if name.startswith("AWS::"):
            return {"AWS::Region": self._pseudo["region"], "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}[name]
        if name not in self.resources:
            return f"<{name}>"
        resource = self.resources[name]
        if resource["Type"] in _REF_IS_ARN:
            return self.arn(name)
        properties = resource.get("Properties", {})
        return next((self.resolved(properties[each]) for each in _NAMES if each in properties), name)

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute in ("Arn", "StreamArn") and self.resources[name]["Type"] in _ARNS:
            return self.arn(name) + ("/stream/0" if attribute == "StreamArn" else "")
        # No ARN of ours, so nothing that is asked for is it.
        return f"<{name}.{attribute}>"


_ARN_PROPERTIES = {name for text in _ARNS.values() for name in re.findall(r"\{([A-Z]\w+)\}", text)}


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


def _roles(stack: _Stack) -> Iterator[Role]:
    resources = stack.resources
    for name, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        policies = [
            policy["Properties"]["PolicyDocument"]
            for policy in resources.values()
            if policy["Type"] == "AWS::IAM::Policy" and {"Ref": name} in policy["Properties"]["Roles"]
        ]
        policies += [policy["PolicyDocument"] for policy in resource["Properties"].get("Policies", [])]
        trusted = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        arn = stack.arn(name)
        components = {
            stack.resolved({"Ref": other})
            for other, each in resources.items()
            if arn in map(stack.resolved, _values(each.get("Properties", {}), _ROLES))
        }
        services = {service for each in trusted for service in _listed(each["Principal"].get("Service", []))}
        yield Role(arn, frozenset(components), frozenset(services), [stack.resolved(each) for each in policies])


def _keys(stack: _Stack) -> Iterator[tuple[str, str]]:
    for name, resource in stack.resources.items():
        if resource["Type"] not in _ARNS:
            continue
        for key in map(stack.resolved, _values(resource.get("Properties", {}), _KEYS)):
            if isinstance(key, str) and key.startswith("arn:aws:kms:"):
                yield stack.arn(name), key


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
