"""Who may do what: QuickSight on the lake, and people on what is in QuickSight."""

from collections.abc import Iterable, Sequence

from aws_cdk import Aws
from aws_cdk import aws_kms as kms
from constructs import Construct

from dashboards.quicksight.datasets import CATALOG, of_athena
from dashboards.spec import Specs
from dashboards.tables import tables
from infra.aws.roles import ServiceRole, allow_listing, allow_results
from infra.aws.stages import Stage
from infra.workgroups import PLANNERS_RESULTS

# QuickSight takes permissions in sets alone ("valid groupings"), one for each level of a kind of resource. These are
# the examples of the developer guide and, for themes, the API reference.
# UpdateDashboardPermissions, of a viewer.
READ_DASHBOARD = ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard")
# UpdateAnalysisPermissions, of an owner: there is no lesser level.
OWN_ANALYSIS = (
    "DeleteAnalysis",
    "DescribeAnalysis",
    "DescribeAnalysisPermissions",
    "QueryAnalysis",
    "RestoreAnalysis",
    "UpdateAnalysis",
    "UpdateAnalysisPermissions",
)
# UpdateDataSetPermissions, of a viewer.
USE_DATA_SET = ("DescribeDataSet", "DescribeDataSetPermissions", "DescribeIngestion", "ListIngestions", "PassDataSet")
# UpdateDataSourcePermissions, of a viewer.
USE_DATA_SOURCE = ("DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource")
# UpdateThemePermissions, "User".
USE_THEME = ("DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions")
_QUERY = (
    "athena:BatchGetQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "athena:GetWorkGroup",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)
_BROWSE = ("athena:GetDataCatalog", "athena:GetDatabase", "athena:GetTableMetadata", "athena:ListTableMetadata")


def principal_arn(stage: Stage, principal: str) -> str:
    """Return the ARN of a QuickSight user or group; its region is where QuickSight keeps its users."""
    region = stage.quicksight_identity_region or stage.city.region
    return f"arn:aws:quicksight:{region}:{Aws.ACCOUNT_ID}:{principal}"


def permissions(stage: Stage, principals: Iterable[str], actions: Sequence[str]) -> list[dict[str, object]] | None:
    """Return the `permissions` of a resource of QuickSight; None for nobody, which is no empty list."""
    allowed = [f"quicksight:{action}" for action in actions]
    return [{"principal": principal_arn(stage, each), "actions": allowed} for each in principals] or None


class DashboardRole(ServiceRole):
    """What QuickSight is on the lake: it queries the tables of the specs in the planners' workgroup, and no others."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, specs: Specs, lake_key: kms.IKey) -> None:
        """Make the role."""
        super().__init__(scope, construct_id, service="quicksight.amazonaws.com")
        city = stage.city
        athena = f"arn:aws:athena:{city.region}:{Aws.ACCOUNT_ID}"
        self.allow(_QUERY, f"{athena}:workgroup/{city.planners_workgroup}")
        self.allow(_BROWSE, f"{athena}:datacatalog/{CATALOG}")
        self._allow_tables(stage, tables_read(specs))
        allow_results(self.allow, f"arn:aws:s3:::{city.results_bucket}", PLANNERS_RESULTS)
        self.allow(["kms:Decrypt", "kms:GenerateDataKey"], lake_key.key_arn)

    def _allow_tables(self, stage: Stage, read: Sequence[str]) -> None:
        catalog = f"arn:aws:glue:{stage.city.region}:{Aws.ACCOUNT_ID}"
        databases = sorted({table.partition(".")[0] for table in read})
        # Athena asks for `default` in every query, whatever it reads ("Access to databases and tables in Glue").
        self.allow(
            ["glue:GetDatabase"],
            f"{catalog}:catalog",
            f"{catalog}:database/default",
            *(f"{catalog}:database/{database}" for database in databases),
        )
        self.allow(["glue:GetTable"], *(f"{catalog}:table/{table.replace('.', '/')}" for table in read))
        bucket = f"arn:aws:s3:::{stage.city.lake_bucket}"
        # Views have no objects of their own.
        views = {name for name, table in tables().items() if table.behind}
        places = [f"{table.replace('.', '/')}*" for table in read if table not in views]
        self.allow(
            ["s3:GetObject"],
            *(f"{bucket}/{place}" for place in places),
            why_many="the engines name the objects of a table, and dbt the folder of a table that it replaces",
        )
        self.allow(["s3:GetBucketLocation"], bucket)
        allow_listing(self.allow, bucket, places)


def tables_read(specs: Specs) -> list[str]:
    """Return the tables that the datasets are made of, by full name: for a view, those behind it too."""
    datasets = of_athena(specs)
    named = {str(dataset.mart) for dataset in datasets} | {dataset.join.mart for dataset in datasets if dataset.join}
    return sorted(named.union(*(set(tables()[name].behind) for name in named)))
