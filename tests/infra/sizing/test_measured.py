"""The sizes that sizing starts from are those of real readings of today's code."""

import csv
import gzip
import io
import random
from datetime import UTC, datetime, timedelta

import orjson
import pyarrow.parquet as pq
import pytest

from infra.sizing import measured
from ingestion.alerts import anomalies, items, machine, segment_stream
from ingestion.alerts.judge import judge
from ingestion.alerts.reference import Reference, Segment, Sensor
from ingestion.alerts.segment_stream import JudgedReading, Record
from ingestion.alerts.thresholds import Thresholds
from ingestion.alerts.tracker import fold
from ingestion.contract.glue import landing_columns
from ingestion.json_records import convert_payloads
from ingestion.simulator import city, readings, registry_csv

START = datetime(2026, 3, 4, 16, tzinfo=UTC)
NEAR = 0.2


@pytest.fixture(scope="module")
def place():
    return city(600, 1, interval_s=20)


@pytest.fixture(scope="module")
def sent(place) -> list[bytes]:
    return list(readings(place, START, START + timedelta(minutes=10), received_at=False))


@pytest.fixture(scope="module")
def on_stream(sent) -> list[bytes]:
    """Return readings as the topic rule puts them on the stream; what is no JSON does not get there."""
    found = []
    for text in sent:
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        received = {"topic_sensor_id": document.get("sensor_id"), "received_at": 1_772_640_000_123}
        found.append(orjson.dumps(document | received))
    return found


def mean_length(texts) -> float:
    return sum(map(len, texts)) / len(texts)


def test_a_reading_has_the_bytes_that_are_planned_with(sent, on_stream):
    assert mean_length(sent) == pytest.approx(measured.DEVICE_READING_BYTES, rel=NEAR)
    assert mean_length(on_stream) + 10 == pytest.approx(measured.READING_BYTES, rel=NEAR)


def test_landed_readings_have_the_bytes_that_are_planned_with(on_stream):
    rows, _ = convert_payloads(on_stream, landing_columns())
    parquet = io.BytesIO()
    pq.write_table(rows, parquet, compression="snappy")
    # Objects of Firehose are larger, and time of arrival differs: within a factor of two.
    assert 0.5 < parquet.tell() / rows.num_rows / measured.RAW_PARQUET_BYTES < 2
    assert 0.5 < len(gzip.compress(b"".join(on_stream))) / len(on_stream) / measured.BACKUP_GZIP_BYTES < 2


def test_judged_readings_have_the_bytes_that_are_planned_with(place, on_stream):
    rows = list(csv.DictReader(io.StringIO(registry_csv(place))))
    reference = Reference(
        {row["sensor_id"]: Sensor(row["segment_id"], 30.0, 17.0) for row in rows},
        {row["segment_id"]: Segment(row["segment_id"], "Z1", "C1", 100.0, 1.0, 0.5) for row in rows},
    )
    judged = judge([(text, 1_772_640_000_123_000) for text in on_stream], reference, anomalies.load()).readings
    packed = [data for _, data in segment_stream.packed(judged, 1_772_640_000_123_000)]
    planned = len(judged) * measured.JUDGED_READING_BYTES + len(packed) * measured.JUDGED_RECORD_BYTES
    assert len(judged) > 10_000
    assert sum(map(len, packed)) == pytest.approx(planned, rel=NEAR)


@pytest.mark.parametrize("interval_s", [60, 20, 2])
def test_a_summary_has_the_bytes_that_are_planned_with(interval_s):
    start_us, chance, states = 1_772_640_000_000_000, random.Random(7), {}  # noqa: S311
    found = []
    for second in range(0, 1801, interval_s):
        ts_us = start_us + second * 1_000_000
        batch = [
            JudgedReading(
                f"F01-SB-{number:02d}", f"F01-SB-{number:02d}-{lane}", ts_us + lane * 137_000, ts_us + 300_000,
                round(chance.uniform(5, 60), 6), chance.randint(0, 12), [0, []], chance.getrandbits(60),
            )
            for number in range(5)
            for lane in (1, 2)
        ]  # fmt: skip
        folded = fold([Record(ts_us, batch)], states, lambda _: {}, Thresholds(), anomalies.load())
        states |= folded.states
        if second > 900:
            found += [
                item_bytes(
                    items.of_told(name, "downtown", each) | items.arrived(ts_us) | items.saved(folded.states[name])
                )
                for name, told in folded.told.items()
                for each in told
                if isinstance(each, machine.Summary)
            ]
    kept = 2 * measured.STATE_WINDOW_S / interval_s
    planned = measured.ITEM_BYTES + measured.STATE_BYTES + measured.STATE_BYTES_PER_READING * kept
    assert sum(found) / len(found) == pytest.approx(planned, rel=2 * NEAR)


def item_bytes(item) -> int:
    """Return DynamoDB's size of an item ("Item sizes and formats"): a byte holds two digits of a number."""
    return sum(len(name) + value_bytes(value) for name, value in item.items() if value is not None)


def value_bytes(value) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    return (len(repr(value).strip("-").replace(".", "").strip("0")) + 1) // 2 + 1
