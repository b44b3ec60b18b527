"""The alarms of `alarm_list` on AWS."""

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.aws.stages import Stage
from infra.aws.watch.alarm import Alarm, Composite
from infra.aws.watch.alarm_list import alarms, composites

_COMPARISONS = {"above": "GreaterThanThreshold", "below": "LessThanThreshold"}


class Alarms(Construct):
    """Each tells the topic when it fires and when it is over, by itself or through the one that it is part of."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, topic: sns.ITopic) -> None:
        """Make all alarms of the stage."""
        super().__init__(scope, construct_id)
        self._prefix, self._tell = stage.city.prefix, [topic.topic_arn]
        made = {each.name: self._alarm(each) for each in alarms(stage, Aws.ACCOUNT_ID)}
        for each in composites(stage):
            composite = self._composite(each)
            for part in each.parts:
                composite.add_resource_dependency(made[part])

    def _alarm(self, alarm: Alarm) -> cloudwatch.CfnAlarm:
        metric = alarm.metric
        tell = None if alarm.part_of else self._tell
        return cloudwatch.CfnAlarm(
            self,
            alarm.name,
            alarm_name=f"{self._prefix}-{alarm.name}",
            alarm_description=alarm.description,
            namespace=metric.namespace,
            metric_name=metric.name,
            dimensions=[{"name": name, "value": value} for name, value in metric.dimensions],
            statistic=metric.statistic,
            period=metric.period_s,
            comparison_operator=_COMPARISONS[alarm.fires],
            threshold=alarm.threshold,
            datapoints_to_alarm=alarm.times,
            evaluation_periods=alarm.of,
            treat_missing_data=alarm.missing,
            alarm_actions=tell,
            ok_actions=tell,
        )

    def _composite(self, alarm: Composite) -> cloudwatch.CfnCompositeAlarm:
        return cloudwatch.CfnCompositeAlarm(
            self,
            alarm.name,
            alarm_name=f"{self._prefix}-{alarm.name}",
            alarm_description=alarm.description,
            alarm_rule=" OR ".join(f'ALARM("{self._prefix}-{part}")' for part in alarm.parts),
            alarm_actions=self._tell,
            ok_actions=self._tell,
        )
