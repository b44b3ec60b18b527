"""What the functions reach, made once per process and kept while it is warm."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from ingestion.alerts import store
from ingestion.alerts.function_settings import settings
from ingestion.alerts.published import Published
from ingestion.alerts.reference import KEY, NOTHING, USUAL_KEY, Reference, Usual, decode, decode_usual


@cache
def kinesis() -> Any:  # noqa: ANN401 — boto3 clients have no type
    """Return the client of the streams."""
    return boto3.client("kinesis")


@cache
def state_table() -> store.Table:
    """Return the table `sensor_state`."""
    client = boto3.client("dynamodb", config=Config(max_pool_connections=store.WRITERS))
    return store.Table(client, settings().state_table)


def reference() -> Reference:
    """Return the sensors and segments that the pipeline published last; none before the first time."""
    return _reference().value()


def usual() -> Usual:
    """Return what is usual, as the pipeline published it last; nothing before the first time."""
    return _usual().value()


@cache
def _reference() -> Published[Reference]:
    return Published(boto3.client("s3"), settings().lake_bucket, KEY, decode, NOTHING)


@cache
def _usual() -> Published[Usual]:
    return Published(boto3.client("s3"), settings().lake_bucket, USUAL_KEY, decode_usual, {})
