"""Whatever is sent ends as curated, duplicate or rejected with a reason: no run fails, and every hour balances.

All cases are sent to one home, most of them in a file that is ingested twice, and one run takes them all. A case is
known by the `location_id` that it carries.
"""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOW = datetime.now(UTC).replace(microsecond=0)
AT = NOW - timedelta(minutes=10)
HOUR = timedelta(hours=1)
RAW, STREAM = "trafficlake-local-raw", "trafficlake-local-readings"


def reading(case: str, **changes: Any) -> dict[str, Any]:
    """Return a good reading of a case with some members changed; None takes a member out."""
    good = {"sensor_id": case, "timestamp": zulu(AT), "vehicle_count": 5, "avg_speed": 60.0, "occupancy": 10.0}
    document = {**good, "location_id": case, **changes}
    return {name: value for name, value in document.items() if value is not None}


def zulu(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Kept:
    """A document that becomes a reading of the time `ts`, with these flags."""

    changes: dict[str, Any]
    ts: datetime = AT
    flags: tuple[str, ...] = ()


LOCAL = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
EPOCH = int(AT.timestamp())
NO_ZONE = ("timestamp_without_zone",)
A_YEAR_AGO = AT - timedelta(days=365)
OF_2000 = datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC)
KEPT = {
    "zulu": Kept({}),
    "offset": Kept({"timestamp": LOCAL.isoformat()}),
    "space and offset": Kept({"timestamp": f"{LOCAL:%Y-%m-%d %H:%M:%S%z}"}),
    "without zone": Kept({"timestamp": f"{AT:%Y-%m-%dT%H:%M:%S}"}, flags=NO_ZONE),
    "space without zone": Kept({"timestamp": f"{AT:%Y-%m-%d %H:%M:%S}"}, flags=NO_ZONE),
    "nanoseconds": Kept({"timestamp": f"{AT:%Y-%m-%dT%H:%M:%S}.123456789Z"}, AT + timedelta(microseconds=123456)),
    "epoch seconds": Kept({"timestamp": EPOCH}),
    "epoch seconds as text": Kept({"timestamp": str(EPOCH)}),
    "epoch with a fraction": Kept({"timestamp": EPOCH + 0.25}, AT + timedelta(milliseconds=250)),
    "epoch milliseconds": Kept({"timestamp": EPOCH * 1000}),
    "a year old": Kept({"timestamp": zulu(A_YEAR_AGO)}, A_YEAR_AGO),
    "of the year 2000": Kept({"timestamp": zulu(OF_2000)}, OF_2000),
    "family with capacity": Kept({"timestamp": EPOCH, "avg_speed": None, "average_speed": 60.0, "max_capacity": 40}),
    "family with weather": Kept(
        {"zone_id": "Z1", "congestion_index": 12, "temperature": 8.5, "weather_condition": "fog"}
    ),
    "upper-case keys": Kept({"occupancy": None, "OCCUPANCY": 10.0}),
    "numbers as text": Kept({"vehicle_count": "5", "avg_speed": " 60.0"}),
    "an unknown member": Kept({"firmware": {"version": [1, 2]}}),
    "speed only": Kept({"vehicle_count": None, "occupancy": None}),
    "a capacity that cannot be": Kept({"max_capacity": -4}, flags=("reported_value_out_of_range",)),
    "a broken device": Kept({"status": "fault"}, flags=("device_status_not_ok",)),
    "brackets [/red] and a quote '": Kept({}),
}
REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "negative count": ({"vehicle_count": -1}, ["vehicle_count_out_of_range"]),
    "fractional count": ({"vehicle_count": 1.5}, ["vehicle_count_not_whole"]),
    "count beyond any road": ({"vehicle_count": 1e30}, ["vehicle_count_out_of_range"]),
    "speed of 900": ({"avg_speed": 900}, ["speed_kmh_out_of_range"]),
    "negative speed": ({"avg_speed": -0.1}, ["speed_kmh_out_of_range"]),
    "occupancy of 140": ({"occupancy": 140}, ["occupancy_pct_out_of_range"]),
    "unknown unit": ({"speed_unit": "furlong"}, ["speed_unit_unknown"]),
    "nothing measured": ({"vehicle_count": None, "avg_speed": None, "occupancy": None}, ["no_measurement"]),
    "of the year 1999": ({"timestamp": "1999-12-31T23:59:59Z"}, ["timestamp_before_2000"]),
    "epoch of a clock never set": ({"timestamp": 0}, ["timestamp_before_2000"]),
    "a day ahead": ({"timestamp": zulu(NOW + timedelta(days=1))}, ["timestamp_in_future"]),
    "date only": ({"timestamp": f"{AT:%Y-%m-%d}"}, ["timestamp_unreadable"]),
    "a time in words": ({"timestamp": "yesterday"}, ["timestamp_unreadable"]),
    "a time that is no text": ({"timestamp": {"at": EPOCH}}, ["timestamp_unreadable"]),
    "no sensor": ({"sensor_id": None}, ["sensor_id_missing"]),
    "blank sensor": ({"sensor_id": "  "}, ["sensor_id_missing"]),
    "overlong sensor": ({"sensor_id": "s" * 129}, ["sensor_id_too_long"]),
    "sensor of 900 kB": ({"sensor_id": "s" * 900_000}, ["sensor_id_too_long"]),
    "several reasons": (
        {"vehicle_count": -1, "avg_speed": 900, "timestamp": "soon"},
        ["timestamp_unreadable", "vehicle_count_out_of_range", "speed_kmh_out_of_range"],
    ),
}
UNCONVERTED = {
    "truncated": b'{"sensor_id":"truncated","timestamp":"20',
    "malformed": b'{"sensor_id":"malformed",,}',
    "count in words": json.dumps(reading("count in words", vehicle_count="many")).encode(),
    "boolean": json.dumps(reading("boolean", avg_speed=True)).encode(),
    "list": json.dumps(reading("list", occupancy=[1, 2])).encode(),
    "array of documents": b"[" + json.dumps(reading("array of documents")).encode() + b"]",
    "NaN": b'{"sensor_id":"NaN","avg_speed":NaN}',
    "Infinity": b'{"sensor_id":"Infinity","avg_speed":Infinity}',
    "minus infinity": b'{"sensor_id":"minus infinity","avg_speed":-Infinity}',
    "number too large": b'{"sensor_id":"number too large","avg_speed":1e999}',
    "not UTF-8": b'{"sensor_id":"not \xff UTF-8"}',
    "a number": b"42",
    "a word": b"hello",
}
# Sent once each, as records of their own, when their time matters or a file of lines cannot hold them.
DIRECT_KEPT = {
    "four minutes ahead": Kept({}, AT),  # its time is set when it is sent
    "family without time": Kept({"timestamp": None}, flags=("timestamp_from_arrival",)),
    "a document of 1 MB": Kept({"note": "x" * 1_000_000}),
}


