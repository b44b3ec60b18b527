"""Who may read the lake: policies that an account attaches to the roles of its own people and services.

They are IAM's and not Lake Formation's. What a role may see follows the databases here, and IAM says that by folder and
database, in the template. Lake Formation would add columns and rows, which nobody asks for, and take an administrator
who is no part of a template, registered locations, and a grant for each of Firehose, the jobs and dbt. The databases
must then be left to IAM, as they are unless an account's Lake Formation settings were changed ("Changing the default
settings for your data lake").
"""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.aws.roles import allow_listing, allow_results, explain_star
from infra.aws.stages import Stage
from infra.workgroups import ANALYSTS_RESULTS, PLANNERS_RESULTS

ANALYSTS_DATABASES = ("marts", "reference", "curated")
PLANNERS_DATABASES = ("marts",)
_QUERY = (
    "athena:BatchGetNamedQuery",
    "athena:BatchGetQueryExecution",
    "athena:GetNamedQuery",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "athena:GetWorkGroup",
    "athena:ListNamedQueries",
    "athena:ListQueryExecutions",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)
_BROWSE = (
    "athena:GetDataCatalog",
    "athena:GetDatabase",
    "athena:GetTableMetadata",
    "athena:ListDatabases",
    "athena:ListTableMetadata",
)
_CATALOG = ("glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables")


class ReaderPolicy(iam.ManagedPolicy):
    """May query some databases in one workgroup, and see the results of that workgroup; writes nothing else."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        name: str,
        workgroup: str,
        results: str,
        databases: Sequence[str],
        lake_key: kms.IKey,
    ) -> None:
        """Make the policy `trafficlake-<stage>-<name>-<region>`: its name is the account's, in all regions."""
        city = stage.city
        super().__init__(
            scope,
            construct_id,
            managed_policy_name=f"{city.prefix}-{name}-{city.region}",
            description=f"Query {', '.join(databases)} in Athena's workgroup {workgroup}",
        )
        athena = f"arn:aws:athena:{city.region}:{Aws.ACCOUNT_ID}"
        self._allow(_QUERY, f"{athena}:workgroup/{workgroup}")
        self._allow(_BROWSE, f"{athena}:datacatalog/AwsDataCatalog")
        self._allow_catalog(stage, databases)
        self._allow_data(stage, databases)
        allow_results(self._allow, f"arn:aws:s3:::{city.results_bucket}", results)
        self._allow(["kms:Decrypt", "kms:GenerateDataKey"], lake_key.key_arn)

    def _allow_catalog(self, stage: Stage, databases: Sequence[str]) -> None:
        catalog = f"arn:aws:glue:{stage.city.region}:{Aws.ACCOUNT_ID}"
        # Athena asks for `default` in every query, whatever it reads ("Access to databases and tables in Glue").
        self._allow(["glue:GetDatabase"], f"{catalog}:database/default")
        self._allow(
            _CATALOG,
            f"{catalog}:catalog",
            *(f"{catalog}:database/{name}" for name in databases),
            *(f"{catalog}:table/{name}/*" for name in databases),
            why_many="dbt and the jobs make the tables of a database",
        )

    def _allow_data(self, stage: Stage, databases: Sequence[str]) -> None:
        bucket = f"arn:aws:s3:::{stage.city.lake_bucket}"
        self._allow(
            ["s3:GetObject"],
            *(f"{bucket}/{name}/*" for name in databases),
            why_many="the engines name the objects of a table",
        )
        self._allow(["s3:GetBucketLocation"], bucket)
        allow_listing(self._allow, bucket, [f"{name}/*" for name in databases])

    def _allow(
        self,
        actions: Sequence[str],
        *resources: str,
        why_many: str = "",
        conditions: dict[str, object] | None = None,
    ) -> None:
        self.add_statements(
            iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
        )
        for resource in resources:
            explain_star(self, resource, why_many)


class Readers(Construct):
    """The policies of analysts, and of planners and the dashboards that they look at."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, lake_key: kms.IKey) -> None:
        """Make both."""
        super().__init__(scope, construct_id)
        city = stage.city
        self.analysts = ReaderPolicy(
            self,
            "Analysts",
            stage=stage,
            name="analysts",
            workgroup=city.analysts_workgroup,
            results=ANALYSTS_RESULTS,
            databases=ANALYSTS_DATABASES,
            lake_key=lake_key,
        )
        self.planners = ReaderPolicy(
            self,
            "Planners",
            stage=stage,
            name="planners",
            workgroup=city.planners_workgroup,
            results=PLANNERS_RESULTS,
            databases=PLANNERS_DATABASES,
            lake_key=lake_key,
        )
