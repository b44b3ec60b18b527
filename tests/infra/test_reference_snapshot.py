"""What is published of the registry for the alerts: equal while it says the same, and new with each load."""

import gzip

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError

from infra import registry
from infra.reference_snapshot import SEGMENTS, SENSORS, publish_reference, usual_of
from infra.registry import Usable
from infra.settings import settings
from ingestion.alerts.reference import (
    KEY,
    VERSION,
    Reference,
    Segment,
    Sensor,
    decode,
    decode_usual,
    encode,
    encode_usual,
)
from ingestion.iceberg_catalog import open_catalog
from ingestion.registry.rows import read_registry

HEADER = "sensor_id,segment_id,zone_id,length_km,interval_s,lane,lanes,capacity_veh_h,speed_limit_kmh"
BEFORE = ["a,s,Z,1.5,20,1,2,4000,100", "b,s,Z,1.5,20,2,2,4000,100", "c,t,,2,300,,,,"]


@pytest.fixture
def published(endpoint, tmp_path):
    """Load the lines of a registry into an empty lake; returns the ETag of what is published then, and its content."""
    s3, bucket = boto3.client("s3"), settings().lake_bucket
    catalog = open_catalog()
    for table in (SENSORS, SEGMENTS):
        if catalog.table_exists(table):
            catalog.drop_table(table)
    s3.delete_object(Bucket=bucket, Key=KEY)

    def load(*lines: str) -> tuple[str, Reference]:
        if lines:
            file = tmp_path / "registry.csv"
            file.write_text("\n".join([HEADER, *lines]))
            rows, findings = read_registry(file)
            assert not findings
            registry.load(Usable(rows, 0))
        else:
            publish_reference(open_catalog(), settings())
        found = s3.get_object(Bucket=bucket, Key=KEY)
        return found["ETag"], decode(found["Body"].read())

    return load


def test_nothing_is_published_where_nothing_is_loaded(published):
    with pytest.raises(ClientError, match="NoSuchKey"):
        published()


def test_each_load_publishes_what_is_current_and_nothing_new_keeps_the_etag(published):
    first, reference = published(*BEFORE)
    # 4,000 vehicles an hour on two lanes are 2,000 on one, in 20 s
    assert reference.sensors["a"]._replace(limit_veh=0) == Sensor("s", pytest.approx(2000 / 180), 0)
    assert reference.segments["s"] == Segment("s", "Z", None, 100.0, None, 1.5)
    assert (reference.sensors["c"].capacity_veh, reference.segments["t"].free_flow_kmh) == (None, None)
    assert published()[0] == first
    assert published(*BEFORE)[0] == first
    second, reference = published(BEFORE[0].replace("100", "80"), BEFORE[1].replace("100", "80"))
    assert second != first
    assert reference.segments["s"].free_flow_kmh == 80


SENSOR, SEGMENT = Sensor("s", None, 12.5), Segment("s", "Zürich", None, 100.0, None, 0.5)
USUAL = {"s": [None] * 167 + [40.5], "t": [1.0] * 168}


def test_a_snapshot_comes_back_as_it_was():
    reference = decode(encode({"b": SENSOR, "a": SENSOR._replace(capacity_veh=3.0)}, [SEGMENT]))
    assert reference.sensors == {"a": Sensor("s", 3.0, 12.5), "b": SENSOR}
    assert reference.segments == {"s": SEGMENT}
    assert decode_usual(encode_usual(USUAL)) == USUAL


def test_equal_content_in_another_order_is_equal_bytes():
    sensors, segments = {"a": SENSOR, "b": SENSOR}, [SEGMENT, SEGMENT._replace(segment_id="r", zone_id=None)]
    assert encode(sensors, segments) == encode(dict(reversed(sensors.items())), segments[::-1])
    assert encode_usual(USUAL) == encode_usual(dict(reversed(USUAL.items())))


@pytest.mark.parametrize("read", [decode, decode_usual])
def test_a_snapshot_of_another_version_is_refused(read):
    document = {"version": VERSION + 1, "sensors": {}, "segments": [], "usual": {}}
    with pytest.raises(ValueError, match=f"version {VERSION + 1} cannot be read"):
        read(gzip.compress(orjson.dumps(document)))


def test_what_is_usual_is_by_weekday_and_hour_to_a_tenth():
    usual = usual_of([("s", 0, 0, 1.04), ("s", 6, 23, 99.96), ("t", 1, 8, 50.0)])
    assert {name: len(hours) for name, hours in usual.items()} == {"s": 168, "t": 168}
    known = {name: {at: index for at, index in enumerate(hours) if index is not None} for name, hours in usual.items()}
    assert known == {"s": {0: 1.0, 167: 100.0}, "t": {32: 50.0}}
