"""The references of a stage's templates, replaced by what they come to on the local endpoint."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.home.environment import LOCAL_REGION
from tests.infra.aws.templates import Resources

ACCOUNT = "000000000000"
_HERE = f"{LOCAL_REGION}:{ACCOUNT}"
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": LOCAL_REGION, "AWS::Partition": "aws"}
# By type: the property that holds the name, and the address of what has that name, without what AWS adds each time.
_NAMED = {
    "AWS::Athena::WorkGroup": ("Name", f"arn:aws:athena:{_HERE}:workgroup/{{}}"),
    "AWS::CodeBuild::Project": ("Name", f"arn:aws:codebuild:{_HERE}:project/{{}}"),
    "AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{_HERE}:table/{{}}"),
    "AWS::Events::ApiDestination": ("Name", f"arn:aws:events:{_HERE}:api-destination/{{}}"),
    "AWS::Events::Archive": ("ArchiveName", f"arn:aws:events:{_HERE}:archive/{{}}"),
    "AWS::Events::Connection": ("Name", f"arn:aws:events:{_HERE}:connection/{{}}"),
    "AWS::Events::EventBus": ("Name", f"arn:aws:events:{_HERE}:event-bus/{{}}"),
    "AWS::Events::Rule": ("Name", f"arn:aws:events:{_HERE}:rule/{{}}"),
    "AWS::IAM::Role": ("RoleName", f"arn:aws:iam::{ACCOUNT}:role/{{}}"),
    "AWS::IoT::Policy": ("PolicyName", f"arn:aws:iot:{_HERE}:policy/{{}}"),
    "AWS::IoT::ThingType": ("ThingTypeName", f"arn:aws:iot:{_HERE}:thingtype/{{}}"),
    "AWS::IoT::TopicRule": ("RuleName", f"arn:aws:iot:{_HERE}:rule/{{}}"),
    "AWS::KMS::Alias": ("AliasName", f"arn:aws:kms:{_HERE}:{{}}"),
    "AWS::KMS::Key": ("KeyId", f"arn:aws:kms:{_HERE}:key/{{}}"),
    "AWS::Kinesis::Stream": ("Name", f"arn:aws:kinesis:{_HERE}:stream/{{}}"),
    "AWS::KinesisFirehose::DeliveryStream": (
        "DeliveryStreamName",
        f"arn:aws:firehose:{_HERE}:deliverystream/{{}}",
    ),
    "AWS::Lambda::Function": ("FunctionName", f"arn:aws:lambda:{_HERE}:function:{{}}"),
    "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{_HERE}:log-group:{{}}:*"),
    "AWS::Pipes::Pipe": ("Name", f"arn:aws:pipes:{_HERE}:pipe/{{}}"),
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{}"),
    "AWS::SNS::Topic": ("TopicName", f"arn:aws:sns:{_HERE}:{{}}"),
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{_HERE}:{{}}"),
    "AWS::SecretsManager::Secret": ("Name", f"arn:aws:secretsmanager:{_HERE}:secret:{{}}"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", f"arn:aws:states:{_HERE}:stateMachine:{{}}"),
}


def stack_name(template: Path) -> str:
    """Return the name of the stack that a file is the template of."""
    return template.name.removesuffix(".template.json")


class StageTemplates:
    """Templates of a stage. `resources` are unresolved; `physical` holds the names that only a deployment tells."""

    def __init__(self, templates: Sequence[Path]) -> None:
        parsed = {stack_name(path): json.loads(path.read_text()) for path in templates}
        self.stacks: dict[str, Resources] = {stack: template["Resources"] for stack, template in parsed.items()}
        self.resources: Resources = {name: each for stack in self.stacks.values() for name, each in stack.items()}
        self.physical: dict[str, str] = {}
        self._exports = {
            output["Export"]["Name"]: output["Value"]
            for template in parsed.values()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return the properties of a resource, resolved."""
        return self._resolved(self.resources[logical_id].get("Properties", {}))

    def arn(self, logical_id: str) -> str:
        """Return the address of a resource. Raises KeyError for a type whose addresses are not known."""
        return self._attribute(logical_id, "Arn")

    def identity(self, logical_id: str) -> str:
        """Return the physical ID of a resource, which `Ref` stands for; empty when only a deployment tells it."""
        if logical_id in self.physical:
            return self.physical[logical_id]
        resource = self.resources[logical_id]
        name, address = _NAMED.get(resource["Type"], ("", ""))
        named = self._resolved(resource.get("Properties", {}).get(name, ""))
        # Those of these types that others refer to by address.
        by_address = ("AWS::SNS::Topic", "AWS::StepFunctions::StateMachine")
        return address.format(named) if resource["Type"] in by_address else named

    def _resolved(self, value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return _PSEUDO.get(name) or self.identity(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return self._attribute(name, attribute)
            case {"Fn::ImportValue": export}:
                return self._resolved(self._exports[export])
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{(.+?)\}", lambda name: self._resolved({"Ref": name[1]}), text)
            case {"Fn::Join": [between, parts]}:
                return between.join(self._resolved(parts))
        return self._within(value)

    def _within(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._resolved(each) for name, each in value.items()}
        return [self._resolved(each) for each in value] if isinstance(value, list) else value

    def _attribute(self, logical_id: str, attribute: str) -> str:
        resource = self.resources[logical_id]
        name, address = _NAMED[resource["Type"]]
        named = resource["Properties"]
        bus = f"{self._resolved(named['EventBusName'])}/" if "EventBusName" in named else ""
        arn = address.format(bus + (self._resolved(named.get(name)) or self.identity(logical_id) or "generated"))
        assert attribute in ("Arn", "StreamArn"), attribute
        return f"{arn}/stream/label" if attribute == "StreamArn" else arn
