import re
from datetime import UTC, datetime

import pytest

from infra.local.firehose_settings import backup_key, data_key, error_key, evaluate_prefix, read_settings

OLDEST = datetime(2026, 1, 2, 23, 4, 5, 900_000, UTC)


def description(**destination):
    return {
        "DeliveryStreamName": "stream",
        "DeliveryStreamARN": "arn:aws:firehose:us-east-1:000000000000:deliverystream/stream",
        "VersionId": "3",
        "CreateTimestamp": OLDEST,
        "Destinations": [
            {
                "ExtendedS3DestinationDescription": {
                    "BucketARN": "arn:aws:s3:::bucket",
                    "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 300},
                }
                | destination
            }
        ],
    }


def conversion(deserializer=None, serializer=None):
    return {
        "InputFormatConfiguration": {"Deserializer": deserializer or {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": serializer or {"ParquetSerDe": {}}},
        "SchemaConfiguration": {"DatabaseName": "raw", "TableName": "readings"},
    }


@pytest.mark.parametrize(
    ("prefix", "evaluated"),
    [
        ("", "2026/01/02/23/"),
        ("readings/", "readings/2026/01/02/23/"),
        ("legacy", "legacy2026/01/02/23/"),
        ("dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/", "dt=2026-01-02/hour=23/"),
        ("!{timestamp:'year='yyyy/M/d/H-m-s}/", "year=2026/1/2/23-4-5/"),
        ("!{timestamp:yyyyMMdd}/", "20260102/"),
    ],
)
def test_prefixes_are_evaluated_as_documented(prefix, evaluated):
    assert evaluate_prefix(prefix, OLDEST) == evaluated


def test_each_random_string_has_eleven_characters_and_differs():
    first, second = evaluate_prefix("!{firehose:random-string}/!{firehose:random-string}", OLDEST).split("/")[:2]
    assert re.fullmatch(r"[A-Za-z0-9]{11}", first)
    assert second[:11] != first


@pytest.mark.parametrize("prefix", ["!{partitionKeyFromQuery:zone}/", "!{timestamp:EEE}/", "!{timestamp:MMM}/"])
def test_expressions_that_are_not_supported_are_named(prefix):
    with pytest.raises(ValueError, match="is not supported"):
        evaluate_prefix(prefix, OLDEST)


def test_keys_carry_name_version_and_the_time_of_the_oldest_record():
    settings = read_settings(
        description(
            Prefix="r/dt=!{timestamp:yyyy-MM-dd}/",
            ErrorOutputPrefix="e/!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/",
            DataFormatConversionConfiguration=conversion(),
            S3BackupMode="Enabled",
            S3BackupDescription={"BucketARN": "arn:aws:s3:::other", "CompressionFormat": "GZIP", "Prefix": "b/"},
        )
    )
    assert data_key(settings, OLDEST, "u") == "r/dt=2026-01-02/stream-3-2026-01-02-23-04-05-u.parquet"
    assert error_key(settings, OLDEST, "u", "format-conversion-failed") == (
        "e/format-conversion-failed/dt=2026-01-02/stream-3-2026-01-02-23-04-05-u"
    )
    assert backup_key(settings, OLDEST, "u") == "b/2026/01/02/23/stream-3-2026-01-02-23-04-05-u.gz"
    assert settings.backup.bucket == "other"
    assert (settings.buffer_bytes, settings.buffer_s) == (64 << 20, 300)
    assert settings.conversion.catalog["catalogId"] == "000000000000"


def test_a_time_zone_moves_prefix_and_name():
    settings = read_settings(description(CustomTimeZone="Asia/Tokyo", CompressionFormat="GZIP"))
    assert data_key(settings, OLDEST, "u") == "2026/01/03/08/stream-3-2026-01-03-08-04-05-u.gz"


def test_without_an_error_prefix_errors_lie_under_their_type():
    settings = read_settings(description(Prefix="r/"))
    assert error_key(settings, OLDEST, "u", "type").startswith("r/type/2026/01/02/23/")


def test_a_backup_that_is_switched_off_is_not_written():
    settings = read_settings(description(S3BackupMode="Disabled", S3BackupDescription={"BucketARN": "a:::b"}))
    assert settings.backup is None
    with pytest.raises(ValueError, match="no source backup"):
        backup_key(settings, OLDEST, "u")


def test_a_stream_with_another_kind_of_destination_is_left_alone():
    assert read_settings(description() | {"Destinations": [{"HttpEndpointDestinationDescription": {}}]}) is None


@pytest.mark.parametrize(
    "destination",
    [
        {"CompressionFormat": "ZIP"},
        {"DataFormatConversionConfiguration": conversion({"HiveJsonSerDe": {}})},
        {"DataFormatConversionConfiguration": conversion(serializer={"OrcSerDe": {}})},
        {"DataFormatConversionConfiguration": conversion({"OpenXJsonSerDe": {"CaseInsensitive": False}})},
    ],
)
def test_settings_that_are_not_supported_are_refused(destination):
    with pytest.raises(ValueError, match=r"supported|only"):
        read_settings(description(**destination))
