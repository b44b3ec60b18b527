"""The batch of Kinesis records that Lambda hands to a function."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from ingestion.alerts.replay import LogRecord


def records_of(event: Mapping[str, Any]) -> list[LogRecord]:
    """Return the records of an event, in order."""
    return [
        LogRecord(
            record["kinesis"]["sequenceNumber"],
            round(record["kinesis"]["approximateArrivalTimestamp"] * 1_000_000),
            b64decode(record["kinesis"]["data"]),
        )
        for record in event["Records"]
    ]


def shard_of(event: Mapping[str, Any]) -> str:
    """Return the shard of an event; all its records are of one."""
    return event["Records"][0]["eventID"].split(":", 1)[0]
