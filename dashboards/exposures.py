"""dbt exposures from the specs: `python -m dashboards.exposures [--check]` writes the committed file, or checks it.

An exposure is what dbt's documentation says of whoever uses its tables. From it one comes to the tables of a
dashboard; its description leads from each visual to its columns and formulas.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from dashboards import formula
from dashboards.quicksight.fields import measure_name
from dashboards.spec import Dashboard, Dataset, Specs, Visual, load
from dashboards.tables import tables

PATH = "dbt/models/dashboards.yml"
_HEADER = "# Made from dashboards/*.yaml by `python -m dashboards.exposures`. Do not edit: change the specs.\n"
# The address differs from account to account; this one leads a reader to all dashboards that they have.
_URL = "{{ env_var('TRAFFICLAKE_DASHBOARD_URL', 'https://quicksight.aws.amazon.com/sn/start/dashboards') }}"
_OWNER = {"name": "Traffic planning", "email": "traffic-planning@example.org"}


def exposures_yaml() -> str:
    """Return the text of the exposures file."""
    specs = load()
    exposures = [_exposure(specs, dashboard) for dashboard in specs.dashboards]
    document = {"version": 2, "exposures": exposures}
    return _HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _exposure(specs: Specs, dashboard: Dashboard) -> dict[str, Any]:
    used = [specs.datasets[visual.dataset] for visual in dashboard.visuals]
    return {
        "name": f"dashboard_{dashboard.name}",
        "label": dashboard.title,
        "type": "dashboard",
        "maturity": "medium",
        "url": _URL,
        "description": _description(specs, dashboard),
        "owner": _OWNER,
        "depends_on": sorted({tables()[name].dbt_reference for dataset in used for name in _tables(dataset)}),
        "config": {"meta": {"visuals": {visual.id: _visual(specs, visual) for visual in dashboard.visuals}}},
    }


def _tables(dataset: Dataset) -> list[str]:
    """Return the tables of the lake that a dataset reads; none where it is of the alerts' own table."""
    own = [dataset.mart] if dataset.mart else []
    return own + ([dataset.join.mart] if dataset.join else [])


def _visual(specs: Specs, visual: Visual) -> dict[str, Any]:
    dataset = specs.datasets[visual.dataset]
    return {
        "title": visual.title,
        "tables": _tables(dataset),
        "dimensions": list(visual.dimensions),
        "measures": {
            name: {
                "formula": dataset.measures[name].formula.strip(),
                "unit": dataset.measures[name].unit,
                "columns": _columns(dataset, [name]),
            }
            for name in visual.measures
        },
    }


def _columns(dataset: Dataset, measures: Iterable[str]) -> list[str]:
    read = {column for name in measures for column in formula.columns(formula.parse(dataset.measures[name].formula))}
    return sorted(_column(dataset, column) for column in read)


def _column(dataset: Dataset, column: str) -> str:
    """Return a column with its table; of a joined table where it is from there."""
    joined = dataset.join is not None and column in {each.name for each in dataset.join.columns}
    table = dataset.join.mart if joined and dataset.join else dataset.mart or dataset.source
    return f"{table}.{column}"


def _description(specs: Specs, dashboard: Dashboard) -> str:
    lines = [dashboard.description]
    for sheet in dashboard.sheets:
        lines += ["", f"### {sheet.title}", "", sheet.question, ""]
        lines += ["| visual | figure | formula | columns |", "|---|---|---|---|"]
        for visual in sheet.visuals:
            dataset = specs.datasets[visual.dataset]
            lines += [_line(visual, dataset, name) for name in visual.measures]
    return "\n".join(lines)


def _line(visual: Visual, dataset: Dataset, name: str) -> str:
    measure = dataset.measures[name]
    by = ", ".join(_columns(dataset, [name])) or f"rows of {dataset.mart or dataset.source}"
    return f"| {visual.title} | {measure_name(measure)} | `{' '.join(measure.formula.split())}` | {by} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with --check only compare it. Returns 1 when --check finds a difference, otherwise 0."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.exposures", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when the file is stale")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the checkout (default: here)")
    options = parser.parse_args(arguments)
    path = options.root / PATH
    text = exposures_yaml()
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    if options.check:
        sys.stderr.write(f"{PATH} is not what the specs give; run `python -m dashboards.exposures`.\n")
        return 1
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{PATH} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
