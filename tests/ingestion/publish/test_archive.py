"""History into the landing layout, on real object storage."""

import base64
import io
import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import boto3
import pyarrow.parquet as pq
import pytest

from ingestion.contract.arrow import landing_schema
from ingestion.publish import archive as module
from ingestion.publish.archive import archive


class Bucket:
    def __init__(self):
        self.name, self.s3 = f"archive-{uuid.uuid4().hex[:8]}", boto3.client("s3")
        self.s3.create_bucket(Bucket=self.name)

    def objects(self, prefix):
        keys = [it["Key"] for it in self.s3.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])]
        return {key: self.s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def rows(self, prefix="readings/"):
        """Return (hour, row) of all rows."""
        return [
            (re.search(r"dt=(\S+)/hour=(\d\d)/", key).group(1, 2), row)
            for key, body in self.objects(prefix).items()
            for row in pq.read_table(io.BytesIO(body)).to_pylist()
        ]

    def errors(self):
        return [
            (re.search(r"dt=(\S+)/hour=(\d\d)/", key).group(1, 2), json.loads(line))
            for key, body in self.objects("errors/format-conversion-failed/").items()
            for line in body.splitlines()
        ]

    def sent(self):
        return sorted((hour, row["documents"]) for hour, row in self.rows("sent/"))


@pytest.fixture
def bucket(endpoint):
    return Bucket()


def reading(timestamp, **values):
    return json.dumps({"sensor_id": "s1", "timestamp": timestamp} | values).encode()


def test_each_reading_lies_under_the_hour_of_its_own_arrival(bucket):
    documents = [
        reading("2026-03-01T10:59:59Z"),
        reading("2026-03-01T12:00:00+01:00"),
        reading("2026-03-01 11:30:00"),
        reading(1772363100),
        reading(1772363100123),
        reading("2026-03-01T02:00:00Z", received_at="2026-03-01T11:15:00.5Z"),
    ]
    sent = archive(documents, bucket.name)
    assert (sent.sent, sent.failed) == (6, 0)
    ten, eleven = ("2026-03-01", "10"), ("2026-03-01", "11")
    assert sorted((hour, row["timestamp"], row["received_at"]) for hour, row in bucket.rows()) == [
        (ten, "2026-03-01T10:59:59Z", "2026-03-01T10:59:59Z"),
        (eleven, "1772363100", "1772363100"),
        (eleven, "1772363100123", "1772363100123"),
        (eleven, "2026-03-01 11:30:00", "2026-03-01 11:30:00"),
        (eleven, "2026-03-01T02:00:00Z", "2026-03-01T11:15:00.5Z"),
        (eleven, "2026-03-01T12:00:00+01:00", "2026-03-01T12:00:00+01:00"),
    ]
    names = sorted(key.rsplit("/", 1)[1] for key in bucket.objects("readings/"))
    assert re.fullmatch(r"archive-1-2026-03-01-10-59-59-[0-9a-f]{32}\.parquet", names[0])
    assert re.fullmatch(r"archive-1-2026-03-01-11-00-00-[0-9a-f]{32}\.parquet", names[1])
    assert bucket.sent() == [(ten, 1), (eleven, 5)]


def test_objects_have_the_landing_schema(bucket):
    archive([reading("2026-03-01T10:00:00Z", vehicle_count=3)], bucket.name)
    (body,) = bucket.objects("readings/").values()
    file = pq.ParquetFile(io.BytesIO(body))
    assert file.schema_arrow == landing_schema()
    assert file.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_what_cannot_have_arrived_then_arrives_now(bucket):
    before = datetime.now(UTC)
    future = (before + timedelta(hours=5)).isoformat()
    documents = [
        reading(future),
        reading("1999-12-31T23:59:59Z"),
        reading("yesterday"),
        reading(None),
        reading("2026-03-01T10:00:00Z", received_at=future),
    ]
    archive(documents, bucket.name)
    rows = {row["timestamp"]: (hour, row["received_at"]) for hour, row in bucket.rows()}
    now_hours = {(f"{moment:%Y-%m-%d}", f"{moment:%H}") for moment in (before, datetime.now(UTC))}
    assert rows.pop("2026-03-01T10:00:00Z") == (("2026-03-01", "10"), "2026-03-01T10:00:00Z")
    assert {hour for hour, _ in rows.values()} <= now_hours
    assert rows[None][1] is None
    for timestamp in (future, "1999-12-31T23:59:59Z", "yesterday"):
        assert before <= datetime.fromisoformat(rows[timestamp][1]) <= datetime.now(UTC)


def test_what_does_not_convert_becomes_error_lines_under_its_hour(bucket):
    mismatch = reading("2026-03-01T10:20:00Z", vehicle_count="many")
    truncated = mismatch[:-3]
    sent = archive([mismatch, reading("2026-03-01T10:40:00Z"), truncated, b"[1]", b" ", b"\xff"], bucket.name)
    assert sent.sent == 5
    assert [row["timestamp"] for _, row in bucket.rows()] == ["2026-03-01T10:40:00Z"]
    errors = {base64.b64decode(error["rawData"]): (hour, error) for hour, error in bucket.errors()}
    assert set(errors) == {mismatch, truncated, b"[1]", b"\xff"}
    hour, error = errors[mismatch]
    assert hour == ("2026-03-01", "10")
    assert error["arrivalTimestamp"] == 1772360400000
    assert error["lastErrorCode"] == "DataFormatConversion.MalformedData"
    assert bucket.sent() == [(("2026-03-01", "10"), 5)]


def test_what_cannot_be_read_arrives_with_its_neighbour(bucket, monkeypatch):
    monkeypatch.setattr(module, "DOCUMENTS_PER_STEP", 2)
    documents = [
        b"first of all",
        b"second of all",
        reading("2026-03-01T10:20:00Z"),
        b"after a reading",
        reading("2026-03-01T11:30:00Z", vehicle_count="many"),
        b"after one that does not convert",
        reading(None),
        b"after one without a time",
        reading("2026-03-01T09:00:00Z") + reading("2026-03-01T12:40:00Z") + b"{cut",
    ]
    archive(documents, bucket.name)
    arrivals = {
        base64.b64decode(error["rawData"]): (hour[1], datetime.fromtimestamp(error["arrivalTimestamp"] / 1000, UTC))
        for hour, error in bucket.errors()
    }
    assert arrivals == {
        raw: (f"{hour:02d}", datetime(2026, 3, 1, hour, minute, tzinfo=UTC))
        for raw, hour, minute in (
            (b"first of all", 10, 20),
            (b"second of all", 10, 20),
            (b"after a reading", 10, 20),
            (documents[4], 11, 30),
            (b"after one that does not convert", 11, 30),
            (b"after one without a time", 11, 30),
            (b"{cut", 12, 40),
        )
    }


def test_without_any_time_what_cannot_be_read_arrives_now(bucket):
    archive([b"{", b"[1]"], bucket.name)
    assert len(bucket.errors()) == 2
    for _, error in bucket.errors():
        assert abs(datetime.now(UTC).timestamp() - error["arrivalTimestamp"] / 1000) < 60


def test_concatenated_documents_count_singly_and_keep_their_order(bucket):
    line = reading("2026-03-01T10:00:00Z", zone_id="1") + reading("2026-03-01T09:00:00Z", zone_id="2") + b'{"broken'
    sent = archive([line, reading("2026-03-01T10:00:00Z", zone_id="3")], bucket.name)
    assert sent.sent == 4
    assert [row["zone_id"] for hour, row in bucket.rows() if hour[1] == "10"] == ["1", "3"]
    assert sum(documents for _, documents in bucket.sent()) == 4


def test_the_same_input_again_replaces_objects_and_counts(bucket):
    documents = [reading(f"2026-03-01T{hour:02d}:10:00Z", vehicle_count=hour) for hour in range(24)]
    documents.append(reading("2026-03-01T10:20:00Z", vehicle_count="many"))
    documents.insert(12, b'{"sensor_id":"cut off')
    archive(documents, bucket.name)
    first = bucket.objects("")
    archive(documents, bucket.name)
    assert bucket.objects("") == first
    assert sum(documents for _, documents in bucket.sent()) == 26


def test_chunks_bound_memory_and_lose_nothing(bucket, monkeypatch):
    monkeypatch.setattr(module, "DOCUMENTS_PER_STEP", 100)
    monkeypatch.setattr(module, "BYTES_PER_CHUNK", 20_000)
    taken, progress, started = [], [], datetime(2026, 3, 1, tzinfo=UTC)

    def documents():
        for number in range(2000):
            taken.append(number)
            yield reading((started + timedelta(seconds=number * 7 % 9000)).isoformat(), vehicle_count=number)

    def on_progress(count):
        progress.append(count)
        assert len(taken) - sum(progress) < 600

    sent = archive(documents(), bucket.name, on_progress)
    assert sent.sent == sum(progress) == 2000
    rows = bucket.rows()
    assert sorted(row["vehicle_count"] for _, row in rows) == [float(number) for number in range(2000)]
    assert all(hour == ("2026-03-01", row["timestamp"][11:13]) for hour, row in rows)
    assert sum(documents for _, documents in bucket.sent()) == 2000


def test_an_input_without_a_single_row_is_all_errors(bucket):
    assert archive([b"[1]", b"{"], bucket.name).sent == 2
    assert len(bucket.errors()) == 2
    assert bucket.objects("readings/") == {}


def test_nothing_is_written_for_nothing(bucket):
    assert archive([b"", b"  \n"], bucket.name).sent == 0
    assert bucket.objects("") == {}


def test_the_counts_say_when_the_hour_arrived_and_which_way(bucket):
    archive([reading("2026-03-01T10:20:00Z"), reading("2026-03-01T10:05:00Z")], bucket.name)
    ((_, row),) = bucket.rows("sent/")
    assert (row["first_sent_at"], row["last_sent_at"]) == (datetime(2026, 3, 1, 10, 5), datetime(2026, 3, 1, 10, 20))
    assert row["via"] == "archive"
    assert row["batch_id"] in next(iter(bucket.objects("readings/")))
