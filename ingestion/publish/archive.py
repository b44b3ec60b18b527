"""The way in for history: documents straight into the landing layout, each under the hour of its own arrival.

What Firehose would have written had the readings come live: the same conversion, Parquet objects by arrival hour,
error lines for what does not convert. A document's arrival is its `received_at` where that can be true, else its own
time, else now: nothing arrives in the future or before 2000, and curation says why it rejects such a reading. What
does not convert and has no such time of its own arrives with its neighbour: the last document before it that has one,
else the first after it. As the platform does on arrival, the archive notes the arrival it decided on in `received_at`;
a reading without any time stays without, so that curation can spread such readings over their objects.

Objects are named by their oldest arrival, as Firehose's are, and by their content, their counts in
`raw.sent_batches` likewise: the same input again replaces both.
"""

import hashlib
import io
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import boto3
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.config import Config

from ingestion.contract.glue import landing_columns
from ingestion.contract.landing import PREFIXES, hour_path, object_name
from ingestion.json_records import ConversionFailure, convert_payloads, error_line
from ingestion.publish.sent import Progress, Sent, SentBatch, write_sent
from ingestion.timestamps import parse_timestamp

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
DOCUMENTS_PER_STEP = 20_000
# Sent bytes that are grouped into objects together: an object holds one hour of them, so it is smaller still.
BYTES_PER_CHUNK = 256 << 20
_UPLOADS = 4
_HOUR_US = 3_600_000_000
_TIMES = ("received_at", "timestamp")


class _Failed(NamedTuple):
    """A document that did not convert; no arrival (microseconds since 1970): none before it has a time either."""

    failure: ConversionFailure
    arrival: int | None


class _Part(NamedTuple):
    """Converted documents of one step; `arrivals` (microseconds since 1970) are parallel to `rows`."""

    rows: pa.Table
    arrivals: pa.Array
    failed: list[_Failed]


@dataclass
class _Neighbours:
    """The arrivals of the first and of the last document so far that says itself when it arrived."""

    first: int | None = None
    last: int | None = None

    def passed(self, arrivals: pa.Array) -> None:
        """Take note of further documents, null for those that do not say."""
        said = arrivals.drop_null()
        if len(said):
            self.first = said[0].as_py() if self.first is None else self.first
            self.last = said[-1].as_py()


class _Hour(NamedTuple):
    """What goes under one arrival hour. `first` and `last` are arrivals."""

    hour: datetime
    rows: pa.Table
    failed: list[_Failed]
    first: datetime
    last: datetime


def archive(documents: Iterable[bytes], bucket: str, on_progress: Progress | None = None) -> Sent:
    """Write documents into the landing layout of `bucket`, with their counts. Blank documents are nothing.

    Memory is bounded by the chunk, not by the input. Raises botocore's errors; what was written until then is
    complete with its counts, and the same call again replaces it.
    """
    started = time.monotonic()
    now = datetime.now(UTC)
    config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=_UPLOADS)
    s3 = boto3.client("s3", config=config)
    sent = 0
    with ThreadPoolExecutor(_UPLOADS) as pool:
        for chunk in _chunks(documents, now):
            for written in pool.map(lambda hour: _write(s3, bucket, hour), _by_hour(chunk)):
                sent += written
                if on_progress:
                    on_progress(written)
    return Sent(sent, 0, time.monotonic() - started)


def _chunks(documents: Iterable[bytes], now: datetime) -> Iterator[list[_Part]]:
    iterator = iter(documents)
    neighbours = _Neighbours()
    chunk: list[_Part] = []
    size = 0
    while lines := list(islice(iterator, DOCUMENTS_PER_STEP)):
        chunk.append(_convert(lines, now, neighbours))
        size += sum(map(len, lines))
        if size >= BYTES_PER_CHUNK:
            yield _all_arrived(chunk, neighbours.first, now)
            chunk, size = [], 0
    if chunk:
        yield _all_arrived(chunk, neighbours.first, now)


def _convert(lines: list[bytes], now: datetime, neighbours: _Neighbours) -> _Part:
    rows, failures = convert_payloads([line for line in lines if not line.isspace() and line], landing_columns())
    rows, said = _with_arrivals(rows.combine_chunks(), now)
    failed, begin = [], 0
    for failure in failures:
        neighbours.passed(said[begin : failure.rows_before])
        neighbours.passed(pa.array([_own_arrival(failure.raw, now)], pa.int64()))
        failed.append(_Failed(failure, neighbours.last))
        begin = failure.rows_before
    neighbours.passed(said[begin:])
    return _Part(rows, said.fill_null(_microseconds(now)), failed)


def _all_arrived(chunk: list[_Part], first: int | None, now: datetime) -> list[_Part]:
    """Give what comes before every document with a time of its own the arrival of the first one, else now."""
    otherwise = _microseconds(now) if first is None else first
    return [
        part._replace(failed=[_Failed(f, otherwise if arrival is None else arrival) for f, arrival in part.failed])
        for part in chunk
    ]


