"""The AWS account that credentials lead to, and what must be there before the CDK toolkit can work in it."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound, TokenRetrievalError

from infra.errors import FailedError, UsageError

# What `cdk bootstrap` leaves in a region ("Bootstrapping"); the qualifier is the CDK's own.
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
AWS_HOST = ".amazonaws.com"  # China has a partition of its own, and other ARNs
# States of a stack that never was in use ("Stack status codes").
NEVER_FINISHED = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
_SIGN_IN = "sign in first, such as by `aws sso login --profile NAME`, and `export AWS_PROFILE=NAME`. Nothing was done."


@dataclass(frozen=True)
class Account:
    """An account, and who the credentials say is there."""

    id: str
    caller: str


def refuse_local_endpoint() -> None:
    """Raise UsageError while the environment points AWS clients at an endpoint of its own: that is no account."""
    found = sorted(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL") and os.environ[name])
    if found:
        raise UsageError(f"{', '.join(found)} is set, so this would not reach AWS: unset it. Nothing was done.")


def current(region: str) -> Account:
    """Return the account of the credentials in this environment.

    Raises UsageError for an endpoint that is not AWS, and FailedError where there are no credentials or AWS does not
    take them.
    """
    refuse_local_endpoint()
    try:
        client = boto3.client("sts", region_name=region)
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if not host.endswith(AWS_HOST):  # a profile may name an endpoint too
            raise UsageError(
                f"the AWS configuration leads to {host}, which is not AWS or is China's, for which this is not made. "
                "Nothing was done."
            )
        identity = client.get_caller_identity()
    except (NoCredentialsError, ProfileNotFound, TokenRetrievalError) as error:
        raise FailedError(f"there are no AWS credentials ({error}): {_SIGN_IN}") from error
    except ClientError as error:
        raise FailedError(f"AWS does not take the credentials ({error}): {_SIGN_IN}") from error
    return Account(identity["Account"], identity["Arn"])


def is_bootstrapped(region: str) -> bool:
    """Tell whether the CDK toolkit has what it needs in a region of the account."""
    ssm = boto3.client("ssm", region_name=region)
    try:
        ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)
    except ssm.exceptions.ParameterNotFound:
        return False
    return True


def protected_stacks(region: str, names: Collection[str]) -> list[str]:
    """Return those of the stacks in a region that are there and that CloudFormation does not delete."""
    return sorted(stack["StackName"] for stack in _protected(region, names))


def unfinished_protected_stacks(region: str, names: Collection[str]) -> list[str]:
    """Return those of the stacks in a region whose first deployment failed and that CloudFormation does not delete.

    They cannot be updated: the toolkit deletes such a stack before it makes it again.
    """
    return sorted(stack["StackName"] for stack in _protected(region, names) if stack["StackStatus"] in NEVER_FINISHED)


def _protected(region: str, names: Collection[str]) -> Iterator[dict[str, Any]]:
    pages = boto3.client("cloudformation", region_name=region).get_paginator("describe_stacks").paginate()
    stacks = (stack for page in pages for stack in page["Stacks"])
    return (stack for stack in stacks if stack["StackName"] in names and stack.get("EnableTerminationProtection"))