def file_lines() -> list[bytes]:
    documents = [reading(case, **kept.changes) for case, kept in KEPT.items()]
    documents += [reading(case, **changes) for case, (changes, _) in REFUSED.items()]
    documents += [{}]
    documents += [reading("out of order", timestamp=zulu(AT - timedelta(minutes=back))) for back in (1, 3, 2)]
    documents += [reading("same twice"), reading("same twice")]
    lines = [json.dumps(document).encode() for document in documents] + list(UNCONVERTED.values())
    return [*lines, b"", json.dumps(reading("glued 1")).encode() + json.dumps(reading("glued 2")).encode()]


@dataclass(frozen=True)
class Outcome:
    """What the tables hold after the run, by case; `rejected` also by the whole original for what is no document."""

    home: Any
    registry_said: Any
    too_large_said: Any
    curated: dict[str, list[dict]]
    landings: Counter
    rejected: dict[str, list[dict]]
    reconciliation: dict[datetime, dict]
    sensor_5min: list[dict]


REGISTRY = """sensor_id,segment_id,length_km,interval_s,speed_limit_kmh
zulu,A,1.0,60,80
zulu,A,1.0,60,80
zulu,A,2.5,60,80
no-length,B,,60,80
zero-length,B,0,60,80
no-interval,B,1.0,,80
words,B,long [/red],60,80
offset,B,0.5,60,80
"""


@pytest.fixture(scope="module")
def outcome(home, tmp_path_factory) -> Outcome:
    folder = tmp_path_factory.mktemp("bad")
    registry = folder / "registry.csv"
    registry.write_text(REGISTRY)
    registry_said = home.trafficlake("registry", "load", str(registry))
    s3, kinesis = home.aws("s3"), home.aws("kinesis")

    lines = file_lines()
    bad = folder / "bad.jsonl"
    bad.write_bytes(b"\n".join(lines) + b"\n")
    home.trafficlake("ingest", str(bad))
    documents = len(lines)  # one line is blank, one holds two documents
    home.await_delivered(documents)
    home.trafficlake("ingest", str(bad), "--via", "kinesis")
    documents += len(lines) + send_directly(kinesis)
    too_large = folder / "too-large.jsonl"
    too_large.write_bytes(json.dumps(reading("two megabytes", note="x" * (2 << 20))).encode() + b"\n")
    too_large_said = home.trafficlake("ingest", str(too_large), exit_code=1)
    home.trafficlake("ingest", str(too_large), "--via", "archive")
    history = folder / "history.jsonl"
    history.write_bytes(b"\n".join(history_lines()) + b"\n")
    home.trafficlake("ingest", str(history), "--via", "archive")
    land_with_other_columns(s3)
    home.await_delivered(documents)

    home.trafficlake("run")
    return read_outcome(home, registry_said, too_large_said)


