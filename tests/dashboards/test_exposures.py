"""dbt's documentation leads from a visual to its tables, columns and formulas."""

from pathlib import Path

from dashboards import exposures
from dashboards.quicksight.datasets import of_athena
from dashboards.spec import load

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_file_is_what_the_specs_give():
    assert exposures.main(["--check", "--root", str(ROOT)]) == 0


def test_a_stale_file_is_named_and_then_written(tmp_path, capsys):
    path = tmp_path / exposures.PATH
    path.parent.mkdir(parents=True)
    path.write_text("exposures: []\n")
    assert exposures.main(["--check", "--root", str(tmp_path)]) == 1
    assert exposures.PATH in capsys.readouterr().err
    assert path.read_text() == "exposures: []\n"
    assert exposures.main(["--root", str(tmp_path)]) == 0
    assert path.read_text() == (ROOT / exposures.PATH).read_text()


def test_dbt_knows_every_dashboard_and_what_it_depends_on(manifest):
    specs = load()
    of_quicksight = {dataset.name for dataset in of_athena(specs)}
    names = {
        unique_id: f"{node.get('source_name', 'marts')}.{node['name']}" for unique_id, node in manifest["nodes"].items()
    }
    names |= {unique_id: f"{node['source_name']}.{node['name']}" for unique_id, node in manifest["sources"].items()}
    known = {exposure["name"]: exposure for exposure in manifest["exposures"].values()}
    for dashboard in specs.dashboards:
        exposure = known[f"dashboard_{dashboard.name}"]
        used = [specs.datasets[visual.dataset] for visual in dashboard.visuals if visual.dataset in of_quicksight]
        tables = {dataset.mart for dataset in used} | {dataset.join.mart for dataset in used if dataset.join}
        assert {names[unique_id] for unique_id in exposure["depends_on"]["nodes"]} == tables
        assert exposure["url"].startswith("https://")


def test_every_visual_leads_to_its_columns_and_formula(manifest):
    columns = {}
    for node in (*manifest["nodes"].values(), *manifest["sources"].values()):
        columns[f"{node.get('source_name', 'marts')}.{node['name']}"] = node.get("columns", {}).keys()
    known = {exposure["name"]: exposure for exposure in manifest["exposures"].values()}
    for dashboard in load().dashboards:
        exposure = known[f"dashboard_{dashboard.name}"]
        for visual in dashboard.visuals:
            told = exposure["config"]["meta"]["visuals"][visual.id]
            assert visual.title in exposure["description"]
            for name in visual.measures:
                measure = told["measures"][name]
                assert f"`{' '.join(measure['formula'].split())}`" in exposure["description"]
                for column in measure["columns"]:
                    table, _, column_name = column.rpartition(".")
                    assert table == "alert_table" or column_name in columns[table]
