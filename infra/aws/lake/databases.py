"""The databases. Their Iceberg tables are made by who fills them: the jobs, the registry's loader and dbt.

A template cannot make them: an Iceberg table is a file of metadata, and its entry in the catalog names the newest one,
which every commit replaces. `raw`, whose tables are plain files, is the ingest stack's.
"""

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_glue as glue
from constructs import Construct

from infra.aws.defaults import removal
from infra.aws.ingest.landing import DATABASE as RAW
from infra.aws.stages import Stage
from infra.settings import DATABASES

# Athena reads the database of this name in every query, and awswrangler expects it.
DEFAULT = "default"


class Databases(Construct):
    """The databases of the lake, each with its folder in the lake bucket."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make them; deleting one would delete the entries of all its tables, so they go only where data goes."""
        super().__init__(scope, construct_id)
        for name in DATABASES:
            if name == RAW or (name == DEFAULT and stage.has_default_database):
                continue
            made = glue.CfnDatabase(
                self,
                name.capitalize(),
                catalog_id=Aws.ACCOUNT_ID,
                database_input={"name": name, "locationUri": f"s3://{stage.city.lake_bucket}/{name}/"},
            )
            # Others of the account may have put tables of theirs into it.
            made.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if name == DEFAULT else removal(stage))
