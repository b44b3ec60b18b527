"""Iceberg schemas of the contract's tables, for pyiceberg. Times are without zone, UTC.

All fields are optional: what must not be empty is checked by the expectations, which can say what is wrong.
"""

from itertools import count

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import parse_transform
from pyiceberg.types import (
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
)

from ingestion.contract import model

_TYPES = {
    "string": StringType(),
    "int": IntegerType(),
    "bigint": LongType(),
    "double": DoubleType(),
    "timestamp": TimestampType(),
}
# The contract names transforms as Spark's DDL does.
_TRANSFORMS = {"hours": "hour", "days": "day"}
_FIRST_PARTITION_ID = 1000


def table_schema(name: str) -> Schema:
    """Return the Iceberg schema of a table, such as `reference.sensors`; ids follow the order of the columns."""
    columns = model.table(name).columns
    element_ids = count(len(columns) + 1)

    def iceberg_type(physical: str) -> IcebergType:
        if physical == "array<string>":
            return ListType(element_id=next(element_ids), element_type=StringType(), element_required=False)
        return _TYPES[physical]

    return Schema(
        *(
            NestedField(
                field_id, column.name, iceberg_type(column.physical_type), required=False, doc=column.description
            )
            for field_id, column in enumerate(columns, start=1)
        )
    )


def partition_spec(name: str) -> PartitionSpec:
    """Return the partitioning of a table, for the ids of its `table_schema`."""
    schema = table_schema(name)
    fields = [
        PartitionField(
            source_id=schema.find_field(column).field_id,
            field_id=field_id,
            transform=parse_transform(_TRANSFORMS[transform]),
            name=f"{column}_{_TRANSFORMS[transform]}",
        )
        for field_id, (transform, column) in enumerate(model.table(name).partitioning, start=_FIRST_PARTITION_ID)
    ]
    return PartitionSpec(*fields)
