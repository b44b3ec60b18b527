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


def test_a_view_names_the_tables_that_dbt_makes_it_of(manifest):
    nodes = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    for table in tables().values():
        node = nodes.get(table.name.partition(".")[2], {"config": {}})
        is_view = node["config"].get("materialized") == "view"
        refers_to = {f"marts.{name.rpartition('.')[2]}" for name in node["depends_on"]["nodes"]} if is_view else set()
        assert set(table.behind) == refers_to, table.name
        # A view of a view would need the tables behind that one too.
        assert "view" not in {nodes[name.partition(".")[2]]["config"]["materialized"] for name in table.behind}


def test_every_column_says_what_it_is():
    undescribed = [
        (table.name, column.name) for table in tables().values() for column in table.columns if not column.description
    ]
    assert undescribed == []
