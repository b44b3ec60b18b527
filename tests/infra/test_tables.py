"""Snapshots are listed as their writers made them; going back to one changes what is read, not what is kept."""

import pyarrow as pa
import pytest

from infra import tables
from infra.errors import UsageError
from ingestion.iceberg_catalog import open_catalog

NAME = "curated.restored"


@pytest.fixture
def table(endpoint):
    """A table with two appends: one row, then two."""
    made = open_catalog().create_table(NAME, pa.schema([("n", pa.int64())]))
    made.append(pa.table({"n": [1]}))
    made.append(pa.table({"n": [2, 3]}))
    yield made
    open_catalog().drop_table(NAME)


def rows():
    return sorted(open_catalog().load_table(NAME).scan().to_arrow()["n"].to_pylist())


def test_snapshots_are_listed_the_newest_first_with_their_rows(table):
    listed = tables.snapshots(open_catalog(), NAME)
    assert [(each.rows_added, each.rows, each.is_current) for each in listed] == [(2, 3, True), (1, 1, False)]


def test_a_restored_table_reads_as_it_was_and_can_be_taken_forward_again(table):
    newest, oldest = (each.snapshot_id for each in tables.snapshots(open_catalog(), NAME))
    assert tables.restore(open_catalog(), NAME, oldest)
    assert rows() == [1]
    assert not tables.restore(open_catalog(), NAME, oldest)
    assert tables.restore(open_catalog(), NAME, newest)
    assert rows() == [1, 2, 3]


def test_what_is_written_after_a_restore_goes_on_from_it(table):
    oldest = tables.snapshots(open_catalog(), NAME)[-1].snapshot_id
    tables.restore(open_catalog(), NAME, oldest)
    open_catalog().load_table(NAME).append(pa.table({"n": [4]}))
    assert rows() == [1, 4]


@pytest.mark.parametrize("name", ["raw.sensor_readings", "curated.nothing", "nothing"])
def test_what_is_no_iceberg_table_is_named(endpoint, name):
    with pytest.raises(UsageError, match=name):
        tables.snapshots(open_catalog(), name)


def test_a_snapshot_that_the_table_does_not_have_is_refused(table):
    with pytest.raises(UsageError, match="no snapshot 17"):
        tables.restore(open_catalog(), NAME, 17)
