"""Lambda function on the stream of readings: judges them and passes them on by segment. Keeps nothing.

A batch that is repeated puts its readings on the second stream again, where a repeat changes nothing.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.alerts import anomalies, metrics, segment_stream
from ingestion.alerts.function_clients import kinesis, reference
from ingestion.alerts.function_settings import settings
from ingestion.alerts.judge import judge
from ingestion.alerts.kinesis_event import records_of
from ingestion.alerts.parts import in_parts
from ingestion.alerts.put_records import put_records
from ingestion.alerts.replay import LogRecord


def handler(event: Mapping[str, Any], _context: object) -> dict[str, list]:
    """Judge the readings of a batch; what is no valid reading is counted, for the batch path keeps it with its reasons.

    Raises ThrottledError, or botocore's errors, when judged readings cannot be passed on: the batch is repeated then.
    """
    return in_parts(records_of(event), _pass_on)


def _pass_on(records: Sequence[LogRecord]) -> None:
    judged = judge([(record.data, record.arrived_us) for record in records], reference(), anomalies.load())
    put_records(
        kinesis(),
        settings().segment_stream,
        [
            {"PartitionKey": key, "Data": data}
            for key, data in segment_stream.packed(judged.readings, time.time_ns() // 1000)
        ],
    )
    metrics.emit(
        {
            "JudgedReadings": len(judged.readings),
            "RejectedReadings": judged.rejected,
            "UnregisteredReadings": judged.unregistered,
        }
    )
