"""The CodeBuild project of the steps that are dbt or plain Python, with a role for exactly the calls that they make."""

from pathlib import Path

import yaml
from aws_cdk import Aws
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra import steps_project
from infra.aws.defaults import log_group
from infra.aws.names import cdk_names
from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from infra.pipeline import PLAN_KEY
from infra.runners import metrics
from infra.workgroups import PIPELINE_RESULTS
from ingestion.alerts.reference import KEY, USUAL_KEY
from ingestion.contract.landing import PREFIXES
from quality.marts import DOCS_PREFIX

IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
READ, MARTS = ("raw", "reference", "curated"), "marts"
# Athena looks for this database whatever a query names ("Fine-grained access to databases and tables").
LOOKED_FOR = "default"
PENDING = "pending_hours"
_NAMES = "the step, or Athena for it, names the objects that it writes"
_MANY = "a step reads whatever tables, partitions and files there are"


class StepsProject(Construct):
    """The project, its role and its log."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, buckets: Buckets, files: Path) -> None:
        """Make the project, which works on a folder of files."""
        super().__init__(scope, construct_id)
        city = stage.city
        group = f"/aws/codebuild/{city.steps_project}"
        logs = log_group(self, "Log", stage=stage, name=group)
        source = assets.Asset(self, "Files", path=str(files))
        self._stage, self._buckets = stage, buckets
        self.role = role = ServiceRole(self, "Role", service="codebuild.amazonaws.com", conditions=OF_THIS_ACCOUNT)
        role.allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:{city.region}:{Aws.ACCOUNT_ID}:log-group:{group}:*",
            why_many="CodeBuild names the streams of the project's log",
        )
        location = f"{source.s3_bucket_name}/{source.s3_object_key}"
        role.allow(["s3:GetObject", "s3:GetObjectVersion"], f"arn:aws:s3:::{location}")
        role.allow(["s3:GetBucketAcl", "s3:GetBucketLocation"], f"arn:aws:s3:::{source.s3_bucket_name}")
        self._allow_catalog()
        self._allow_objects()
        self._allow_queries()
        role.allow(
            ["cloudwatch:PutMetricData"],
            "*",
            why_many="CloudWatch knows no resource of it; the namespace is the condition",
            conditions={"StringEquals": {"cloudwatch:namespace": metrics.NAMESPACE}},
        )
        told = [{"Name": name, "Value": value} for name, value in steps_project.variables(city).items()]
        self.project = codebuild.CfnProject(
            self,
            "Project",
            name=city.steps_project,
            description=steps_project.DESCRIPTION,
            service_role=role.role_arn,
            source=cdk_names(
                {
                    "Type": "S3",
                    "Location": location,
                    "BuildSpec": yaml.safe_dump(steps_project.buildspec(), sort_keys=False, width=200),
                }
            ),
            artifacts=cdk_names({"Type": "NO_ARTIFACTS"}),
            environment=cdk_names(
                {
                    "Type": "LINUX_CONTAINER",
                    "Image": IMAGE,
                    "ComputeType": stage.steps_compute,
                    "EnvironmentVariables": told,
                }
            ),
            encryption_key=buckets.lake_key.key_arn,
            logs_config=cdk_names({"CloudWatchLogs": {"Status": "ENABLED", "GroupName": group}}),
            # One run at a time: a further build is refused, and the state machine tries again.
            concurrent_build_limit=1,
            timeout_in_minutes=steps_project.TIMEOUT_MIN,
        )
        self.project.node.add_dependency(logs, role)

    def _allow_catalog(self) -> None:
        """Allow to read all tables, to write the marts, and to commit to the pending hours."""
        city = self._stage.city
        glue = f"arn:aws:glue:{city.region}:{Aws.ACCOUNT_ID}"
        databases = [f"{glue}:database/{name}" for name in (*READ, MARTS, LOOKED_FOR)]
        tables = [f"{glue}:table/{name}/*" for name in (*READ, MARTS)]
        self.role.allow(
            [
                "glue:GetDatabase",
                "glue:GetDatabases",
                "glue:GetPartition",
                "glue:GetPartitions",
                "glue:GetTable",
                "glue:GetTableVersions",
                "glue:GetTables",
            ],
            f"{glue}:catalog",
            *databases,
            *tables,
            why_many=_MANY,
        )
        self.role.allow(
            [
                "glue:BatchCreatePartition",
                "glue:BatchDeletePartition",
                "glue:CreateTable",
                "glue:DeleteTable",
                "glue:DeleteTableVersion",
            ],
            f"{glue}:catalog",
            f"{glue}:database/{MARTS}",
            f"{glue}:table/{MARTS}/*",
            why_many="dbt makes its models' tables, and others beside them which take their place",
        )
        self.role.allow(
            ["glue:UpdateTable"],
            f"{glue}:catalog",
            f"{glue}:database/{MARTS}",
            f"{glue}:table/{MARTS}/*",
            f"{glue}:database/curated",
            f"{glue}:table/curated/{PENDING}",
            why_many="dbt makes its models' tables, and others beside them which take their place",
        )

    def _allow_objects(self) -> None:
        city = self._stage.city
        buckets = (city.raw_bucket, city.lake_bucket, city.results_bucket, city.docs_bucket)
        raw, lake, results, docs = (f"arn:aws:s3:::{name}" for name in buckets)
        self.role.allow(["s3:GetBucketLocation", "s3:ListBucket"], raw, lake, results)
        self.role.allow(
            ["s3:GetObject"],
            *(f"{raw}/{prefix}*" for prefix in PREFIXES.values()),
            f"{lake}/*",
            f"{results}/{PIPELINE_RESULTS}*",
            why_many=_MANY,
        )
        self.role.allow(
            ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"],
            f"{lake}/{MARTS}/*",
            f"{lake}/curated/{PENDING}/*",
            f"{lake}/{PLAN_KEY.format('*')}",
            f"{lake}/{KEY}",
            f"{lake}/{USUAL_KEY}",
            f"{results}/{PIPELINE_RESULTS}*",
            f"{docs}/{DOCS_PREFIX}*",
            why_many=_NAMES,
        )
        self.role.allow(["s3:DeleteObject"], f"{lake}/{MARTS}/*", why_many="dbt deletes what a table held before")
        self.role.allow(["kms:Decrypt", "kms:GenerateDataKey"], self._buckets.lake_key.key_arn)
        self.role.allow(["kms:Decrypt"], self._buckets.raw_key.key_arn)

    def _allow_queries(self) -> None:
        city = self._stage.city
        self.role.allow(
            [
                "athena:GetQueryExecution",
                "athena:GetQueryResults",
                "athena:GetWorkGroup",
                "athena:StartQueryExecution",
                "athena:StopQueryExecution",
            ],
            f"arn:aws:athena:{city.region}:{Aws.ACCOUNT_ID}:workgroup/{city.workgroup}",
        )
