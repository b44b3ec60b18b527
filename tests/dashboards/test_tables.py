"""What dashboards know of the lake's tables is what dbt knows."""

from dashboards.tables import tables


def one_line(text):
    return " ".join(text.split())


def test_columns_types_and_meanings_are_those_of_the_dbt_manifest(manifest):
    declared = {f"{node['source_name']}.{node['name']}": node for node in manifest["sources"].values()}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["path"].startswith("marts/"):
            declared[f"marts.{node['name']}"] = node
    assert tables().keys() == declared.keys()
    for name, table in tables().items():
        expected = [
            (column["name"], column["data_type"], one_line(column["description"]))
            for column in declared[name]["columns"].values()
        ]
        assert [(column.name, column.data_type, column.description) for column in table.columns] == expected
        assert table.description == one_line(declared[name]["description"])


def test_every_column_says_what_it_is():
    undescribed = [
        (table.name, column.name) for table in tables().values() for column in table.columns if not column.description
    ]
    assert undescribed == []
