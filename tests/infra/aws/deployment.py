"""Deploying synthesised templates by CloudFormation, as the CDK's toolkit does it."""

import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import boto3

from infra.home.environment import LOCAL_REGION
from tests.infra.aws.references import ACCOUNT, stack_name

# What a template of the CDK asks an account for before it lets itself be deployed ("Bootstrapping").
_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
_ALLOWED = {"Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]}


def deploy(templates: Sequence[Path], left_out: Collection[str]) -> None:
    """Create the stacks of templates in their order, with what they need uploaded, but for the types `left_out`.

    Raises as `create` does.
    """
    _bootstrap(templates)
    for path in templates:
        template = json.loads(path.read_text())
        kept = {name: each for name, each in template["Resources"].items() if each["Type"] not in left_out}
        create(stack_name(path), json.dumps(template | {"Resources": kept}))


def create(stack: str, template: str) -> None:
    """Create a stack. Raises ClientError when the template is refused, RuntimeError when something of it fails."""
    boto3.client("cloudformation").create_stack(StackName=stack, TemplateBody=template, **_ALLOWED)
    wait_for(stack, "CREATE_COMPLETE")


def update(stack: str, template: str) -> None:
    """Bring a stack to another template. Raises as `create` does."""
    boto3.client("cloudformation").update_stack(StackName=stack, TemplateBody=template, **_ALLOWED)
    wait_for(stack, "UPDATE_COMPLETE")


def delete(stack: str) -> None:
    """Delete a stack. Raises RuntimeError if something of it cannot be deleted."""
    cloudformation = boto3.client("cloudformation")
    address = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName=stack)
    wait_for(address, "DELETE_COMPLETE")


def physical_ids(stack: str) -> dict[str, str]:
    """Return the physical IDs of a stack's resources by their logical ones."""
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def _bootstrap(templates: Sequence[Path]) -> None:
    """Make what the CDK's own stack makes of an account, as far as these templates use it, and upload their files."""
    boto3.client("ssm").put_parameter(Name=_BOOTSTRAP, Value="30", Type="String", Overwrite=True)
    s3 = boto3.client("s3")
    for template in templates:
        manifest = template.with_name(f"{stack_name(template)}.assets.json")
        for asset in json.loads(manifest.read_text())["files"].values():
            for destination in asset["destinations"].values():
                bucket = destination["bucketName"]
                for variable, value in (("AccountId", ACCOUNT), ("Region", LOCAL_REGION)):
                    bucket = bucket.replace(f"${{AWS::{variable}}}", value)
                s3.create_bucket(Bucket=bucket)
                s3.upload_file(str(template.parent / asset["source"]["path"]), bucket, destination["objectKey"])


def wait_for(stack: str, wanted: str) -> None:
    """Wait until nothing is under way. Raises RuntimeError with what failed, unless the stack is as wanted."""
    cloudformation = boto3.client("cloudformation")
    while (status := cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]).endswith("PROGRESS"):
        time.sleep(0.1)
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    events = [event for page in pages for event in page["StackEvents"]]
    failed = [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    ]
    if failed or status != wanted:
        raise RuntimeError("\n".join([f"stack {stack} is {status}", *failed]))
