"""The newest time in a table, from the table's own list of files."""

from datetime import datetime

from pyiceberg.catalog import Catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.utils.datetime import micros_to_timestamp


def newest(catalog: Catalog, name: str, column: str) -> datetime | None:
    """Return the latest time in a column of a table, None where there is no row or no table.

    The table's own list of files knows it, so no data is read, however long the history is.
    """
    try:
        table = catalog.load_table(name)
    except NoSuchTableError:
        return None
    field = table.schema().find_field(column)
    bounds = (scan.file.upper_bounds.get(field.field_id) for scan in table.scan().plan_files())
    latest = max((from_bytes(field.field_type, bound) for bound in bounds if bound), default=None)
    return None if latest is None else micros_to_timestamp(latest)
