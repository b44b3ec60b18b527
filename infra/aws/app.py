"""The CDK app of a stage, and its templates on disk."""

import tempfile
from pathlib import Path
from typing import Any

from aws_cdk import App, Environment, Tags, Validations
from aws_cdk import aws_lambda as lambda_
from cdk_nag import AwsSolutionsChecks

from infra.aws.alerts.function_code import write_package
from infra.aws.alerts.stack import AlertsStack
from infra.aws.ingest.stack import IngestStack
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


def synthesize(stage: Stage, folder: Path) -> list[Path]:
    """Write the templates of a stage, with what is uploaded beside them; return the templates' files.

    Needs no account. Raises RuntimeError when a template breaks a rule of cdk-nag's AwsSolutions or a schema, and
    CalledProcessError when the functions' package cannot be made.
    """
    app = App(outdir=str(folder), context=FLAGS, analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with tempfile.TemporaryDirectory() as work:
        code = lambda_.Code.from_asset(str(write_package(Path(work))))
        _add_stacks(app, stage, code, write_step_files(Path(work) / "steps"))
    # The budget counts what has the tag of the stage.
    for name, value in {**stage.tags, "stage": stage.city.stage}.items():
        Tags.of(app).add(name, value)
    return [Path(stack.template_full_path) for stack in app.synth().stacks_recursively]


def _add_stacks(app: App, stage: Stage, code: lambda_.Code, step_files: Path) -> None:
    prefix = stage.city.prefix
    common: dict[str, Any] = {
        "stage": stage,
        # The account is that of the credentials which it is deployed with.
        "env": Environment(region=stage.city.region),
        "termination_protection": stage.keeps_data,
    }
    storage = StorageStack(app, f"{prefix}-storage", **common)
    if stage.replica_region:
        elsewhere = common | {"env": Environment(region=stage.replica_region)}
        storage.add_stack_dependency(ReplicaStack(app, f"{prefix}-replica", **elsewhere))
    buckets = storage.buckets
    streams = IngestStack(app, f"{prefix}-ingest", buckets=buckets, **common).streams
    AlertsStack(app, f"{prefix}-alerts", buckets=buckets, streams=streams, code=code, **common)
    PipelineStack(app, f"{prefix}-pipeline", buckets=buckets, files=step_files, **common)
    watch = WatchStack(app, f"{prefix}-watch", buckets=buckets, **common)
    budget = BudgetStack(app, f"{prefix}-budget", **common | {"env": Environment(region=BudgetStack.REGION)})
    budget.add_stack_dependency(watch)
