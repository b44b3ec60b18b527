"""The Glue jobs: one for each entry point of `glue_jobs`."""

from pathlib import Path

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from glue_jobs.session import glue_settings
from infra.aws.defaults import RotatedKey, log_group
from infra.aws.lake.job_access import ACCESS
from infra.aws.lake.job_code import script
from infra.aws.lake.job_role import JobRole
from infra.aws.stages import Stage, plan_of
from infra.aws.storage.buckets import Buckets
from infra.pipeline import GLUE_JOBS, GLUE_VERSION, Step, parameters
from infra.settings import CitySettings

_LOGS = ("error", "output")


class JobSecurity(Construct):
    """What is encrypted of a job besides its tables: logs, and bookmarks should a job ever keep one."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, lake_key: kms.IKey) -> None:
        """Make the key of the logs and the security configuration `trafficlake-<stage>-jobs`."""
        super().__init__(scope, construct_id)
        city = stage.city
        self.name = f"{city.prefix}-jobs"
        self.key = RotatedKey(self, "Key", stage=stage, purpose="jobs")
        groups = f"arn:aws:logs:{city.region}:{Aws.ACCOUNT_ID}:log-group:{self.log_group('*', '*')}"
        # "Encrypt log data in CloudWatch Logs using AWS Key Management Service"
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{city.region}.amazonaws.com")],
                actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )
        self.configuration = glue.CfnSecurityConfiguration(
            self,
            "Configuration",
            name=self.name,
            encryption_configuration={
                "s3Encryptions": [{"s3EncryptionMode": "SSE-KMS", "kmsKeyArn": lake_key.key_arn}],
                "cloudWatchEncryption": {"cloudWatchEncryptionMode": "SSE-KMS", "kmsKeyArn": self.key.key_arn},
                "jobBookmarksEncryption": {"jobBookmarksEncryptionMode": "CSE-KMS", "kmsKeyArn": self.key.key_arn},
            },
        )

    def log_group(self, role: str, kind: str) -> str:
        """Return the group that Glue logs a role's jobs to ("Log group naming with security configuration")."""
        return f"/aws-glue/jobs/{self.name}-role/{role}/{kind}"


class GlueJob(Construct):
    """A job, with its role and its logs. Who starts it says which hours; the rest it knows."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        step: Step,
        security: JobSecurity,
        buckets: Buckets,
        packages: assets.Asset,
        requirements: assets.Asset,
    ) -> None:
        """Make the job `step.target`."""
        super().__init__(scope, construct_id)
        city = stage.city
        code = assets.Asset(self, "Script", path=str(script(step.target)))
        self.allowed = JobRole(self, "Role", stage=stage, access=ACCESS[step.target], buckets=buckets)
        self.allowed.allow_code([code, packages, requirements])
        self._allow_logs(stage, security)
        # "Encrypting data written by AWS Glue"
        self.allowed.allow(
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"], security.key.key_arn
        )
        job = glue.CfnJob(
            self,
            "Job",
            name=city.glue_job(step.target),
            description=step.description,
            role=self.allowed.role_arn,
            command={"name": "glueetl", "pythonVersion": "3", "scriptLocation": code.s3_object_url},
            glue_version=GLUE_VERSION,
            worker_type="G.1X",
            number_of_workers=plan_of(stage).resources.glue.workers,
            execution_property={"maxConcurrentRuns": 1},
            # Whoever starts it repeats it: the state machine, by what infra.pipeline says.
            max_retries=0,
            timeout=step.timeout_s // 60,
            security_configuration=security.name,
            default_arguments={
                "--job-language": "python",
                "--job-bookmark-option": "job-bookmark-disable",
                "--datalake-formats": "iceberg",
                "--conf": conf(city),
                "--extra-py-files": packages.s3_object_url,
                "--additional-python-modules": requirements.s3_object_url,
                "--python-modules-installer-option": "-r",
                **{f"--{name}": value for name, value in known_arguments(step, city).items()},
            },
        )
        job.add_resource_dependency(security.configuration)

    def _allow_logs(self, stage: Stage, security: JobSecurity) -> None:
        for kind in _LOGS:
            name = security.log_group(self.allowed.role_name, kind)
            group = log_group(self, kind.capitalize(), stage=stage, name=name, key=security.key)
            # Glue asks for the group and its key even where they are there already.
            self.allowed.allow(
                ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                group.log_group_arn,
            )


class GlueJobs(Construct):
    """All jobs, on the code that they share."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        packages: Path,
        requirements: Path,
    ) -> None:
        """Make them; `packages` and `requirements` are files of `infra.aws.lake.job_code`."""
        super().__init__(scope, construct_id)
        security = JobSecurity(self, "Security", stage=stage, lake_key=buckets.lake_key)
        shared = {
            "packages": assets.Asset(self, "Packages", path=str(packages)),
            "requirements": assets.Asset(self, "Requirements", path=str(requirements)),
        }
        made = {
            target: GlueJob(self, target, stage=stage, step=step, security=security, buckets=buckets, **shared)
            for target, step in GLUE_JOBS.items()
        }
        made["curate_readings"].allowed.allow_landing()
        made["curate_readings"].allowed.allow_data_docs()


def conf(city: CitySettings) -> str:
    """Return what Spark is to know when it starts, as the one value that Glue takes for all of it."""
    return " --conf ".join(f"{name}={value}" for name, value in glue_settings(city.lake_bucket).items())


def known_arguments(step: Step, city: CitySettings) -> dict[str, str]:
    """Return those arguments of a step that are the city's; the hours are a run's."""
    values = parameters(city)
    named = {name: template.strip("{}") for name, template in step.arguments.items()}
    return {name: values[parameter] for name, parameter in named.items() if parameter in values}
