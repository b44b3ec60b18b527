"""What dashboards know of the marts is what dbt knows."""

from dashboards.marts import marts


def one_line(text):
    return " ".join(text.split())


def test_columns_types_and_meanings_are_those_of_the_dbt_manifest(manifest):
    declared = {
        node["name"]: node
        for node in (*manifest["nodes"].values(), *manifest["sources"].values())
        if node["path"].startswith("marts/") or node.get("source_name") == "marts"
        if node["resource_type"] in ("model", "source")
    }
    assert marts().keys() == declared.keys()
    for name, mart in marts().items():
        expected = [
            (column["name"], column["data_type"], one_line(column["description"]))
            for column in declared[name]["columns"].values()
        ]
        assert [(column.name, column.data_type, column.description) for column in mart.columns] == expected
        assert mart.description == one_line(declared[name]["description"])


def test_every_column_says_what_it_is():
    assert [
        (mart.name, column.name) for mart in marts().values() for column in mart.columns if not column.description
    ] == []
