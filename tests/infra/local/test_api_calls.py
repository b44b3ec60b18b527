"""What boto3 asks for is read from its request: the operation that was called, and what names resources."""

from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from infra.local.api_calls import Request, read_call

OBJECT = {"Bucket": "b", "Key": "dt=2024-01-01/a b+c.parquet"}
PART = OBJECT | {"UploadId": "u", "PartNumber": 1}


class Sent(Exception):
    """Carries a request that was about to be sent."""


def stop(request, **_):
    raise Sent(request)


def request_of(service, operation, arguments):
    """Return the request that boto3 would send for a call, signed with the key `someone`."""
    keys = {"aws_access_key_id": "someone", "aws_secret_access_key": "-"}
    config = Config(s3={"addressing_style": "path"})
    client = boto3.client(service, endpoint_url="http://127.0.0.1:1", region_name="us-east-1", config=config, **keys)
    client.meta.events.register("before-send", stop)
    with pytest.raises(Sent) as stopped:
        getattr(client, operation)(**arguments)
    (request,) = stopped.value.args
    url = urlsplit(request.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    return Request(request.method, url.path, url.query, headers, body if isinstance(body, bytes) else body.encode())


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "called", "names"),
    [
        ("s3", "get_object", OBJECT, "GetObject", OBJECT),
        ("s3", "head_object", OBJECT, "HeadObject", OBJECT),
        ("s3", "put_object", OBJECT | {"Body": b"secret"}, "PutObject", OBJECT),
        ("s3", "copy_object", OBJECT | {"CopySource": "b2/a b"}, "CopyObject", OBJECT | {"CopySource": "b2/a b"}),
        ("s3", "upload_part", PART | {"Body": b""}, "UploadPart", OBJECT),
        ("s3", "create_multipart_upload", OBJECT, "CreateMultipartUpload", OBJECT),
        ("s3", "complete_multipart_upload", OBJECT | {"UploadId": "u"}, "CompleteMultipartUpload", OBJECT),
        ("s3", "abort_multipart_upload", OBJECT | {"UploadId": "u"}, "AbortMultipartUpload", OBJECT),
        ("s3", "list_parts", OBJECT | {"UploadId": "u"}, "ListParts", OBJECT),
        ("s3", "delete_object", OBJECT, "DeleteObject", OBJECT),
        (
            "s3",
            "delete_objects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "z&"}, {"Key": "a"}]}},
            "DeleteObjects",
            {"Bucket": "b", "Keys": ["a", "z&"]},
        ),
        ("s3", "list_objects", {"Bucket": "b"}, "ListObjects", {"Bucket": "b"}),
        ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "p/"}, "ListObjectsV2", {"Bucket": "b", "Prefix": "p/"}),
        ("s3", "head_bucket", {"Bucket": "b"}, "HeadBucket", {"Bucket": "b"}),
        ("s3", "get_bucket_location", {"Bucket": "b"}, "GetBucketLocation", {"Bucket": "b"}),
        ("s3", "list_buckets", {}, "ListBuckets", {}),
        ("lambda", "invoke", {"FunctionName": "f", "Payload": b"1"}, "Invoke", {"FunctionName": "f"}),
        ("lambda", "invoke", {"FunctionName": "arn:aws:lambda:r:1:function:f"}, "Invoke", None),
        ("lambda", "get_function_configuration", {"FunctionName": "f"}, "GetFunctionConfiguration", None),
        ("iot-data", "update_thing_shadow", {"thingName": "t", "payload": b"{}"}, "UpdateThingShadow", {}),
        (
            "kinesis",
            "put_records",
            {"StreamName": "s", "Records": [{"Data": b"reading", "PartitionKey": "sensor"}]},
            "PutRecords",
            {"StreamName": "s"},
        ),
        (
            "dynamodb",
            "get_item",
            {"TableName": "t", "Key": {"id": {"S": "sensor"}}},
            "GetItem",
            {"TableName": "t"},
        ),
        (
            "dynamodb",
            "batch_get_item",
            {"RequestItems": {"t": {"Keys": [{"id": {"S": "sensor"}}]}}},
            "BatchGetItem",
            {"Tables": ["t"]},
        ),
        (
            "dynamodb",
            "transact_write_items",
            {"TransactItems": [{"Put": {"TableName": "t", "Item": {}}}, {"Put": {"TableName": "t", "Item": {}}}]},
            "TransactWriteItems",
            {"Puts": ["t"]},
        ),
        ("glue", "get_table", {"DatabaseName": "d", "Name": "t"}, "GetTable", {"DatabaseName": "d", "Name": "t"}),
        (
            "athena",
            "start_query_execution",
            {"QueryString": "select 1", "WorkGroup": "w"},
            "StartQueryExecution",
            {"WorkGroup": "w"},
        ),
        ("sqs", "send_message", {"QueueUrl": "http://h/1/q", "MessageBody": "m"}, "SendMessage", None),
        ("sns", "publish", {"TopicArn": "arn:t", "Message": "m"}, "Publish", {}),
        (
            "events",
            "put_events",
            {"Entries": [{"EventBusName": "bus", "Detail": "{}", "DetailType": "d", "Source": "s"}]},
            "PutEvents",
            {"Buses": ["bus"]},
        ),
    ],
)
def test_an_operation_is_read_from_its_request_with_the_names_of_resources_only(
    service, operation, arguments, called, names
):
    call = read_call(request_of(service, operation, arguments))
    assert (call.principal, call.operation) == ("someone", called)
    assert names is None or call.names == names


def test_a_presigned_request_is_that_of_its_signer_and_an_unsigned_one_of_nobody():
    query = "X-Amz-Credential=someone%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
    call = read_call(Request("GET", "/b/k", query, {}, b""))
    assert (call.principal, call.operation, call.names) == ("someone", "GetObject", {"Bucket": "b", "Key": "k"})
    assert read_call(Request("GET", "/b/k", "", {}, b"")) is None


def test_what_no_model_knows_is_not_taken_for_something_else():
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/lambda/aws4_request, ..."}
    assert read_call(Request("PUT", "/2015-03-31/unheard", "", signed, b"")).operation == "PUT /2015-03-31/unheard"
