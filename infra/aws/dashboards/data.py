"""What dashboards are made of: the data source, a dataset for each of the specs, and their refreshes."""

from typing import Any

from aws_cdk import Acknowledgment, Aws, Validations
from aws_cdk import aws_kms as kms
from aws_cdk import aws_quicksight as quicksight
from constructs import Construct

from dashboards.quicksight import datasets, ids
from dashboards.spec import Dataset, Specs
from infra.aws.dashboards.access import (
    USE_DATA_SET,
    USE_DATA_SOURCE,
    DashboardRole,
    permissions,
    principal_arn,
)
from infra.aws.names import cdk_arguments, cdk_names
from infra.aws.stages import Stage


class DashboardData(Construct):
    """Datasets by name in `data_sets`. Rows are only for those whose zones they are, where the stage says so."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, specs: Specs, lake_key: kms.IKey) -> None:
        """Make data source, datasets and schedules."""
        super().__init__(scope, construct_id)
        self._stage = stage
        self._specs = specs
        role = DashboardRole(self, "Role", stage=stage, specs=specs, lake_key=lake_key)
        self._source = self._data_source(role)
        self._zone_rules = self._rules() if stage.quicksight_zones else None
        self.data_sets = {dataset.name: self._data_set(dataset) for dataset in datasets.of_athena(specs)}

    def _data_source(self, role: DashboardRole) -> quicksight.CfnDataSource:
        city = self._stage.city
        athena = {"workGroup": city.planners_workgroup, "roleArn": role.role_arn}
        made = quicksight.CfnDataSource(
            self,
            "Athena",
            aws_account_id=Aws.ACCOUNT_ID,
            data_source_id=ids.data_source_id(city.prefix),
            name=f"{city.prefix}: the lake",
            type="ATHENA",
            data_source_parameters={"athenaParameters": athena},
            ssl_properties={"disableSsl": False},
            permissions=permissions(self._stage, self._stage.quicksight_authors, USE_DATA_SOURCE),
        )
        # QuickSight tries the connection at once, as the role.
        made.node.add_dependency(role)
        return made

    def _rules(self) -> quicksight.CfnDataSet:
        stage = self._stage
        rules = {principal_arn(stage, principal): zones for principal, zones in stage.quicksight_zones.items()}
        definition = datasets.zone_rules(rules, prefix=stage.city.prefix, data_source_arn=self._source.attr_arn)
        return quicksight.CfnDataSet(
            self,
            "ZoneRules",
            aws_account_id=Aws.ACCOUNT_ID,
            permissions=permissions(stage, stage.quicksight_authors, USE_DATA_SET),
            **cdk_arguments(definition),
        )

    def _data_set(self, dataset: Dataset) -> quicksight.CfnDataSet:
        stage = self._stage
        definition = datasets.data_set(
            self._specs, dataset, prefix=stage.city.prefix, data_source_arn=self._source.attr_arn
        )
        older = {"LogicalTableMap": definition.pop("LogicalTableMap")}
        if self._zone_rules is not None and dataset.row_security is not None:
            older["RowLevelPermissionDataSet"] = datasets.row_level_permissions(self._zone_rules.attr_arn)
        made = quicksight.CfnDataSet(
            self,
            dataset.name,
            aws_account_id=Aws.ACCOUNT_ID,
            permissions=permissions(stage, stage.quicksight_authors, USE_DATA_SET),
            data_set_refresh_properties=cdk_names(datasets.refresh_properties(dataset)),
            # The first import fails where the marts are not made yet; the first run of the pipeline repeats it.
            ingestion_wait_policy={"waitForSpiceIngestion": False} if dataset.mode == "spice" else None,
            **cdk_arguments(definition),
        )
        _add_older(made, older)
        self._schedule(dataset, made)
        return made

    def _schedule(self, dataset: Dataset, data_set: quicksight.CfnDataSet) -> None:
        schedule = datasets.full_refresh(dataset, self._stage.city.city_time_zone)
        if schedule is None:
            return
        # CloudFormation spells it otherwise than the API.
        frequency = schedule["ScheduleFrequency"]
        frequency["TimeZone"] = frequency.pop("Timezone")
        made = quicksight.CfnRefreshSchedule(
            self,
            f"{dataset.name}-refresh",
            aws_account_id=Aws.ACCOUNT_ID,
            data_set_id=data_set.data_set_id,
            schedule=cdk_names(schedule),
        )
        made.add_resource_dependency(data_set)


def _add_older(data_set: quicksight.CfnDataSet, properties: dict[str, Any]) -> None:
    """Add properties of the older of the two ways in which QuickSight prepares data; both are served.

    The newer one carries an id of each column through every step, by rules that nobody here can try.
    """
    for name, value in properties.items():
        data_set.add_property_override(name, value)
    older = Acknowledgment(id="CloudFormation-Validate::W9009", reason="the newer way cannot be tried here")
    Validations.of(data_set).acknowledge(older)
