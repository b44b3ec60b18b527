"""Spark schemas of the contract's tables. Times are `timestamp_ntz`, UTC: Athena reads them as `timestamp(6)`.

All fields are nullable: what must not be empty is checked by the expectations, which can say what is wrong.
"""

from pyspark.sql.types import (
    ArrayType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
)

from ingestion.contract import glue, model

_TYPES = {
    "string": StringType(),
    "int": IntegerType(),
    "bigint": LongType(),
    "double": DoubleType(),
    "timestamp": TimestampNTZType(),
    "array<string>": ArrayType(StringType()),
}


def landing_schema() -> StructType:
    """Return the schema of the Parquet objects of `raw.sensor_readings` (no partition keys)."""
    return StructType([StructField(name, _TYPES[physical]) for name, physical in glue.landing_columns()])


def curated_schema() -> StructType:
    """Return the schema of `curated.readings`."""
    return table_schema("curated.readings")


def table_schema(name: str) -> StructType:
    """Return the schema of a table, by `database.name` or bare name; of a landing table without partition keys."""
    columns = [column for column in model.table(name).columns if column not in model.LANDING_PARTITIONS]
    return StructType(
        [StructField(c.name, _TYPES[c.physical_type], metadata={"comment": c.description}) for c in columns]
    )


def partition_clause(name: str) -> str:
    """Return the partitioning of a table for `CREATE TABLE … USING iceberg`, such as `PARTITIONED BY (hours(ts))`.

    It is empty for a table without partitions.
    """
    transforms = [f"{transform}({column})" for transform, column in model.table(name).partitioning]
    return f"PARTITIONED BY ({', '.join(transforms)})" if transforms else ""
