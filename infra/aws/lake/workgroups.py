"""The workgroups of Athena, and the queries that analysts find in theirs."""

from aws_cdk import aws_athena as athena
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.aws.lake.queries import queries
from infra.aws.names import cdk_names
from infra.aws.stages import Stage
from infra.workgroups import workgroups

GB = 2**30


class Workgroups(Construct):
    """The workgroups as the local home has them, with a key and a limit."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, lake_key: kms.IKey) -> None:
        """Make them, and the queries of the analysts'."""
        super().__init__(scope, construct_id)
        city = stage.city
        made = {}
        for workgroup in workgroups(
            city,
            scan_limit_bytes=stage.scan_limit_gb * GB,
            pipeline_scan_limit_bytes=stage.pipeline_scan_limit_gb * GB,
            key_arn=lake_key.key_arn,
        ):
            name = workgroup["Name"]
            made[name] = athena.CfnWorkGroup(
                self,
                name.removeprefix(f"{city.prefix}-").replace(city.prefix, "pipeline").capitalize(),
                name=name,
                description=workgroup["Description"],
                work_group_configuration=cdk_names(workgroup["Configuration"]),
                # Athena refuses to delete a workgroup that has queries in it.
                recursive_delete_option=True,
            )
        for query in queries():
            named = athena.CfnNamedQuery(
                self,
                query.name,
                name=query.title,
                description=query.description,
                database="marts",
                query_string=query.sql,
                work_group=city.analysts_workgroup,
            )
            named.add_resource_dependency(made[city.analysts_workgroup])
