"""What a table's own list of files says of a column of times: no data is read, however long the history is."""

from datetime import date, datetime

from pyiceberg.catalog import Catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.types import DateType
from pyiceberg.utils.datetime import days_to_date, micros_to_timestamp


def newest(catalog: Catalog, name: str, column: str) -> datetime | None:
    """Return the latest time in a column of a table, None where there is no row or no table."""
    files = file_bounds(catalog, name, column)
    return max((latest for latest, _ in files or []), default=None)  # type: ignore[type-var,return-value]


def file_bounds(catalog: Catalog, name: str, column: str) -> list[tuple[date | datetime, int]] | None:
    """Return for each file of a table the latest value of a date or timestamp column, and its number of rows.

    None where there is no such table; files in which the column is empty are left out.
    """
    try:
        table = catalog.load_table(name)
    except NoSuchTableError:
        return None
    field = table.schema().find_field(column)
    convert = days_to_date if isinstance(field.field_type, DateType) else micros_to_timestamp
    bounds = ((scan.file, scan.file.upper_bounds.get(field.field_id)) for scan in table.scan().plan_files())
    return [(convert(from_bytes(field.field_type, bound)), file.record_count) for file, bound in bounds if bound]
