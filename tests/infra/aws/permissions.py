"""What a recorded call needs to be allowed on AWS: IAM actions on resources.

By the Service Authorization Reference; where an action is not called as its operation, the service's own guide says
so. Each need is checked against the table of actions and ARNs that cfn-lint carries, which AWS publishes.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from infra.home.environment import LOCAL_REGION
from infra.local.api_calls import Call
from tests.infra.aws.cloud import Cloud
from tests.infra.aws.references import ACCOUNT


class Need(NamedTuple):
    """An action on a resource, and the condition keys that the request has."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


# (action, uses of the bucket's key) on an object; "Multipart upload API and permissions" in the S3 guide: parts are
# read again before they become one object.
_ON_OBJECTS = {
    "AbortMultipartUpload": ("AbortMultipartUpload", ()),
    "CompleteMultipartUpload": ("PutObject", ("Decrypt", "GenerateDataKey")),
    "CopyObject": ("PutObject", ("GenerateDataKey",)),
    "CreateMultipartUpload": ("PutObject", ("GenerateDataKey",)),
    "DeleteObject": ("DeleteObject", ()),
    "GetObject": ("GetObject", ("Decrypt",)),
    "HeadObject": ("GetObject", ()),
    "ListParts": ("ListMultipartUploadParts", ()),
    "PutObject": ("PutObject", ("GenerateDataKey",)),
    "UploadPart": ("PutObject", ("Decrypt", "GenerateDataKey")),
}
_ON_BUCKETS = {
    "GetBucketLocation": "GetBucketLocation",
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
}
# A transaction and a batch are allowed by what is in them ("DynamoDB API permissions").
_ITEM_ACTIONS = {
    "Checks": "ConditionCheckItem",
    "Deletes": "DeleteItem",
    "Gets": "GetItem",
    "Puts": "PutItem",
    "Updates": "UpdateItem",
}
_STREAM_KEYS = {"GetRecords": "Decrypt", "PutRecord": "GenerateDataKey", "PutRecords": "GenerateDataKey"}


def needs(call: Call, cloud: Cloud, *, missing: bool = False) -> list[Need]:
    """Return what a call needs; `missing` when the answer was that an object is not there.

    Raises LookupError for a call of which this module does not know what it needs.
    """
    by_service = _NEEDS.get(call.service)
    if by_service is None:
        raise LookupError(f"what {call.service}:{call.operation} needs is not known: add it to {__name__}")
    found = [Need(*each) for each in by_service(call, cloud)]
    if missing and call.operation in ("GetObject", "HeadObject"):
        # Who may not list the bucket is told that access is denied ("GetObject", permissions).
        found.append(Need("s3:ListBucket", f"arn:aws:s3:::{call.names['Bucket']}"))
    for need in found:
        _check(need)
    return found


def _arn(service: str, resource: str) -> str:
    return resource if resource.startswith("arn:") else f"arn:aws:{service}:{LOCAL_REGION}:{ACCOUNT}:{resource}"


