"""The batch of Kinesis records that Lambda hands to a function."""

from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any

from ingestion.alerts.replay import LogRecord


def records_of(event: Mapping[str, Any]) -> list[LogRecord]:
    """Return the records of an event, in order; Kinesis notes arrivals in milliseconds."""
    return [
        LogRecord(
            kinesis["sequenceNumber"],
            int(kinesis["approximateArrivalTimestamp"] * 1000 + 0.5) * 1000,
            a2b_base64(kinesis["data"]),
        )
        for kinesis in (record["kinesis"] for record in event["Records"])
    ]


def shard_of(event: Mapping[str, Any]) -> str:
    """Return the shard of an event; all its records are of one."""
    return event["Records"][0]["eventID"].split(":", 1)[0]
