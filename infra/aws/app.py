"""The CDK app of a stage, and its templates on disk."""

from pathlib import Path

from aws_cdk import App, Environment, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from infra.aws.stacks import IngestStack, StorageStack
from infra.aws.stages import Stage

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

    Needs no account. Raises RuntimeError when a template breaks a rule of cdk-nag's AwsSolutions or a schema.
    """
    app = build(stage, folder)
    return [Path(stack.template_full_path) for stack in app.synth().stacks_recursively]


def build(stage: Stage, folder: Path) -> App:
    """Return the app of a stage, whose files are written to `folder`."""
    app = App(outdir=str(folder), context=FLAGS, analytics_reporting=False)
    # The account is that of the credentials which it is deployed with.
    environment = Environment(region=stage.city.region)
    prefix = stage.city.prefix
    storage = StorageStack(app, f"{prefix}-storage", stage=stage, env=environment)
    IngestStack(app, f"{prefix}-ingest", stage=stage, buckets=storage.buckets, env=environment)
    for name, value in stage.tags.items():
        Tags.of(app).add(name, value)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app