def _plausible_us(texts: pa.ChunkedArray, now: datetime) -> pa.Array:
    """Return times in microseconds since 1970; null where a text is no time or cannot be an arrival."""
    encoded = texts.dictionary_encode().combine_chunks()
    # Sensors report at the same moments, so each distinct text is read once.
    known = pa.array([_plausible(text, now) for text in encoded.dictionary.to_pylist()], pa.int64())
    return known.take(encoded.indices)


def _plausible(text: str, now: datetime) -> int | None:
    moment, _ = parse_timestamp(text)
    return _microseconds(moment) if moment and EARLIEST <= moment <= now else None


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _with_arrivals(rows: pa.Table, now: datetime) -> tuple[pa.Table, pa.Array]:
    """Return the rows with their arrivals noted in `received_at`, and the arrivals that their own times say.

    Those are in microseconds since 1970; null means now. Nothing is noted where neither an arrival nor a time was
    sent, and a plausible `received_at` stays as it is.
    """
    received, own = (_plausible_us(rows[name], now) for name in _TIMES)
    has_time = pc.or_(pc.is_valid(rows["timestamp"]), pc.is_valid(rows["received_at"]))
    otherwise = pc.if_else(has_time, pa.scalar(now.isoformat()), pa.scalar(None, pa.string()))
    noted = pc.if_else(pc.is_valid(own), rows["timestamp"], otherwise)
    noted = pc.if_else(pc.is_valid(received), rows["received_at"], noted)
    return rows.set_column(rows.schema.get_field_index("received_at"), "received_at", noted), pc.coalesce(received, own)


def _own_arrival(raw: bytes, now: datetime) -> int | None:
    """Return the arrival that the times of a document that did not convert say, where it can be read at all."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    lower = {key.lower(): value for key, value in document.items()}
    for name in _TIMES:
        value = lower.get(name)
        known = _plausible(str(value), now) if isinstance(value, str | int | float) else None
        if known is not None:
            return known
    return None


def _by_hour(chunk: list[_Part]) -> Iterator[_Hour]:
    """Group a chunk by arrival hour; rows of an hour keep their order."""
    rows = pa.concat_tables([part.rows for part in chunk]).combine_chunks()
    arrivals = pa.concat_arrays([part.arrivals for part in chunk])
    failed: dict[int, list[_Failed]] = {}
    for entry in (entry for part in chunk for entry in part.failed):
        failed.setdefault(entry.arrival // _HOUR_US, []).append(entry)
    hours = pc.divide(arrivals, _HOUR_US)
    if not pc.all(pc.less_equal(hours[:-1], hours[1:])).as_py():
        order = pc.sort_indices(hours)
        hours, arrivals, rows = hours.take(order), arrivals.take(order), rows.take(order)
    runs = pc.run_end_encode(hours)
    start = 0
    for hour, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield _hour(hour, rows.slice(start, end - start), arrivals.slice(start, end - start), failed.pop(hour, []))
        start = end
    for hour, entries in sorted(failed.items()):
        yield _hour(hour, rows.slice(0, 0), arrivals.slice(0, 0), entries)


def _hour(number: int, rows: pa.Table, arrivals: pa.Array, failed: list[_Failed]) -> _Hour:
    extremes = pc.min_max(arrivals).as_py() if rows.num_rows else {}
    arrivals_of_all = [*extremes.values(), *(entry.arrival for entry in failed)]
    return _Hour(_moment(number * _HOUR_US), rows, failed, _moment(min(arrivals_of_all)), _moment(max(arrivals_of_all)))


def _write(s3: Any, bucket: str, hour: _Hour) -> int:  # noqa: ANN401
    """Write one hour of a chunk: errors, rows, counts. Returns the number of documents."""
    body = io.BytesIO()
    pq.write_table(hour.rows, body, compression="snappy")
    digest = hashlib.sha256(body.getvalue())
    for entry in hour.failed:
        digest.update(len(entry.failure.raw).to_bytes(8))
        digest.update(entry.failure.raw)
    content = digest.hexdigest()[:32]
    name, path = object_name("archive", hour.first, content), hour_path(hour.hour)
    if hour.failed:
        table = {"databaseName": "raw", "tableName": "sensor_readings"}
        # The attempt ends on arrival, not now: the same input again writes the same bytes, and is nothing new to a run.
        arrived = [(entry.failure, _moment(entry.arrival)) for entry in hour.failed]
        lines = b"".join(error_line(failure, arrival, arrival, table) for failure, arrival in arrived)
        s3.put_object(Bucket=bucket, Key=f"{PREFIXES['errors']}{path}{name}", Body=lines)
    if hour.rows.num_rows:
        key = f"{PREFIXES['readings']}{path}{name}.parquet"
        s3.put_object(Bucket=bucket, Key=key, Body=body.getvalue())
    documents = hour.rows.num_rows + len(hour.failed)
    write_sent(s3, bucket, hour.hour, name, SentBatch(content, documents, hour.first, hour.last, "archive"))
    return documents
