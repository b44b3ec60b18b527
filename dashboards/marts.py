"""What the marts hold, as dbt declares it: columns with Athena types and descriptions.

Read from the same files that dbt reads, because the CDK app and a page need a few sentences and not a parsed project.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DATABASE = "marts"
_MODELS = Path(__file__).parents[1] / "dbt" / "models"
_DOC_BLOCK = re.compile(r"{% docs (\w+) %}\s*(.*?)\s*{% enddocs %}", re.DOTALL)
_DOC_REFERENCE = re.compile(r"{{ doc\('(\w+)'\) }}")


@dataclass(frozen=True)
class Column:
    """One column: its type as Athena's queries write it (`varchar`), and its meaning with its unit."""

    name: str
    data_type: str
    description: str


@dataclass(frozen=True)
class Mart:
    """One table. `is_source` says that a job writes it and not dbt."""

    name: str
    description: str
    columns: tuple[Column, ...]
    is_source: bool

    @property
    def types(self) -> dict[str, str]:
        """Return the types by column."""
        return {column.name: column.data_type for column in self.columns}


@cache
def marts() -> dict[str, Mart]:
    """Return the marts by name: those that dbt makes, then those that a job puts beside them."""
    models = _yaml("marts/_marts.yml")["models"]
    (source,) = (each for each in _yaml("staging/_sources.yml")["sources"] if each["name"] == DATABASE)
    both = [(entry, False) for entry in models] + [(entry, True) for entry in source["tables"]]
    return {entry["name"]: _mart(entry, is_source) for entry, is_source in both}


def _mart(entry: dict[str, Any], is_source: bool) -> Mart:
    columns = tuple(
        Column(column["name"], column["data_type"], _text(column["description"])) for column in entry["columns"]
    )
    return Mart(entry["name"], _text(entry["description"]), columns, is_source)


def _yaml(path: str) -> dict[str, Any]:
    return yaml.safe_load((_MODELS / path).read_text(encoding="utf-8"))


def _text(description: str) -> str:
    return " ".join(_DOC_REFERENCE.sub(lambda found: _doc_blocks()[found[1]], description).split())


@cache
def _doc_blocks() -> dict[str, str]:
    return dict(_DOC_BLOCK.findall((_MODELS / "docs.md").read_text(encoding="utf-8")))
