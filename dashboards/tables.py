"""What the lake's tables hold, as dbt declares them: columns with Athena types and descriptions.

Read from the same files that dbt reads, because the CDK app and a page need a few sentences and not a parsed project.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_MODELS = Path(__file__).parents[1] / "dbt" / "models"
_REFERENCE = re.compile(r"\bref\('(\w+)'\)")
_DOC_BLOCK = re.compile(r"{% docs (\w+) %}\s*(.*?)\s*{% enddocs %}", re.DOTALL)
_DOC_REFERENCE = re.compile(r"{{ doc\('(\w+)'\) }}")


@dataclass(frozen=True)
class Column:
    """One column: its type as Athena's queries write it (`varchar`), and its meaning with its unit."""

    name: str
    data_type: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table. `dbt_reference` is how a dbt project names it: `ref('…')` if dbt makes it, else `source(…)`.

    `behind` are the tables that a view is made of, by full name; Athena reads them with the rights of who asks. It is
    empty for a table that is one itself.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    dbt_reference: str
    behind: tuple[str, ...] = ()

    @property
    def types(self) -> dict[str, str]:
        """Return the types by column."""
        return {column.name: column.data_type for column in self.columns}


@cache
def tables() -> dict[str, Table]:
    """Return the tables by full name, `marts.congestion_daily`: the marts, and all that dbt only reads."""
    models = _yaml("marts/_marts.yml")["models"]
    sources = _yaml("staging/_sources.yml")["sources"]
    made = [_table("marts", model, f"ref('{model['name']}')", _behind(model["name"])) for model in models]
    read = [
        _table(source["name"], table, f"source('{source['name']}', '{table['name']}')")
        for source in sources
        for table in source["tables"]
    ]
    return {table.name: table for table in (*made, *read)}


def _table(database: str, entry: dict[str, Any], dbt_reference: str, behind: tuple[str, ...] = ()) -> Table:
    columns = tuple(
        Column(column["name"], column["data_type"], _text(column["description"])) for column in entry["columns"]
    )
    return Table(f"{database}.{entry['name']}", _text(entry["description"]), columns, dbt_reference, behind)


def _behind(model: str) -> tuple[str, ...]:
    """Return the tables that the SQL of a mart refers to if it is a view."""
    sql = (_MODELS / "marts" / f"{model}.sql").read_text(encoding="utf-8")
    if "materialized='view'" not in sql:
        return ()
    return tuple(f"marts.{name}" for name in _REFERENCE.findall(sql))


def _yaml(path: str) -> dict[str, Any]:
    return yaml.safe_load((_MODELS / path).read_text(encoding="utf-8"))


def _text(description: str) -> str:
    return " ".join(_DOC_REFERENCE.sub(lambda found: _doc_blocks()[found[1]], description).split())


@cache
def _doc_blocks() -> dict[str, str]:
    return dict(_DOC_BLOCK.findall((_MODELS / "docs.md").read_text(encoding="utf-8")))
