"""Glue columns and the landing tables' definitions: what Firehose converts with and what Athena reads."""

from typing import Any

from ingestion.contract import model

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
_JSON_LINES = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
# Landing table → (prefix in the raw bucket, storage format).
LANDING = {
    "raw.sensor_readings": ("readings/", "parquet"),
    "raw.delivery_errors": ("errors/format-conversion-failed/", "json"),
    "raw.sent_batches": ("sent/", "parquet"),
}
_COMMENT_LENGTH = 255


def landing_columns() -> list[tuple[str, str]]:
    """Return (name, Hive type) of the columns of `raw.sensor_readings`, without its partition keys."""
    partitions = {column.name for column in model.LANDING_PARTITIONS}
    landing = model.landing_table(model.load("readings"))
    return [(column.name, column.physical_type) for column in landing.columns if column.name not in partitions]


def glue_columns(columns: tuple[model.Column, ...]) -> list[dict[str, str]]:
    """Return columns in the form of Glue's API. Glue keeps 255 characters of a comment."""
    return [
        {"Name": column.name, "Type": column.physical_type, "Comment": column.description[:_COMMENT_LENGTH]}
        for column in columns
    ]


def raw_table_inputs(raw_bucket: str, landing_since: str) -> list[dict[str, Any]]:
    """Return the Glue `TableInput` of each landing table (database `raw`).

    The partitions are projected from the object layout, so that no crawler and no partition entry is needed;
    `landing_since` (YYYY-MM-DD) is the first date that is projected.
    """
    return [
        raw_table_input(model.table(name), f"s3://{raw_bucket}/{prefix}", storage, landing_since)
        for name, (prefix, storage) in LANDING.items()
    ]


def raw_table_input(table: model.Table, location: str, storage: str, landing_since: str) -> dict[str, Any]:
    """Return the `TableInput` of one landing table stored as `parquet` or `json` lines under `location`."""
    data_columns = tuple(column for column in table.columns if column not in model.LANDING_PARTITIONS)
    return {
        "Name": table.name,
        "Description": table.description,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": storage, **projection(location, landing_since)},
        "PartitionKeys": glue_columns(model.LANDING_PARTITIONS),
        "StorageDescriptor": {
            "Columns": glue_columns(data_columns),
            "Location": location,
            "Compressed": False,
            **{"parquet": _PARQUET, "json": _JSON_LINES}[storage],
        },
    }


def projection(location: str, landing_since: str) -> dict[str, str]:
    """Return the table parameters that let Athena compute the partitions `dt=YYYY-MM-DD/hour=HH` of a location."""
    return {
        "projection.enabled": "true",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.range": f"{landing_since},NOW+1DAYS",
        "projection.dt.interval": "1",
        "projection.dt.interval.unit": "DAYS",
        "projection.hour.type": "integer",
        "projection.hour.range": "0,23",
        "projection.hour.digits": "2",
        "storage.location.template": f"{location}dt=${{dt}}/hour=${{hour}}/",
    }
