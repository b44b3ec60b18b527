"""Creating what may be there already: each of these is safe to repeat."""

import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import ClientError

EXISTS = (
    "AlreadyExistsException",
    "BucketAlreadyOwnedByYou",
    "ConflictException",
    "EntityAlreadyExists",
    "ResourceAlreadyExistsException",
    "ResourceConflictException",
    "ResourceExistsException",
    "ResourceInUseException",
)


def unless_exists(create: Callable[..., Any], **arguments: Any) -> bool:  # noqa: ANN401 — the API's own arguments
    """Call a create function; return False where its resource exists already."""
    try:
        create(**arguments)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code not in EXISTS and "already" not in message:
            raise
        return False
    return True


def waited_stream(name: str) -> None:
    """Create a stream of one shard and wait until it is there."""
    kinesis = boto3.client("kinesis")
    if unless_exists(kinesis.create_stream, StreamName=name, ShardCount=1):
        kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def role_arn(name: str, *services: str) -> str:
    """Return the address of a role that services may take on."""
    iam = boto3.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole"}],
    }
    unless_exists(iam.create_role, RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    return iam.get_role(RoleName=name)["Role"]["Arn"]
