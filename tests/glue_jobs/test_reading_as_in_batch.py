"""`ingestion.reading` and the batch path (landing, then `glue_jobs.parsing`) decide alike of every document.

Values, flags and reasons are compared. Documents are drawn from pools of good, odd and bad values of each member, with
a fixed seed, and go through Spark at once.
"""

import json
import random
from datetime import UTC, datetime

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from glue_jobs.landing import PLACE, SOURCE_ROW
from glue_jobs.parsing import parse
from ingestion.contract.glue import landing_columns
from ingestion.contract.model import load
from ingestion.contract.python_reading import field
from ingestion.contract.spark import landing_schema
from ingestion.json_records import convert_payloads
from ingestion.reading import CONVERSION_ERROR, read

ARRIVED = datetime(2026, 1, 5, 8)
ARRIVED_US = round(ARRIVED.replace(tzinfo=UTC).timestamp()) * 1_000_000
DOCUMENTS = 3000
DROPPED = object()

# fmt: off
TIMES = [
    DROPPED, None, "", "  ", "yesterday", "\t", True, {"at": 1}, [1], "NaN", "٢٠٢٦-01-05T08:00Z",
    # In every accepted form, and in others.
    "2026-01-05T07:59:40Z", "2026-01-05T07:59:40.5Z", "2026-01-05T07:59:40.123Z", "2026-01-05T07:59:40.123456Z",
    "2026-01-05T07:59:40.123456789Z", "2026-01-05 07:59:40", "2026-01-05t07:59z", "2026-01-05T07:59",
    " 2026-01-05T07:59:40 +05:30 ", "2026-01-05T07:59:40-0800", "2026-01-05T07:59:40,5", "2026-01-05T07:59:40+01",
    "2026-01-05T07:59:40\n", "2026-01-05T07:59:40Z\u2028", "2026-01-05T07:59:40\u2028", "2026-01-05T07:59:40Z\u00a0",
    "2026-01-05", "2026-01-05T08Z", "20260105T080000Z", "2026-01-05T7:59:040Z", "2026-01-05T7:5:40.1Z",
    "2026-01-05T07:59:4ZZ", "2026-01-05T07:59:4 Z", "2026-01-05T07:59:40.12ZZ", "2026-01-05T07:59:40.+1Z",
    "2026-01-05T07:59:40.1+1Z", "2026-01-05T07:59:40.+01Z",
    # Of no clock or calendar.
    "2026-02-30T00:00:00Z", "2026-02-30T00:00:00", "2026-01-05T24:00:00Z", "2026-01-05T07:59:60Z",
    "2026-01-05T07:59:40+18:00", "2026-01-05T07:59:40+18:01", "2026-01-05T07:59:40+19", "2026-01-05T07:59:40+01:60",
    # In the future and long ago.
    "2026-01-05T08:05:00Z", "2026-01-05T08:05:00.000001Z", "2026-01-06T08:00:00Z", "2031-01-01T00:00:00Z",
    "2025-01-05T08:00:00Z", "2000-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00+05:00", "0000-01-01T00:00:00Z", "0000-03-01T00:00:00", "9999-12-31T23:59:59-05:00",
    # Epochs.
    1767599980, 1767599980.25, 1767599980000, "1767599980", "1767599980.123456789", "1.76759998E9", "1.76759998E12",
    0, -1, 10**11, 10**11 - 1, 10**14, 10**14 - 1, 1 - 10**11, 10**19, 10**25, 1e300, "1e99", "1767599980.", "1e5",
]
GOOD_TIMES = ["2026-01-05T07:59:40Z", "2026-01-05T07:59:20+00:00", 1767599980, "2026-01-05T07:59:40"]
RECEIVED = [
    DROPPED, None, "", "soon", "2026-01-05T07:59:41.123Z", "2026-01-05T09:00:00Z", "2026-01-05T09:00:00.9Z", 5.5,
    "2026-01-05T09:00:01Z", "2026-01-05T06:59:59.1Z", "2026-01-05T06:59:59Z", "2031-01-05T08:00:00Z", 1767599981123,
]
NUMBERS = [
    DROPPED, None, 0, -0.0, 1, 4, 4.0, -1, -0.5, 1.5, 7.9, 8, 90.1, 95, 95.1, 99.99, 100, 100.5, 160, 160.5, 300, 300.1,
    900, 100000, 100001, 2**31, 2**53 + 1, 10**25, 1e300, 1.7e308, -1e-20, 5e-324, -60, -61, "12", " 4e1 ", "1.5d",
    "many", "", "NaN", "Infinity", "1e999", "٣", True, False, [1], {"n": 1},
]
SPEEDS = [DROPPED, 0, 0.0, 5, 50, 50.5, 161, 186.4, 186.5, 900]
UNITS = [
    DROPPED, None, "", " ", "mph", "MPH", " mph ", "mph\t", "km/h", "KMH", "\u212amh", "kph", "m\u0130h", "knots", 3,
    1.50, True,
]
STATUSES = [
    DROPPED, None, "ok", "OK", " Active ", "", "  ", "ERROR", "o\u212a", "good\t", 0, 1.5, False, {"a": [1]}, ["ok"],
]
SENSORS = [
    DROPPED, None, "", " ", "\t", "a", " a ", "ä" * 128, "ä" * 129, "\U0001f697" * 128, 17, 1.50, True, {"Id": 1},
]
TEXTS = [DROPPED, None, "", "z1", 7, 2.50, {"A": {"B": None}}]
MEMBERS = {
    "sensor_id": SENSORS, "timestamp": TIMES, "vehicle_count": NUMBERS, "avg_speed": NUMBERS, "average_speed": NUMBERS,
    "speed_unit": UNITS, "occupancy": NUMBERS, "status": STATUSES, "zone_id": TEXTS, "location_id": TEXTS,
    "max_capacity": NUMBERS, "congestion_index": NUMBERS, "temperature": NUMBERS, "weather_condition": TEXTS,
    "battery": NUMBERS, "received_at": RECEIVED, "topic_sensor_id": SENSORS, "other": TEXTS,
}
FAMILIES = [
    {
        "sensor_id": "a", "timestamp": 1767599980, "vehicle_count": 4, "average_speed": 50.5, "max_capacity": 30,
        "location_id": "l",
    },
    {
        "sensor_id": "a", "zone_id": "z", "timestamp": "2026-01-05T07:59:40Z", "vehicle_count": 4, "avg_speed": 50.5,
        "congestion_index": 20, "temperature": 18.5, "weather_condition": "dry",
    },
]
GOOD = json.dumps(FAMILIES[1]).encode()
BROKEN = [
    b"", b" \n", b"[1]", b"42", b"null", b'"text"', b"not json", b"{}", b"[" * 2000, b"{'a':1}", b"\xff\xfe", b"\x00",
    GOOD[:-1], GOOD[:60], b"[" + GOOD + b"]", b"\xef\xbb\xbf" + GOOD,
    b'{"vehicle_count":NaN}', b'{"avg_speed":Infinity}', b'{"avg_speed":-Infinity}', b'{"vehicle_count":1e999}',
    b'{"sensor_id":"\xff"}', b'{"sensor_id":"\\ud800"}', b'{"sensor_id":"a",}',
    b'{"sensor_id":"a\\u0000b","avg_speed":5}',
    b'{"Sensor_ID":"A","SENSOR_ID":"b","Timestamp":1767599980,"AVG_SPEED":5}', b'{"sensor_id":"a","sensor_id":"b"}',
    b'{"timestamp":' + b"[" * 300 + b"1.5" + b"]" * 300 + b"}",
    b'{"timestamp":' + b"[" * 900 + b"1.5" + b"]" * 900 + b"}",
    b'{"timestamp":"' + b"1" * 100_000 + b'"}',
    b'{"status":"' + b"x" * 1_000_000 + b'"}',
]
JOINTS = [b"\n", b"", b" ", b"\r\n\t", b",", b"]", b"}", b"\xff"]
# fmt: on