def send_directly(kinesis) -> int:
    """Put records with boto3 and return the number of documents in them, as Firehose counts."""
    soon = {minutes: zulu(datetime.now(UTC) + timedelta(minutes=minutes)) for minutes in (4, 6)}
    good = {case: json.dumps(reading(case, **kept.changes)).encode() for case, kept in DIRECT_KEPT.items()}
    good["four minutes ahead"] = json.dumps(reading("four minutes ahead", timestamp=soon[4])).encode()
    joined = [json.dumps(reading(f"joined {number}")).encode() for number in (1, 2, 3)]
    records = [
        *good.values(),
        json.dumps(reading("six minutes ahead", timestamp=soon[6])).encode(),
        b" \n",
        joined[0] + joined[1] + b"\n" + joined[2] + b'{"sensor_id":"cut off',
    ]
    for record in records:
        kinesis.put_record(StreamName=STREAM, Data=record, PartitionKey="direct")
    return len(records) + 3


PAST = datetime(2024, 5, 6, 8, tzinfo=UTC)


def history_lines() -> list[bytes]:
    """An hour with a reading, an empty one, one with only rejects, one where nothing converts."""
    hours = [zulu(PAST + number * HOUR) for number in range(4)]
    documents = [
        reading("history", timestamp=hours[0], received_at=hours[0]),
        reading("history negative", timestamp=hours[2], received_at=hours[2], vehicle_count=-1),
        reading("history soon", timestamp="soon", received_at=hours[2]),
        reading("history words", timestamp=hours[3], received_at=hours[3], vehicle_count="many"),
    ]
    return [json.dumps(document).encode() for document in documents]


def land_with_other_columns(s3) -> None:
    """Land Parquet that lacks most columns and has one that the contract does not know."""
    hour = PAST + 6 * HOUR
    table = pa.table(
        {
            "lane_count": pa.array([3], pa.int32()),
            "avg_speed": pa.array([61.5]),
            "timestamp": [zulu(hour)],
            "sensor_id": ["other columns"],
            "location_id": ["other columns"],
        }
    )
    body = io.BytesIO()
    pq.write_table(table, body)
    key = f"readings/{hour:dt=%Y-%m-%d/hour=%H}/other-1-{hour:%Y-%m-%d-%H-%M-%S}-columns.parquet"
    s3.put_object(Bucket=RAW, Key=key, Body=body.getvalue())


def read_outcome(home, registry_said, too_large_said) -> Outcome:
    catalog = home.catalog()

    def rows(name: str) -> list[dict]:
        return catalog.load_table(name).scan().to_arrow().to_pylist()

    keys = Counter((row["sensor_id"], row["ts"]) for row in rows("curated.landed_keys"))
    curated, landings, rejected = defaultdict(list), Counter(), defaultdict(list)
    for row in rows("curated.readings"):
        curated[row["reported_location_id"]].append(row)
        landings[row["reported_location_id"]] += keys.pop((row["sensor_id"], row["ts"]))
    assert not keys, "a valid landed row has no reading"
    for row in rows("curated.rejected_readings"):
        rejected[case_of(row["original"])].append(row)
    hours = {row["arrival_hour"]: row for row in rows("marts.reconciliation_hourly")}
    five = rows("curated.sensor_5min")
    return Outcome(home, registry_said, too_large_said, curated, landings, rejected, hours, five)


def case_of(original: str) -> str:
    try:
        return json.loads(original)["location_id"]
    except (ValueError, KeyError, TypeError):
        return original


@pytest.mark.parametrize("case", KEPT)
def test_what_is_usable_is_curated_once_however_often_it_is_sent(outcome, case):
    (row,) = outcome.curated[case]
    kept = KEPT[case]
    assert (row["ts"], row["quality_flags"]) == (naive(kept.ts), list(kept.flags))
    assert row["speed_kmh"] == 60.0
    assert outcome.landings[case] == 2
    assert case not in outcome.rejected


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_rejected_with_all_reasons_each_time(outcome, case):
    rows = outcome.rejected[case]
    assert [row["reasons"] for row in rows] == [REFUSED[case][1]] * 2
    assert {row["source_kind"] for row in rows} == {"landing"}
    assert case not in outcome.curated


