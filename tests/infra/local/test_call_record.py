"""The endpoint records its calls when it is asked to, each kind of call once."""

import json

import boto3
import pytest
import urllib3

from infra.local import call_record
from infra.local.principals import ATHENA_KEY, SERVICE_KEY, is_own, keys


def test_calls_are_recorded_once_each_with_their_caller_and_what_was_not_there(
    run_endpoint, use_endpoint, tmp_path, monkeypatch
):
    record = tmp_path / "calls.jsonl"
    monkeypatch.setenv(call_record.VARIABLE, str(record))
    with run_endpoint(tmp_path / "state", "--no-athena") as (url, _):
        use_endpoint(url)
        s3 = boto3.client("s3", **keys("a-function"))
        s3.create_bucket(Bucket="bucket")
        for body in (b"one", b"other"):
            s3.put_object(Bucket="bucket", Key="k", Body=body)
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket="bucket", Key="absent")
        urllib3.request("GET", f"{url}/bucket/k")
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line for line in lines if line["principal"] == "a-function"] == [
        {"principal": "a-function", "service": "s3", "operation": operation, "names": names, "missing": missing}
        for operation, names, missing in (
            ("CreateBucket", {"Bucket": "bucket"}, False),
            ("PutObject", {"Bucket": "bucket", "Key": "k"}, False),
            ("GetObject", {"Bucket": "bucket", "Key": "absent"}, True),
        )
    ]


def test_what_the_endpoint_calls_itself_for_others_is_its_own_call():
    def headers(principal, token=None):
        return {"authorization": f"AWS4-HMAC-SHA256 Credential={principal}/20260101/us-east-1/s3/aws4_request"} | (
            {"x-amz-security-token": token} if token else {}
        )

    assert is_own(headers(SERVICE_KEY))
    assert is_own(headers(ATHENA_KEY))
    assert is_own(headers("a-function", keys("a-function")["aws_session_token"]))
    assert not is_own(headers("a-function"))
    assert not is_own(headers("trafficlake-local", "another"))
