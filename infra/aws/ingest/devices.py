"""What devices need: their thing type, the one policy of their certificates, and the rules for what they send."""

from aws_cdk import Aws
from aws_cdk import aws_iot as iot
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.aws.ingest.streams import Streams
from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole
from infra.aws.stages import Stage
from infra.home.devices import policy_name, rule_grants, thing_type
from ingestion.devices.access import policy_document
from ingestion.devices.rules import topic_rules

_WHY_MANY = {
    "kept": "the rule names each object that it writes after a new UUID",
    "shadows": "each device has a shadow; the rule writes that of the device that connects",
}


class Devices(Construct):
    """IoT resources, and the role of the rules."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, streams: Streams, raw_key: kms.IKey
    ) -> None:
        """Make them as the local home does, from the same functions."""
        super().__init__(scope, construct_id)
        city = stage.city
        iot.CfnThingType(self, "ThingType", thing_type_name=thing_type(city))
        iot.CfnPolicy(
            self,
            "Policy",
            policy_name=policy_name(city),
            policy_document=policy_document(city.region, Aws.ACCOUNT_ID),
        )
        role = ServiceRole(self, "Role", service="iot.amazonaws.com", conditions=OF_THIS_ACCOUNT)
        for purpose, (action, resource) in rule_grants(city, city.region, Aws.ACCOUNT_ID).items():
            role.allow([action], resource, why_many=_WHY_MANY.get(purpose, ""))
        role.allow(["kms:GenerateDataKey"], streams.key.key_arn, raw_key.key_arn)
        for name, payload in topic_rules(city.prefix, city.stream, city.raw_bucket, role.role_arn).items():
            iot.CfnTopicRule(self, name, rule_name=name, topic_rule_payload=payload)