def written(draw: random.Random) -> bytes:
    """Return one document: a family, some members of it replaced."""
    members = dict(draw.choice(FAMILIES))
    if draw.random() < 0.5:
        members["timestamp"] = draw.choice(GOOD_TIMES)
    for name in draw.sample(list(MEMBERS), draw.choice([0, 1, 1, 1, 2, 3, 6])):
        members[name] = draw.choice(SPEEDS if "speed" in name and draw.random() < 0.5 else MEMBERS[name])
    kept = {name: value for name, value in members.items() if value is not DROPPED}
    if draw.random() < 0.1:
        kept = {draw.choice([name.upper(), name.title()]): value for name, value in kept.items()}
    return json.dumps(kept, ensure_ascii=draw.random() < 0.5).encode()


def payloads() -> list[bytes]:
    """Return records: each value of each member in either family, what is broken, and documents drawn at random."""
    draw = random.Random(20260105)  # noqa: S311 (the same documents each time)
    alone = [
        json.dumps(family | ({name: value} if value is not DROPPED else {})).encode()
        for family in FAMILIES
        for name, values in MEMBERS.items()
        for value in values
    ]
    mph = [json.dumps(FAMILIES[1] | {"avg_speed": v, "speed_unit": u}).encode() for v in SPEEDS[1:] for u in UNITS[1:]]
    drawn = [written(draw) for _ in range(DOCUMENTS)]
    several = []
    for _ in range(150):
        parts = [
            draw.choice([*drawn, *BROKEN[:-2]] if draw.random() < 0.3 else drawn) for _ in range(draw.randint(2, 5))
        ]
        joint = draw.choice(JOINTS) if draw.random() < 0.4 else draw.choice(JOINTS[:3])
        several.append(joint.join(parts))
    return [*alone, *mph, *BROKEN, *drawn, *several]


