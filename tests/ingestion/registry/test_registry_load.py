from datetime import UTC, datetime

import pyarrow as pa
import pytest
from pyiceberg.exceptions import NoSuchTableError

from infra import registry
from infra.errors import FailedError
from ingestion import iceberg_catalog
from ingestion.contract import arrow, iceberg
from ingestion.registry import check_rows, load
from ingestion.registry.load import load_registry

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
TABLES = ("reference.sensors", "reference.segments", "reference.zones", "curated.sensor_5min", "curated.pending_hours")


def rows(*cells):
    header = ("sensor_id", "segment_id", "length_km", "interval_s", "zone_id", "valid_from")
    found, findings = check_rows((i, dict(zip(header, row.split(","), strict=True))) for i, row in enumerate(cells, 2))
    assert not findings
    return found


@pytest.fixture
def catalog(endpoint):
    catalog = iceberg_catalog.open_catalog()
    for name in TABLES:
        try:
            catalog.drop_table(name)
        except NoSuchTableError:
            continue
    return catalog


def content(catalog, name, *columns):
    return [tuple(record[c] for c in columns) for record in catalog.load_table(name).scan().to_arrow().to_pylist()]


def snapshots(catalog):
    return [len(catalog.load_table(name).snapshots()) for name in TABLES[:3]]


def test_a_registry_becomes_sensors_segments_and_zones(catalog):
    report = load_registry(rows("A,G,1,20,Z,", "B,G,1,20,Z,", "C,H,2,20,,"), catalog, NOW)
    assert content(catalog, "reference.sensors", "sensor_id", "length_km", "valid_from", "valid_to") == [
        (sensor, length, datetime(2000, 1, 1), None) for sensor, length in (("A", 1.0), ("B", 1.0), ("C", 2.0))
    ]
    assert content(catalog, "reference.segments", "segment_id", "zone_id", "length_km") == [
        ("G", "Z", 1.0),
        ("H", None, 2.0),
    ]
    assert content(catalog, "reference.zones", "zone_id", "name") == [("Z", "Z")]
    assert (report.sensors_new, report.sensors, report.segments, report.zones) == (3, 3, 2, 1)


def test_loading_the_same_file_again_makes_no_snapshot(catalog):
    file = rows("A,G,1,20,Z,", "B,G,1,20,Z,2021-01-01")
    load_registry(file, catalog, NOW)
    before = snapshots(catalog)
    report = load_registry(file, catalog, datetime(2025, 1, 1, tzinfo=UTC))
    assert snapshots(catalog) == before
    assert report.tables_changed == ()
    assert report.sensors_unchanged == 2


def test_a_change_keeps_the_history(catalog):
    load_registry(rows("A,G,1,20,Z,"), catalog, NOW)
    report = load_registry(rows("A,G,1.5,20,Z,"), catalog, NOW)
    began = NOW.replace(tzinfo=None)
    expected = [(1.0, datetime(2000, 1, 1), began), (1.5, began, None)]
    assert content(catalog, "reference.sensors", "length_km", "valid_from", "valid_to") == expected
    assert content(catalog, "reference.segments", "length_km", "valid_from", "valid_to") == expected
    assert (report.sensors_changed, report.tables_changed) == (1, ("reference.sensors", "reference.segments"))


def test_the_hours_that_rest_on_a_changed_sensor_are_noted_for_recomputation(catalog):
    for name in ("curated.sensor_5min", "curated.pending_hours"):
        catalog.create_table(name, iceberg.table_schema(name), partition_spec=iceberg.partition_spec(name))
    load_registry(rows("A,G,1,20,Z,", "B,H,1,20,Z,"), catalog, NOW)
    values = [
        {"sensor_id": sensor, "interval_start": datetime(2024, 4, day, hour, minute), "quality_flags": []}
        for sensor, day, hour, minute in [
            ("A", 1, 5, 0),
            ("A", 2, 6, 0),
            ("A", 2, 6, 55),
            ("A", 3, 0, 5),
            ("B", 2, 9, 0),
        ]
    ]
    catalog.load_table("curated.sensor_5min").append(
        pa.Table.from_pylist(values, schema=arrow.table_schema("curated.sensor_5min"))
    )
    report = load_registry(rows("A,G,2,20,Z,2024-04-02"), catalog, NOW)
    assert sorted(content(catalog, "curated.pending_hours", "kind", "hour_start")) == [
        ("event", datetime(2024, 4, 2, 6)),
        ("event", datetime(2024, 4, 3, 0)),
    ]
    assert report.hours_to_recompute == 2


def test_a_column_that_the_contract_gained_is_added_to_a_table_that_exists(catalog):
    with_all = iceberg.table_schema("reference.sensors")
    catalog.create_table("reference.sensors", with_all.select("sensor_id", "segment_id", "valid_from", "valid_to"))
    load_registry(rows("A,G,1,20,Z,"), catalog, NOW)
    assert content(catalog, "reference.sensors", "sensor_id", "length_km") == [("A", 1.0)]


def test_who_loads_while_another_load_commits_is_told_to_try_again_and_changes_nothing(catalog, monkeypatch):
    load_registry(rows("A,G,1,20,Z,"), catalog, NOW)
    note_pending_hours = load._note_pending_hours

    def meanwhile(catalog, changes):
        monkeypatch.undo()
        load_registry(rows("B,G,1,20,Z,"), catalog, NOW)
        return note_pending_hours(catalog, changes)

    monkeypatch.setattr(load, "_note_pending_hours", meanwhile)
    with pytest.raises(FailedError, match="load the file again"):
        registry.load(registry.Usable(rows("C,H,2,20,,"), refused=0))
    assert content(catalog, "reference.sensors", "sensor_id") == [("A",), ("B",)]
