"""Dashboards for readers, and the analyses that they come from for authors."""

from typing import Any

from aws_cdk import Acknowledgment, Aws, Validations
from aws_cdk import aws_quicksight as quicksight
from constructs import Construct

from dashboards.quicksight import colors, ids
from dashboards.quicksight.definition import definition
from dashboards.spec import Dashboard, Specs
from infra.aws.dashboards.access import OWN_ANALYSIS, READ_DASHBOARD, USE_THEME, permissions
from infra.aws.dashboards.data import DashboardData
from infra.aws.names import cdk_names
from infra.aws.stages import Stage


class Boards(Construct):
    """A dashboard for each of the specs, and its analysis where the stage has authors."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, specs: Specs, data: DashboardData) -> None:
        """Make theme, dashboards and analyses."""
        super().__init__(scope, construct_id)
        self._stage = stage
        everybody = list(dict.fromkeys((*stage.quicksight_readers, *stage.quicksight_authors)))
        theme = quicksight.CfnTheme(
            self,
            "Theme",
            aws_account_id=Aws.ACCOUNT_ID,
            theme_id=f"{stage.city.prefix}-theme",
            name=f"{stage.city.prefix}: for any colour vision",
            base_theme_id=colors.BASE_THEME,
            configuration=cdk_names(colors.theme()),
            permissions=permissions(stage, everybody, USE_THEME),
        )
        for dashboard in specs.dashboards:
            shared: dict[str, Any] = {
                "aws_account_id": Aws.ACCOUNT_ID,
                "name": dashboard.title,
                "theme_arn": theme.attr_arn,
                "definition": cdk_names(
                    definition(
                        specs,
                        dashboard,
                        lambda name: data.data_sets[name].attr_arn,
                        time_zone=stage.city.city_time_zone,
                    )
                ),
            }
            self._dashboard(dashboard, shared, everybody)
            if stage.quicksight_authors:
                self._analysis(dashboard, shared)

    def _dashboard(self, dashboard: Dashboard, shared: dict[str, Any], everybody: list[str]) -> None:
        made = quicksight.CfnDashboard(
            self,
            dashboard.name,
            dashboard_id=ids.dashboard_id(self._stage.city.prefix, dashboard.name),
            version_description=dashboard.description,
            permissions=permissions(self._stage, everybody, READ_DASHBOARD),
            **shared,
        )
        _acknowledge_parameters(made)

    def _analysis(self, dashboard: Dashboard, shared: dict[str, Any]) -> None:
        made = quicksight.CfnAnalysis(
            self,
            f"{dashboard.name}-analysis",
            analysis_id=ids.dashboard_id(self._stage.city.prefix, dashboard.name),
            permissions=permissions(self._stage, self._stage.quicksight_authors, OWN_ANALYSIS),
            **shared,
        )
        _acknowledge_parameters(made)


def _acknowledge_parameters(made: Construct) -> None:
    """Say that `${…}` in an expression is a parameter of QuickSight, which CloudFormation leaves as it is."""
    finding = Acknowledgment(id="CloudFormation-Validate::E1029", reason="QuickSight's own parameters are written so")
    Validations.of(made).acknowledge(finding)
