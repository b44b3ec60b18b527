"""The topic of the operators, and who may publish to it."""

from collections.abc import Mapping

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.aws.defaults import RotatedKey
from infra.aws.stages import Stage

_BUDGETS = {
    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
    "ArnLike": {"aws:SourceArn": f"arn:aws:budgets::{Aws.ACCOUNT_ID}:*"},
}


class OperatorsTopic(Construct):
    """A topic that alarms, EventBridge and Budgets publish to; the operators' addresses are asked to subscribe."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make topic and key. AWS's own key for SNS lets none of these services publish."""
        super().__init__(scope, construct_id)
        city = stage.city
        self.key = RotatedKey(self, "Key", stage=stage, purpose="operators")
        self.topic = sns.Topic(self, "Topic", topic_name=city.operators_topic, master_key=self.key, enforce_ssl=True)
        alarms = f"arn:aws:cloudwatch:{city.region}:{Aws.ACCOUNT_ID}:alarm:{city.prefix}-*"
        self._allow("cloudwatch.amazonaws.com", {"ArnLike": {"aws:SourceArn": alarms}}, {})
        # Neither EventBridge's nor CloudWatch's documentation shows conditions for the key, Budgets' does.
        self._allow("events.amazonaws.com", {}, {})
        self._allow("budgets.amazonaws.com", _BUDGETS, _BUDGETS)
        for address in stage.operator_emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))

    def _allow(self, service: str, for_topic: Mapping[str, object], for_key: Mapping[str, object]) -> None:
        """Let a service publish under these conditions, and use the key that messages are encrypted with."""
        principal = iam.ServicePrincipal(service)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[principal],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions=for_topic,
            )
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[principal],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions=for_key,
            )
        )