@pytest.mark.parametrize("case", UNCONVERTED)
def test_what_is_no_document_is_rejected_with_the_bytes_that_were_sent(outcome, case):
    sent = UNCONVERTED[case]
    rows = outcome.rejected.get(case) or outcome.rejected[sent.decode(errors="replace")]
    if case == "not UTF-8":
        rows = [row for each in outcome.rejected.values() for row in each if row["original_encoding"] == "base64"]
    assert [row["reasons"] for row in rows] == [["conversion_error"]] * 2
    assert all(row["error_message"] for row in rows)
    assert case not in outcome.curated


def test_an_empty_document_is_rejected_and_a_blank_record_too(outcome):
    assert [row["reasons"] for row in outcome.rejected["{}"]] == [["sensor_id_missing", "no_measurement"]] * 2
    (blank,) = outcome.rejected[" \n"]
    assert blank["reasons"] == ["conversion_error"]


def test_four_minutes_ahead_is_a_clock_and_six_are_the_future(outcome):
    assert len(outcome.curated["four minutes ahead"]) == 1
    assert [row["reasons"] for row in outcome.rejected["six minutes ahead"]] == [["timestamp_in_future"]]


def test_a_document_of_1_mb_is_curated_and_a_larger_one_only_by_archive(outcome):
    assert len(outcome.curated["a document of 1 MB"]) == 1
    assert "0 sent, 1 failed" in outcome.too_large_said.stdout
    assert "larger than 1048576 bytes" in outcome.too_large_said.stderr
    assert len(outcome.curated["two megabytes"]) == 1


def test_a_reading_without_time_has_the_time_of_its_arrival(outcome):
    (row,) = outcome.curated["family without time"]
    assert row["quality_flags"] == ["timestamp_from_arrival"]
    assert abs(row["ts"] - row["arrived_at"]) < timedelta(minutes=1)


def test_order_and_company_do_not_matter(outcome):
    assert len(outcome.curated["out of order"]) == 3
    assert (len(outcome.curated["same twice"]), outcome.landings["same twice"]) == (1, 4)
    for case in ("glued 1", "glued 2"):
        assert (len(outcome.curated[case]), outcome.landings[case]) == (1, 2)
    assert [len(outcome.curated[f"joined {number}"]) for number in (1, 2, 3)] == [1, 1, 1]
    (rest,) = outcome.rejected['{"sensor_id":"cut off']
    assert rest["reasons"] == ["conversion_error"]


def test_hours_without_a_reading_balance(outcome):
    def figures(hour: int) -> tuple[int, ...] | None:
        row = outcome.reconciliation.get(naive(PAST + hour * HOUR))
        return row and tuple(row[name] for name in ("sent", "landed", "conversion_errors", "curated", "rejected"))

    assert [figures(hour) for hour in range(4)] == [(1, 1, 0, 1, 0), None, (2, 2, 0, 0, 2), (1, 0, 1, 0, 0)]


def test_a_landing_object_may_lack_optional_columns_and_have_unknown_ones(outcome):
    (row,) = outcome.curated["other columns"]
    assert (row["speed_kmh"], row["vehicle_count"], row["temperature_c"]) == (61.5, None, None)
    day = f"{PAST:%Y-%m-%d}"
    raw = outcome.home.query(f"select avg_speed, battery from raw.sensor_readings where dt = '{day}' and hour = 14")
    assert raw["avg_speed"].to_list() == [61.5]
    assert raw["battery"].isna().all()


def test_every_arrival_hour_balances(outcome):
    rows = outcome.reconciliation.values()
    assert all(row["is_balanced"] for row in rows)
    curated = sum(map(len, outcome.curated.values()))
    rejected = Counter(row["source_kind"] for each in outcome.rejected.values() for row in each)
    sums = {name: sum(row[name] for row in rows) for name in ("landed", "curated", "duplicates", "rejected")}
    assert sums["curated"] == curated
    assert sums["duplicates"] == outcome.landings.total() - curated
    assert sums["rejected"] == rejected["landing"]
    assert sums["landed"] == sums["curated"] + sums["duplicates"] + sums["rejected"]
    assert sum(row["conversion_errors"] for row in rows) == rejected["delivery_error"]


def test_a_sensor_that_the_registry_does_not_know_has_no_expectation(outcome):
    expected: Callable[[str], set] = lambda sensor: {  # noqa: E731
        row["samples_expected"] for row in outcome.sensor_5min if row["sensor_id"] == sensor
    }
    assert expected("zulu") == {5}
    assert expected("epoch seconds") == {None}


def test_a_registry_is_refused_row_by_row_and_the_rest_is_loaded(outcome):
    said = outcome.registry_said.stderr
    assert "line 3, note: zulu" in said
    for line in (4, 5, 6, 7, 8):
        assert f"line {line}, refused: " in said
    assert "length_km is missing" in said
    assert "long [/red]" in said
    assert "2 rows usable, 5 refused; sensors: 2 new" in outcome.registry_said.stdout
