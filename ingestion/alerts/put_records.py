"""Records onto a stream, all of them or an error."""

import random
import time
from collections.abc import Sequence
from typing import Any

# Limits of PutRecords ("Kinesis Data Streams quotas and limits").
RECORDS_PER_CALL = 500
BYTES_PER_CALL = 5 << 20
ATTEMPTS = 6
FIRST_DELAY_S = 0.05


class ThrottledError(RuntimeError):
    """The stream refused records again and again."""


def put_records(kinesis: Any, stream: str, records: Sequence[dict[str, Any]]) -> None:  # noqa: ANN401
    """Put records (arguments of PutRecords), those that are refused again after a growing, random delay.

    Raises ThrottledError when some are refused for the sixth time; the others are on the stream then.
    """
    for batch in _batches(records):
        _put_batch(kinesis, stream, batch)


def _put_batch(kinesis: Any, stream: str, left: list[dict[str, Any]]) -> None:  # noqa: ANN401
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, FIRST_DELAY_S * 2**attempt))  # noqa: S311 — jitter, no secret
        answer = kinesis.put_records(StreamName=stream, Records=left)["Records"]
        reasons = sorted({result["ErrorCode"] for result in answer if "ErrorCode" in result})
        left = [record for record, result in zip(left, answer, strict=True) if "ErrorCode" in result]
        if not left:
            return
    raise ThrottledError(f"{len(left)} records were refused {ATTEMPTS} times: {', '.join(reasons)}")


def _batches(records: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    batches: list[list[dict[str, Any]]] = [[]]
    size = 0
    for record in records:
        record_size = len(record["Data"]) + len(record["PartitionKey"])
        if len(batches[-1]) == RECORDS_PER_CALL or size + record_size > BYTES_PER_CALL:
            batches.append([])
            size = 0
        batches[-1].append(record)
        size += record_size
    return [batch for batch in batches if batch]