RECORDS = payloads()
COLUMNS = [column for column in load("readings").columns if not column.derived and column.curated]


@pytest.fixture(scope="module")
def by_batch(spark):
    """(values, flags, reasons) of each landed row of each record, and the failures of each, in order."""
    converted = [convert_payloads([payload], landing_columns()) for payload in RECORDS]
    place = {"arrival_hour": ARRIVED, "object_time": ARRIVED}
    rows = [
        row | place | {"source_file": str(number), "source_row": index}
        for number, (table, _) in enumerate(converted)
        for index, row in enumerate(table.to_pylist())
    ]
    schema = StructType([*landing_schema(), *PLACE, SOURCE_ROW])
    frame = parse(spark.createDataFrame([[row[name] for name in schema.names] for row in rows], schema), 0)
    instants = {name: F.expr(f"unix_micros(CAST({name} AS TIMESTAMP))") for name in ("ts", "received_at", "arrived_at")}
    found = [([], [failure.raw for failure in failures]) for _, failures in converted]
    for row in frame.withColumns(instants).orderBy(F.col("source_file").cast("int"), "source_row").collect():
        values = {field(column): row[column.name] for column in COLUMNS} | {"arrived_us": row.arrived_at}
        found[int(row.source_file)][0].append((values, tuple(row.quality_flags), tuple(row.reasons)))
    return found


def by_reader(payload: bytes):
    readings, rejects = read(payload, ARRIVED_US)
    refused = [reject.reading for reject in rejects if reject.reading]
    failed = [reject.raw for reject in rejects if reject.reasons == CONVERSION_ERROR]
    return readings, refused, failed


def compared(reading):
    values = {name: getattr(reading, name) for name in (*(field(column) for column in COLUMNS), "arrived_us")}
    return values, reading.flags, reading.reasons


def without_count(row):
    # Spark's int holds another end of a refused count than Python's.
    values, flags, reasons = row
    return (values | {"vehicle_count": None}, flags, reasons) if reasons else row


def test_every_document_is_decided_alike(by_batch):
    different = []
    for payload, (rows, failures) in zip(RECORDS, by_batch, strict=True):
        readings, refused, failed = by_reader(payload)
        expected = [without_count(row) for row in rows]
        valid, invalid = ([row for row in expected if bool(row[2]) == refusal] for refusal in (False, True))
        ours = [without_count(compared(each)) for each in readings], [without_count(compared(each)) for each in refused]
        if (*ours, failed) != (valid, invalid, failures):
            different.append((payload[:300], ours, (valid, invalid), failed == failures))
    assert not different, f"{len(different)} differ: {different[:20]}"


def test_the_documents_try_every_reason_and_flag(by_batch):
    contract = load("readings")
    rows = [row for rows, _ in by_batch for row in rows]
    assert {reason for _, _, reasons in rows for reason in reasons} == {*contract.reason_names} - {*CONVERSION_ERROR}
    sample = {flag.name for flag in contract.flags if flag.scope == "sample"}
    assert {flag for _, flags, _ in rows for flag in flags} == sample
    assert sum(not reasons for _, _, reasons in rows) > 1000
