"""What a delivery stream was told, read from its description, and the object keys that follow from it.

Amazon Data Firehose Developer Guide, "Custom prefixes for Amazon S3 objects" and "Configure Amazon S3 object name
format": keys are `<evaluated prefix><stream>-<version>-YYYY-MM-DD-HH-MM-SS-<uuid><extension>`; every time in them is
the arrival of the oldest record in the object.
"""

import re
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

_EXPRESSION = re.compile(r"!\{([^:}]*):([^}]*)\}")
_JAVA_TIME = re.compile(r"'([^']*)'|(y+|M+|d+|H+|m+|s+)|([A-Za-z])|([^A-Za-z']+)")
_DEFAULT_TIME = "!{timestamp:yyyy/MM/dd/HH}/"
_EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz"}


@dataclass(frozen=True)
class Place:
    """Where objects of one kind go. `compression` is UNCOMPRESSED or GZIP."""

    bucket: str
    prefix: str
    compression: str


@dataclass(frozen=True)
class Conversion:
    """Record format conversion to Parquet under a Glue table. `compression` is Parquet's own, such as snappy."""

    database: str
    table: str
    compression: str
    catalog: dict[str, str | None]


@dataclass(frozen=True)
class Settings:
    """A delivery stream with one S3 destination. `source_arn` is None where records are put directly."""

    name: str
    version: str
    created: datetime
    source_arn: str | None
    source_start: datetime | None
    buffer_bytes: int
    buffer_s: int
    data: Place
    error_prefix: str
    extension: str | None
    time_zone: tzinfo
    conversion: Conversion | None
    backup: Place | None


def read_settings(description: dict[str, Any]) -> Settings | None:
    """Return the settings in a DeliveryStreamDescription; None for a stream without an extended S3 destination.

    Raises ValueError or KeyError for settings that this worker does not support.
    """
    destination = next(iter(description["Destinations"]), {}).get("ExtendedS3DestinationDescription")
    if destination is None:
        return None
    source = description.get("Source", {}).get("KinesisStreamSourceDescription", {})
    hints = destination["BufferingHints"]
    backup = destination.get("S3BackupDescription") if destination.get("S3BackupMode") == "Enabled" else None
    return Settings(
        name=description["DeliveryStreamName"],
        version=description["VersionId"],
        created=description["CreateTimestamp"],
        source_arn=source.get("KinesisStreamARN"),
        source_start=source.get("DeliveryStartTimestamp"),
        buffer_bytes=hints["SizeInMBs"] << 20,
        buffer_s=hints["IntervalInSeconds"],
        data=_place(destination),
        error_prefix=destination.get("ErrorOutputPrefix") or "",
        extension=destination.get("FileExtension") or None,
        time_zone=ZoneInfo(destination["CustomTimeZone"]) if destination.get("CustomTimeZone") else UTC,
        conversion=_conversion(destination.get("DataFormatConversionConfiguration"), description),
        backup=_place(backup) if backup else None,
    )


def data_key(settings: Settings, oldest: datetime, unique: str) -> str:
    """Return the key of a data object."""
    extension = ".parquet" if settings.conversion else _EXTENSIONS[settings.data.compression]
    return _key(settings, settings.data.prefix, oldest, unique) + (settings.extension or extension)


def error_key(settings: Settings, oldest: datetime, unique: str, output_type: str) -> str:
    """Return the key of an error object: JSON lines, without extension."""
    template = settings.error_prefix or f"{settings.data.prefix}!{{firehose:error-output-type}}/"
    return _key(settings, template.replace("!{firehose:error-output-type}", output_type), oldest, unique)


def backup_key(settings: Settings, oldest: datetime, unique: str) -> str:
    """Return the key of a source backup object. Raises ValueError where no backup is wanted."""
    if settings.backup is None:
        raise ValueError(f"Delivery stream {settings.name} has no source backup")
    return _key(settings, settings.backup.prefix, oldest, unique) + _EXTENSIONS[settings.backup.compression]


