"""What devices need of the home: their IoT policy and thing type, the topic rules and the role that these use."""

import json
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.home.existing import role_arn, unless_exists
from infra.settings import CitySettings
from ingestion.devices.access import policy_document
from ingestion.devices.rules import REFUSED_PREFIX, topic_rules


def policy_name(city: CitySettings) -> str:
    """Return the name of the IoT policy of every device."""
    return f"{city.prefix}-device"


def thing_type(city: CitySettings) -> str:
    """Return the thing type by which devices of this deployment are found."""
    return f"{city.prefix}-sensor"


def create_device_resources(city: CitySettings) -> None:
    """Create what devices need and bring it to this version; safe to repeat."""
    account = boto3.client("sts").get_caller_identity()["Account"]
    iot = boto3.client("iot")
    region = iot.meta.region_name
    unless_exists(iot.create_thing_type, thingTypeName=thing_type(city))
    _put_policy(iot, policy_name(city), policy_document(region, account))
    role = _put_role(city, region, account)
    for name, payload in topic_rules(city.prefix, city.stream, city.raw_bucket, role).items():
        _put_rule(iot, name, payload)


def _put_policy(iot: Any, name: str, document: dict[str, Any]) -> None:  # noqa: ANN401 — boto3 clients have no type
    try:
        existing = json.loads(iot.get_policy(policyName=name)["policyDocument"])
    except iot.exceptions.ResourceNotFoundException:
        iot.create_policy(policyName=name, policyDocument=json.dumps(document))
        return
    if existing == document:
        return
    # A policy has at most five versions.
    for version in iot.list_policy_versions(policyName=name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            iot.delete_policy_version(policyName=name, policyVersionId=version["versionId"])
    iot.create_policy_version(policyName=name, policyDocument=json.dumps(document), setAsDefault=True)


def _put_rule(iot: Any, name: str, payload: dict[str, Any]) -> None:  # noqa: ANN401 — boto3 clients have no type
    # For a rule that does not exist, AWS IoT answers that access is denied ("GetTopicRule").
    try:
        existing = iot.get_topic_rule(ruleName=name)["rule"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "UnauthorizedException"):
            raise
        iot.create_topic_rule(ruleName=name, topicRulePayload=payload)
        return
    if any(existing.get(key) != value for key, value in payload.items()):
        iot.replace_topic_rule(ruleName=name, topicRulePayload=payload)


def rule_grants(city: CitySettings, region: str, account: str) -> dict[str, tuple[str, str]]:
    """Return what the topic rules may do, by purpose as (action, resource): what their actions do and no more."""
    return {
        "readings": ("kinesis:PutRecord", f"arn:aws:kinesis:{region}:{account}:stream/{city.stream}"),
        "kept": ("s3:PutObject", f"arn:aws:s3:::{city.raw_bucket}/{REFUSED_PREFIX}*"),
        "shadows": ("iot:Publish", f"arn:aws:iot:{region}:{account}:topic/$aws/things/*/shadow/update"),
    }


def _put_role(city: CitySettings, region: str, account: str) -> str:
    """Return the role of the rules."""
    name = f"{city.prefix}-iot-rules"
    role = role_arn(name, "iot.amazonaws.com")
    for purpose, (action, resource) in rule_grants(city, region, account).items():
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        boto3.client("iam").put_role_policy(RoleName=name, PolicyName=purpose, PolicyDocument=document)
    return role
