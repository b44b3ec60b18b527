"""The stacks of what watches over all others."""

from typing import Any

from aws_cdk import Aws, CfnOutput, Stack
from constructs import Construct

from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from infra.aws.watch.alarms import Alarms
from infra.aws.watch.budget import MonthlyBudget
from infra.aws.watch.dashboard import dashboard
from infra.aws.watch.data_events import DataEvents
from infra.aws.watch.failed_runs import tell_of_failures
from infra.aws.watch.topic import OperatorsTopic


class WatchStack(Stack):
    """Alarms and dashboard. It knows what it watches by name, so it needs none of the stacks that make it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Make them, and the trail of accesses to objects where the stage wants it."""
        super().__init__(scope, construct_id, **kwargs)
        city = stage.city
        topic = OperatorsTopic(self, "Operators", stage=stage).topic
        Alarms(self, "Alarms", stage=stage, topic=topic)
        tell_of_failures(self, stage=stage, topic=topic)
        board = dashboard(self, "Dashboard", stage=stage)
        if stage.data_events:
            names = (city.raw_bucket, city.lake_bucket)
            DataEvents(self, "DataEvents", stage=stage, access_logs=buckets.access_logs, buckets=names)
        page = f"https://{city.region}.console.aws.amazon.com/cloudwatch/home?region={city.region}#dashboards/dashboard"
        CfnOutput(self, "DashboardName", value=board.ref, description="CloudWatch dashboard of the stage")
        CfnOutput(self, "DashboardUrl", value=f"{page}/{city.prefix}", description="where to look first")
        CfnOutput(self, "OperatorsTopic", value=topic.topic_arn, description="what alarms and failed runs go to")


class BudgetStack(Stack):
    """The budget. CloudFormation knows budgets in few regions, us-east-1 among them; they are of no region anyway."""

    REGION = "us-east-1"

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **kwargs: Any) -> None:  # noqa: ANN401
        """Make the budget, which tells the operators' topic in the city's region."""
        super().__init__(scope, construct_id, **kwargs)
        city = stage.city
        topic_arn = f"arn:aws:sns:{city.region}:{Aws.ACCOUNT_ID}:{city.operators_topic}"
        MonthlyBudget(self, "Budget", stage=stage, topic_arn=topic_arn)
