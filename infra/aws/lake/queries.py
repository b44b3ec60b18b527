"""Queries that analysts begin with: a file each in `queries/`, whose leading comment is its title and description."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("queries")
_COMMENT = "-- "


@dataclass(frozen=True)
class Query:
    """A query for analysts: `name` is its file's, `title` what a list of queries shows."""

    name: str
    title: str
    description: str
    sql: str


def queries() -> list[Query]:
    """Return all queries in the order of their titles. Raises ValueError for one without title and description."""
    return sorted(map(_query, FOLDER.glob("*.sql")), key=lambda query: query.title)


def _query(path: Path) -> Query:
    text = path.read_text()
    comment = []
    for line in text.splitlines():
        if not line.startswith(_COMMENT):
            break
        comment.append(line.removeprefix(_COMMENT))
    if len(comment) < 2:
        raise ValueError(f"{path.name} has no title and description; they are its first lines, as comments.")
    title, *description = comment
    return Query(path.stem, title, " ".join(description), text)
