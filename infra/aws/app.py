"""The CDK app of a stage, and its templates on disk."""

import tempfile
from pathlib import Path
from typing import Any

from aws_cdk import App, Environment, Tags, Validations
from aws_cdk import aws_lambda as lambda_
from cdk_nag import AwsSolutionsChecks

from dashboards import spec
from dashboards.quicksight.datasets import ingestions
from infra.aws.alerts.function_code import write_package
from infra.aws.alerts.stack import AlertsStack
from infra.aws.dashboards.stack import DashboardsStack
from infra.aws.ingest.stack import IngestStack
from infra.aws.lake.job_code import write_packages, write_requirements
from infra.aws.lake.stack import LakeStack
from infra.aws.pipeline.stack import PipelineStack
from infra.aws.pipeline.step_files import write_step_files
from infra.aws.stages import Stage
from infra.aws.storage.replica import ReplicaStack
from infra.aws.storage.stack import StorageStack
from infra.aws.watch.stack import BudgetStack, WatchStack

# What the CDK recommends for new apps and does not do unasked.
FLAGS = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:checkSecretUsage": True,
    # A template that CloudFormation's own schemas do not allow is an error.
    "@aws-cdk/core:validateAgainstDefaultRules": True,
}


def synthesize(stage: Stage, folder: Path, account: str | None = None) -> list[Path]:
    """Write the templates of a stage, with what is uploaded beside them; return the templates' files.

    Needs no account; templates that are made for one can be deployed to no other. Raises RuntimeError when a template
    breaks a rule of cdk-nag's AwsSolutions or a schema, and CalledProcessError when the functions' package cannot be
    made.
    """
    app = App(outdir=str(folder), context=FLAGS, analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with tempfile.TemporaryDirectory() as work:
        _add_stacks(app, stage, account, Path(work))
    # The budget counts what has the tag of the stage.
    for name, value in {**stage.tags, "stage": stage.city.stage}.items():
        Tags.of(app).add(name, value)
    return [Path(stack.template_full_path) for stack in app.synth().stacks_recursively]


def _add_stacks(app: App, stage: Stage, account: str | None, work: Path) -> None:
    """Add all stacks; what they upload is written into the folder `work`."""
    prefix = stage.city.prefix
    common: dict[str, Any] = {
        "stage": stage,
        "env": Environment(account=account, region=stage.city.region),
        "termination_protection": stage.keeps_data,
    }
    storage = StorageStack(app, f"{prefix}-storage", **common)
    if stage.replica_region:
        elsewhere = common | {"env": Environment(account=account, region=stage.replica_region)}
        storage.add_stack_dependency(ReplicaStack(app, f"{prefix}-replica", **elsewhere))
    buckets = storage.buckets
    ingest = IngestStack(app, f"{prefix}-ingest", buckets=buckets, **common)
    code = lambda_.Code.from_asset(str(write_package(work)))
    AlertsStack(app, f"{prefix}-alerts", buckets=buckets, streams=ingest.streams, code=code, **common)
    lake = LakeStack(
        app,
        f"{prefix}-lake",
        buckets=buckets,
        packages=write_packages(work),
        requirements=write_requirements(work),
        **common,
    )
    pipeline = PipelineStack(
        app,
        f"{prefix}-pipeline",
        buckets=buckets,
        files=write_step_files(work / "steps"),
        datasets=ingestions(spec.load(), prefix) if stage.quicksight_readers else None,
        **common,
    )
    watch = WatchStack(app, f"{prefix}-watch", buckets=buckets, **common)
    budget = BudgetStack(
        app, f"{prefix}-budget", **common | {"env": Environment(account=account, region=BudgetStack.REGION)}
    )
    budget.add_stack_dependency(watch)
    # Its schedules start as soon as they are made: what a run works on is there by then, and what tells that it failed.
    for needed in (ingest, lake, watch):
        pipeline.add_stack_dependency(needed)
    if stage.quicksight_readers:
        dashboards = DashboardsStack(app, f"{prefix}-dashboards", buckets=buckets, **common)
        # QuickSight tries its connection when it is made.
        dashboards.add_stack_dependency(lake)
        # A run has QuickSight's datasets read anew.
        pipeline.add_stack_dependency(dashboards)