def _key(settings: Settings, template: str, oldest: datetime, unique: str) -> str:
    local = oldest.astimezone(settings.time_zone)
    prefix = evaluate_prefix(template, local)
    return f"{prefix}{settings.name}-{settings.version}-{local:%Y-%m-%d-%H-%M-%S}-{unique}"


def evaluate_prefix(template: str, time: datetime) -> str:
    """Return a prefix with its expressions evaluated; one without any time gets `yyyy/MM/dd/HH/` behind it.

    Raises ValueError for an expression that is not supported (dynamic partitioning keys).
    """

    def value(match: re.Match[str]) -> str:
        namespace, argument = match.groups()
        if namespace == "timestamp":
            return _java_time(argument, time)
        if (namespace, argument) == ("firehose", "random-string"):
            return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(11))
        raise ValueError(f"Prefix expression {match.group()} is not supported")

    # The time is only added where none is given: a prefix with just an error type would else mix all hours.
    return _EXPRESSION.sub(value, template if "!{timestamp:" in template else template + _DEFAULT_TIME)


def _java_time(pattern: str, time: datetime) -> str:
    """Format a time by a Java DateTimeFormatter pattern of y, M, d, H, m, s and literals."""
    fields = {"y": time.year, "M": time.month, "d": time.day, "H": time.hour, "m": time.minute, "s": time.second}
    parts = []
    for quoted, letters, unsupported, literal in _JAVA_TIME.findall(pattern):
        if unsupported or len(letters) > 4 or (letters[:1] == "M" and len(letters) > 2):
            raise ValueError(f"Time pattern {pattern!r} is not supported")
        if letters:
            number = fields[letters[0]]
            parts.append(str(number % 100 if letters == "yy" else number).zfill(len(letters)))
        else:
            parts.append(literal or quoted)
    return "".join(parts)


def _place(destination: dict[str, Any]) -> Place:
    compression = destination.get("CompressionFormat", "UNCOMPRESSED")
    if compression not in _EXTENSIONS:
        raise ValueError(f"Compression {compression} is not supported; {', '.join(_EXTENSIONS)} are")
    if "!{" in (destination.get("Prefix") or "") and not destination.get("ErrorOutputPrefix"):
        raise ValueError("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions")
    return Place(destination["BucketARN"].rsplit(":", 1)[-1], destination.get("Prefix") or "", compression)


def _conversion(configuration: dict[str, Any] | None, description: dict[str, Any]) -> Conversion | None:
    if not configuration or not configuration.get("Enabled", True):
        return None
    if "ParquetSerDe" not in configuration["OutputFormatConfiguration"]["Serializer"]:
        raise ValueError("Record format conversion writes Parquet only")
    if "OpenXJsonSerDe" not in configuration["InputFormatConfiguration"]["Deserializer"]:
        raise ValueError("Record format conversion reads with the OpenX JSON SerDe only")
    options = configuration["InputFormatConfiguration"]["Deserializer"]["OpenXJsonSerDe"] or {}
    if (
        options.get("ConvertDotsInJsonKeysToUnderscores")
        or options.get("ColumnToJsonKeyMappings")
        or options.get("CaseInsensitive") is False
    ):
        raise ValueError("The OpenX JSON SerDe is supported with its default options only")
    schema = configuration["SchemaConfiguration"]
    arn = description["DeliveryStreamARN"].split(":")
    return Conversion(
        database=schema["DatabaseName"],
        table=schema["TableName"],
        compression=(configuration["OutputFormatConfiguration"]["Serializer"]["ParquetSerDe"] or {})
        .get("Compression", "SNAPPY")
        .replace("UNCOMPRESSED", "NONE"),
        catalog={
            "catalogId": schema.get("CatalogId", arn[4]),
            "databaseName": schema["DatabaseName"],
            "tableName": schema["TableName"],
            "region": schema.get("Region", arn[3]),
            "versionId": schema.get("VersionId", "LATEST"),
        },
    )