def _with_key(cloud: Cloud, resource: str, uses: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the uses of a resource's key of our own, if it has one."""
    if resource in cloud.keys:
        yield from ((f"kms:{use}", cloud.keys[resource]) for use in uses)


def _s3(call: Call, cloud: Cloud) -> Iterator[tuple]:
    bucket = f"arn:aws:s3:::{call.names['Bucket']}" if "Bucket" in call.names else "*"
    if call.operation == "DeleteObjects":
        yield from (("s3:DeleteObject", f"{bucket}/{key}") for key in call.names["Keys"])
    elif call.operation in _ON_OBJECTS:
        action, uses = _ON_OBJECTS[call.operation]
        yield f"s3:{action}", f"{bucket}/{call.names['Key']}"
        yield from _with_key(cloud, bucket, uses)
    else:
        prefix = (("s3:prefix", call.names["Prefix"]),) if "Prefix" in call.names else ()
        yield f"s3:{_ON_BUCKETS.get(call.operation, call.operation)}", bucket, prefix
    if "CopySource" in call.names:
        source = f"arn:aws:s3:::{call.names['CopySource'].lstrip('/').partition('?')[0]}"
        yield "s3:GetObject", source
        yield from _with_key(cloud, source.partition("/")[0], ["Decrypt"])


def _kinesis(call: Call, cloud: Cloud) -> Iterator[tuple]:
    stream = call.names.get("StreamARN") or _arn("kinesis", f"stream/{call.names['StreamName']}")
    yield f"kinesis:{call.operation}", stream
    yield from _with_key(cloud, stream, filter(None, [_STREAM_KEYS.get(call.operation)]))


def _dynamodb(call: Call, cloud: Cloud) -> Iterator[tuple]:
    def table(name: str) -> str:
        return _arn("dynamodb", f"table/{name}")

    for kind, action in _ITEM_ACTIONS.items():
        yield from ((f"dynamodb:{action}", table(name)) for name in call.names.get(kind, []))
    for name in call.names.get("Tables", []):
        yield f"dynamodb:{call.operation}", table(name)
    if "TableName" in call.names:
        index = f"/index/{call.names['IndexName']}" if "IndexName" in call.names else ""
        yield f"dynamodb:{call.operation}", table(call.names["TableName"]) + index


def _glue_catalog(call: Call, cloud: Cloud) -> Iterator[tuple]:
    """Yield the catalog with the database and the table that are named ("Specifying AWS Glue resource ARNs")."""
    action, names = f"glue:{call.operation}", call.names
    kinds = _table()["glue"]["Actions"][call.operation.lower()].get("Resources", [])
    database = names.get("DatabaseName") or ("table" not in kinds and names.get("Name"))
    table = names.get("TableName") or names.get("Name")
    yield action, _arn("glue", "catalog")
    if database:
        yield action, _arn("glue", f"database/{database}")
    if "table" in kinds and database:
        # A list of tables is one of all of them.
        yield action, _arn("glue", f"table/{database}/{table or '*'}")


def _named(member: str, resource: str, **renamed: str) -> Callable[[Call, Cloud], Iterator[tuple]]:
    """Return the needs of a service whose calls act on one resource, which is called by a member of the request."""

    def found(call: Call, cloud: Cloud) -> Iterator[tuple]:
        # A queue is called by its URL.
        name = call.names[member].rpartition("/")[2] if member == "QueueUrl" else call.names[member]
        action = renamed.get(call.operation, call.operation)
        arn = name if name.startswith("arn:") else _arn(call.service, resource + name)
        yield f"{call.service}:{action}", arn

    return found


def _events(call: Call, cloud: Cloud) -> Iterator[tuple]:
    for bus in call.names["Buses"]:
        yield f"events:{call.operation}", _arn("events", bus if bus.startswith("arn:") else f"event-bus/{bus}")


def _metrics(call: Call, _cloud: Cloud) -> Iterator[tuple]:
    yield f"cloudwatch:{call.operation}", "*", (("cloudwatch:namespace", call.names.get("Namespace", "")),)


def _identity(call: Call, _cloud: Cloud) -> Iterator[tuple]:
    # "No permissions are required to perform this operation."
    if call.operation != "GetCallerIdentity":
        yield f"sts:{call.operation}", "*"


_NEEDS: dict[str, Callable[[Call, Cloud], Iterator[tuple]]] = {
    "athena": _named("WorkGroup", "workgroup/"),
    "dynamodb": _dynamodb,
    "events": _events,
    "glue": _glue_catalog,
    "kinesis": _kinesis,
    "lambda": _named("FunctionName", "function:", Invoke="InvokeFunction"),
    "monitoring": _metrics,
    "s3": _s3,
    "sqs": _named("QueueUrl", ""),
    "sts": _identity,
}


@cache
def _table() -> dict[str, Any]:
    return json.loads((files("cfnlint.data.AdditionalSpecs") / "Policies.json").read_text())


def _check(need: Need) -> None:
    """Raise LookupError for what IAM does not know: an action, or one on such a resource."""
    service, _, name = need.action.partition(":")
    known = _table()[service]
    if name.lower() not in known["Actions"]:
        raise LookupError(f"IAM has no action {need.action}")
    kinds = known["Actions"][name.lower()].get("Resources", [])
    if need.action == "cloudwatch:PutMetricData":
        # Metrics are put into a namespace; only those that are put into a data set have a resource.
        kinds = []
    formats = [text for kind in kinds for text in known["Resources"][kind]["ARNFormats"]]
    patterns = [re.sub(r"\$\{\w+\}", "[^:]*", text) for text in formats] or [r"\*"]
    if not any(re.fullmatch(pattern, need.resource) for pattern in patterns):
        raise LookupError(f"{need.action} is not an action on {need.resource}")
