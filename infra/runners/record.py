"""The record of a run: one JSON object in the lake bucket, for `status` and for whoever looks later."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import boto3

from infra.runners.events import RunReport

PREFIX = "runs/"


def name_of(started: datetime) -> str:
    """Return the name of a run that started then."""
    return f"{started:%Y-%m-%dT%H-%M-%S-%fZ}"


def write(report: RunReport, lake_bucket: str) -> str:
    """Write the record and return its address; it is named for the start of the run."""
    key = f"{PREFIX}{name_of(report.started)}.json"
    body = json.dumps(asdict(report), default=_json, indent=1)
    boto3.client("s3").put_object(Bucket=lake_bucket, Key=key, Body=body.encode(), ContentType="application/json")
    return f"s3://{lake_bucket}/{key}"


def latest(lake_bucket: str, count: int = 10) -> list[dict[str, Any]]:
    """Return the last records, the latest first, as they were written."""
    s3 = boto3.client("s3")
    # Not the plans, which lie in a folder below.
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=lake_bucket, Prefix=PREFIX, Delimiter="/")
    keys = sorted((entry["Key"] for page in pages for entry in page.get("Contents", ())), reverse=True)
    return [json.loads(s3.get_object(Bucket=lake_bucket, Key=key)["Body"].read()) for key in keys[:count]]


def _json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a run record holds no {type(value).__name__}")
