"""What a sender reports, and its own counts in `raw.sent_batches`, which the landed rows are reconciled with."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.contract.arrow import table_schema
from ingestion.contract.landing import PREFIXES, hour_path

# Called with the number of documents dealt with since the last call.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Sent:
    """Documents sent and not sent, seconds taken, and why documents were not sent: reason → documents."""

    sent: int
    failed: int
    seconds: float
    reasons: dict[str, int] = field(default_factory=dict)


class SentBatch(NamedTuple):
    """Grain: one batch and arrival hour. Times are aware; a document is a landed row or a conversion error."""

    batch_id: str
    documents: int
    first_sent_at: datetime
    last_sent_at: datetime
    via: str


def write_sent(s3: Any, bucket: str, arrival: datetime, name: str, batch: SentBatch) -> None:  # noqa: ANN401
    """Write one batch's counts under the hour of its arrival; an object of the same name is replaced."""
    utc = [value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value for value in batch]
    table = pa.Table.from_pylist(
        [dict(zip(SentBatch._fields, utc, strict=True))], schema=table_schema("raw.sent_batches")
    )
    body = io.BytesIO()
    pq.write_table(table, body)
    s3.put_object(Bucket=bucket, Key=f"{PREFIXES['sent']}{hour_path(arrival)}{name}.parquet", Body=body.getvalue())
