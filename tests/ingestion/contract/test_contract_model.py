import copy
from importlib import resources

import pytest
import yaml

from ingestion.contract import __main__ as command
from ingestion.contract import dbt_sources, model


@pytest.fixture
def document():
    text = resources.files("ingestion.contract").joinpath("readings.yaml").read_text(encoding="utf-8")
    return copy.deepcopy(yaml.safe_load(text))


def column_of(document, name):
    return next(p for p in document["schema"][0]["properties"] if p["name"] == name)


# Of the Open Data Contract Standard 3.1, the part that these contracts use; it allows no other keys.
TOP = {"apiVersion", "kind", "id", "name", "version", "status", "domain", "description", "customProperties", "schema"}
OBJECT = {"name", "physicalName", "physicalType", "logicalType", "description", "properties", "customProperties"}
PROPERTY = {
    "name", "description", "logicalType", "logicalTypeOptions", "physicalType", "required", "primaryKey",
    "primaryKeyPosition", "partitioned", "partitionKeyPosition", "items", "customProperties",
}  # fmt: skip
OPTIONS = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"},
    "timestamp": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format", "timezone"},
    "array": {"minItems", "maxItems", "uniqueItems"},
}  # fmt: skip


@pytest.mark.parametrize("name", model.CONTRACTS)
def test_a_contract_uses_only_what_the_standard_knows(name):
    contract = yaml.safe_load(resources.files("ingestion.contract").joinpath(f"{name}.yaml").read_text("utf-8"))
    assert contract.keys() <= TOP
    assert (contract["apiVersion"], contract["kind"], contract["status"]) == ("v3.1.0", "DataContract", "active")
    assert contract["description"].keys() <= {"purpose", "usage", "limitations"}
    for schema in contract["schema"]:
        assert schema.keys() <= OBJECT
        for prop in schema["properties"]:
            assert prop.keys() <= PROPERTY
            assert prop.get("logicalTypeOptions", {}).keys() <= OPTIONS[prop["logicalType"]]
            assert ("primaryKeyPosition" in prop) == prop.get("primaryKey", False)
            assert all(entry.keys() == {"property", "value"} for entry in prop.get("customProperties", []))


def test_what_the_model_does_not_know_is_refused_instead_of_ignored(document):
    column_of(document, "speed_kmh")["logicalTypeOptions"]["exclusiveMaximum"] = 300
    with pytest.raises(model.ContractError, match=r"speed_kmh: unknown properties \['exclusiveMaximum'\]"):
        model.parse(document)


def test_an_unknown_type_is_refused(document):
    column_of(document, "speed_kmh")["physicalType"] = "float"
    with pytest.raises(model.ContractError, match="unknown physical type float"):
        model.parse(document)


def test_a_partition_column_needs_its_transform(document):
    column_of(document, "device_status")["partitioned"] = True
    with pytest.raises(model.ContractError, match="device_status: a partition column needs"):
        model.parse(document)


def test_a_new_optional_column_reaches_landing_and_curated_without_further_work(document):
    document["schema"][0]["properties"].append(
        {
            "name": "wind_ms",
            "description": "Wind.",
            "logicalType": "number",
            "physicalType": "double",
            "customProperties": [
                {"property": "landingNames", "value": ["wind"]},
                {"property": "landingType", "value": "double"},
            ],
        }
    )
    contract = model.parse(document)
    assert model.landing_table(contract).column("wind").physical_type == "double"
    assert contract.tables[0].column("wind_ms").physical_type == "double"


def test_every_landing_name_belongs_to_one_column_and_has_a_type():
    columns = model.load("readings").columns
    names = [name for column in columns for name in column.landing_names]
    assert len(names) == len(set(names))
    assert all(bool(c.landing_names) == (c.landing_type is not None) != c.derived for c in columns)


def test_keys_and_partitions_are_read_in_their_order():
    assert model.table("curated.readings").key == ("sensor_id", "ts")
    assert model.table("rejected_readings").partitioning == (("days", "arrival_hour"),)
    assert model.table("reference.zones").partitioning == ()


def test_flags_say_which_measure_they_leave_out():
    readings = model.load("readings")
    assert readings.flags_excluding("volume") == (
        "occupancy_above_95_pct",
        "occupancy_without_count",
        "device_status_not_ok",
        "count_above_physical_limit",
        "stuck",
    )
    assert all(set(flag.excludes) <= {"volume", "speed", "occupancy"} for flag in readings.flags)
    assert {flag.scope for flag in readings.flags} == {"sample", "series"}


@pytest.mark.parametrize("lookup", [lambda: model.load("none"), lambda: model.table("none")])
def test_an_unknown_name_is_refused(lookup):
    with pytest.raises((model.ContractError, KeyError), match="none"):
        lookup()


def test_the_check_says_which_artefact_is_stale_and_writes_nothing(tmp_path, capsys):
    assert command.main(["--root", str(tmp_path), "--check"]) == 1
    assert dbt_sources.PATH in capsys.readouterr().err
    assert not (tmp_path / dbt_sources.PATH).exists()
    assert command.main(["--root", str(tmp_path)]) == 0
    assert command.main(["--root", str(tmp_path), "--check"]) == 0
