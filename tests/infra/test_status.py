"""How fresh the lake is: known from the tables' own lists of files, and said with its age."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo

from infra.newest import newest
from infra.status import Status, show
from ingestion.iceberg_catalog import open_catalog

NOON = datetime(2026, 3, 2, 12)
NAME = "curated.status_test"


@pytest.fixture
def table(endpoint):
    catalog = open_catalog()
    schema = pa.schema([("sensor_id", pa.string()), ("ts", pa.timestamp("us"))])
    yield catalog.create_table(NAME, schema)
    catalog.drop_table(NAME)


def rows(*times: datetime) -> pa.Table:
    return pa.table({"sensor_id": ["a"] * len(times), "ts": pa.array(times, pa.timestamp("us"))})


def test_the_newest_time_is_that_of_the_rows_that_are_there(table):
    catalog = open_catalog()
    assert newest(catalog, NAME, "ts") is None
    table.append(rows(NOON, NOON - timedelta(days=400)))
    table.append(rows(NOON - timedelta(days=3)))
    assert newest(catalog, NAME, "ts") == NOON
    table.delete(EqualTo("ts", NOON.isoformat()))
    assert newest(catalog, NAME, "ts") == NOON - timedelta(days=3)


def test_a_table_that_is_not_there_has_no_newest_time(endpoint):
    assert newest(open_catalog(), "curated.no_such_table", "ts") is None


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(minutes=7), "(7 min ago)"),
        (timedelta(hours=5), "(5 h ago)"),
        (timedelta(days=400), "(400 days ago)"),
        (timedelta(minutes=-4), "(0 min ago)"),
    ],
)
def test_what_is_newest_is_said_with_its_age(capsys, ago, said):
    moment = datetime.now(UTC).replace(tzinfo=None) - ago
    nothing = pd.DataFrame()
    show(Status(moment, None, 2, 1, [], nothing, nothing, nothing))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"newest reading: {moment:%Y-%m-%d %H:%M} UTC {said}; newest hour of the marts: none yet"
    assert lines[1] == "arrival hours waiting for a run: 2; event hours pending: 1"
