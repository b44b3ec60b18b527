"""What did not convert on landing is kept whole, as text where it is text."""

import base64
import json
from datetime import datetime

from pyspark.sql.types import StringType, StructField, StructType

from glue_jobs.landing import PLACE, SOURCE_ROW
from glue_jobs.rejections import unconverted

HOUR = datetime(2026, 1, 5, 8)


def rows(spark, lines: list[str]):
    schema = StructType([StructField("line", StringType()), *PLACE, SOURCE_ROW])
    frame = spark.createDataFrame([(line, "s3://raw/e", HOUR, HOUR, n) for n, line in enumerate(lines)], schema)
    return unconverted(frame).orderBy("source_row").collect()


def error(raw: bytes) -> str:
    record = {"attemptsMade": 1, "arrivalTimestamp": 1767600300123, "lastErrorCode": "Code", "lastErrorMessage": "why"}
    return json.dumps(record | {"rawData": base64.b64encode(raw).decode()})


def test_text_is_kept_as_text(spark):
    (row,) = rows(spark, [error('{"sensor_id": "a", "vehicle_count": "välue"}'.encode())])
    assert (row.original, row.original_encoding) == ('{"sensor_id": "a", "vehicle_count": "välue"}', "text")
    assert (row.sensor_id, row.reasons, row.error_message) == ("a", ["conversion_error"], "Code: why")
    assert (row.arrived_at, row.arrival_hour) == (datetime(2026, 1, 5, 8, 5, 0, 123000), HOUR)
    assert row.source_kind == "delivery_error"


def test_bytes_that_are_no_text_are_kept_in_base64(spark):
    (row,) = rows(spark, [error(b'{"sensor_id": "\xff"}')])
    assert (base64.b64decode(row.original), row.original_encoding) == (b'{"sensor_id": "\xff"}', "base64")
    assert row.sensor_id is None


def test_a_line_that_is_no_error_record_is_kept_as_it_stands(spark):
    (row,) = rows(spark, ["{cut off"])
    assert (row.original, row.original_encoding, row.arrived_at) == ("{cut off", "text", HOUR)
