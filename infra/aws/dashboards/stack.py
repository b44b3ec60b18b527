"""The stack of the dashboards."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from dashboards import spec
from dashboards.quicksight import ids
from infra.aws.dashboards.boards import Boards
from infra.aws.dashboards.data import DashboardData
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets


class DashboardsStack(Stack):
    """From the marts to planners. For a stage that names readers: QuickSight needs a subscription and its users."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Make datasets and dashboards of all specs."""
        # CloudFormation takes a template of at most 1 MB.
        super().__init__(scope, construct_id, suppress_template_indentation=True, **kwargs)
        specs = spec.load()
        data = DashboardData(self, "Data", stage=stage, specs=specs, lake_key=buckets.lake_key)
        Boards(self, "Boards", stage=stage, specs=specs, data=data)
        for dashboard in specs.dashboards:
            url = ids.dashboard_url(stage.city.region, stage.city.prefix, dashboard.name)
            CfnOutput(
                self, f"{dashboard.name.title().replace('_', '')}Url", value=url, description=dashboard.description
            )
