"""The stack of the lake."""

from pathlib import Path
from typing import Any

from aws_cdk import Stack
from constructs import Construct

from infra.aws.defaults import outputs
from infra.aws.lake.databases import Databases
from infra.aws.lake.jobs import GlueJobs
from infra.aws.lake.readers import Readers
from infra.aws.lake.workgroups import Workgroups
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from infra.pipeline import GLUE_JOBS


class LakeStack(Stack):
    """From what landed to answers."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        packages: Path,
        requirements: Path,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Make databases, the jobs that fill them with the code of the two files, and what people query them by."""
        super().__init__(scope, construct_id, **kwargs)
        Databases(self, "Databases", stage=stage)
        GlueJobs(self, "Jobs", stage=stage, buckets=buckets, packages=packages, requirements=requirements)
        Workgroups(self, "Workgroups", stage=stage, lake_key=buckets.lake_key)
        readers = Readers(self, "Readers", stage=stage, lake_key=buckets.lake_key)
        city = stage.city
        outputs(
            self,
            {
                "AnalystsWorkgroup": (city.analysts_workgroup, "where analysts query marts, reference and curated"),
                "AnalystsPolicy": (readers.analysts.managed_policy_arn, "to be attached to the roles of analysts"),
                "PlannersWorkgroup": (city.planners_workgroup, "where planners and dashboards query marts"),
                "PlannersPolicy": (readers.planners.managed_policy_arn, "to be attached to the roles of planners"),
                "PipelineWorkgroup": (city.workgroup, "where the hourly run queries"),
                **{
                    f"{target.title().replace('_', '')}Job": (city.glue_job(target), step.description)
                    for target, step in GLUE_JOBS.items()
                },
            },
        )
