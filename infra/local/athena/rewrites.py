"""What Athena writes and Trino reads differently: one function per difference, statement in, statement out.

Names need none: the catalogs are called as in Athena and hand Iceberg tables over to each other.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from infra.local.athena import properties as props
from infra.local.athena.text import Kind, Statement, StatementError, closing, edit, literal, quoted, tokenize
from infra.local.trino import HIVE_CATALOG, ICEBERG_CATALOG


@dataclass(frozen=True)
class Name:
    """A table's database and name."""

    database: str
    table: str

    def in_catalog(self, catalog: str) -> str:
        """Return the name as Trino reads it."""
        return f"{quoted(catalog)}.{quoted(self.database)}.{quoted(self.table)}"


def double_literals(statement: Statement) -> Statement:
    """Athena reads `1.5` as a double, Trino as a decimal: write `1.5e0`."""

    return edit(
        statement,
        (
            (token.end, token.end, "e0")
            for token in statement.tokens
            if token.kind is Kind.NUMBER and "." in token.text and "e" not in token.text.lower()
        ),
    )


def optimize(statement: Statement) -> Statement:
    """`OPTIMIZE t REWRITE DATA USING BIN_PACK [WHERE …]` is `ALTER TABLE t EXECUTE optimize [WHERE …]` in Trino."""
    if not statement.starts("OPTIMIZE"):
        return statement
    rewrite = statement.find("REWRITE", "DATA", "USING", "BIN_PACK")
    if rewrite is None:
        raise StatementError(
            "mismatched input. Expecting: OPTIMIZE table REWRITE DATA USING BIN_PACK [WHERE predicate]"
        )
    where = statement.slice(rewrite + 4)
    if where and statement.word(rewrite + 4) != "WHERE":
        raise StatementError(f"mismatched input '{statement.tokens[rewrite + 4].text}'. Expecting: WHERE")
    return Statement(f"ALTER TABLE {statement.slice(1, rewrite)} EXECUTE optimize {where}".rstrip(), ())


@dataclass(frozen=True)
class CreateTableAs:
    """The parts of a CTAS."""

    name_tokens: tuple[int, int]
    if_not_exists: bool
    properties: dict[str, str]
    query: str
    comment: str = ""

    @property
    def is_iceberg(self) -> bool:
        """Whether it asks for an Iceberg table."""
        return props.text_of(self.properties.get("table_type", "'hive'")).lower() == "iceberg"


def parse_create_table_as(statement: Statement) -> CreateTableAs:
    """Take a CTAS apart. Raises StatementError."""
    first = 2
    if_not_exists = statement.word(2) == "IF"
    if if_not_exists:
        first = 5
    end = first + 1
    while statement.word(end) == ".":
        end += 2
    index = end
    comment = ""
    if statement.word(index) == "COMMENT":
        comment = statement.slice(index, index + 2)
        index += 2
    properties: dict[str, str] = {}
    if statement.word(index) == "WITH":
        close = closing(statement, index + 1)
        properties = props.parse(statement, index + 1, close)
        index = close + 1
    if statement.word(index) != "AS":
        raise StatementError(f"mismatched input '{statement.word(index).lower()}'. Expecting: 'AS', 'WITH'")
    return CreateTableAs((first, end), if_not_exists, properties, statement.slice(index + 1), comment)


@dataclass(frozen=True)
class Rewritten:
    """A statement for Trino and the session properties that say what its text cannot."""

    sql: str
    session: tuple[tuple[str, str], ...] = ()


_TRANSFORM_WITH_NUMBER = re.compile(r"^\s*(bucket|truncate)\s*\(\s*(\d+)\s*,\s*(.+?)\s*\)\s*$", re.IGNORECASE)
_PLURALS = re.compile(r"^\s*(year|month|day|hour)s\s*\(", re.IGNORECASE)


def partition_transform(transform: str) -> str:
    """Athena writes `bucket(4, c)` and `truncate(3, c)`, Trino `bucket(c, 4)`."""
    swapped = _TRANSFORM_WITH_NUMBER.sub(r"\1(\3, \2)", transform)
    return _PLURALS.sub(r"\1(", swapped).replace("`", "")


ICEBERG_PROPERTIES = ("location", "format", "partitioning", "write_compression")


def iceberg_table_properties(given: dict[str, str]) -> dict[str, str]:
    """Translate the properties of an Iceberg table; those that Trino has no word for are kept as the table's own."""
    result = {"location": literal(props.text_of(given["location"]).rstrip("/"))} if "location" in given else {}
    if "format" in given:
        result["format"] = literal(props.text_of(given["format"]).upper())
    if "partitioning" in given:
        transforms = [literal(partition_transform(item)) for item in props.list_of(given["partitioning"])]
        result["partitioning"] = f"ARRAY[{', '.join(transforms)}]"
    extra = {
        name: props.text_of(value)
        for name, value in given.items()
        if name not in (*ICEBERG_PROPERTIES, "table_type", "is_external")
    }
    if extra:
        names, values = ", ".join(map(literal, extra)), ", ".join(map(literal, extra.values()))
        result["extra_properties"] = f"MAP(ARRAY[{names}], ARRAY[{values}])"
    return result


def iceberg_create_table_as(ctas: CreateTableAs, name: Name) -> Rewritten:
    """An Iceberg CTAS names Trino's Iceberg catalog and its properties."""
    if "location" not in ctas.properties:
        raise StatementError("Table location can not be null for Iceberg table")
    session = ()
    if compression := ctas.properties.get("write_compression"):
        session = ((f"{ICEBERG_CATALOG}.compression_codec", props.text_of(compression).upper()),)
    return Rewritten(
        _create(ctas, name.in_catalog(ICEBERG_CATALOG), iceberg_table_properties(ctas.properties)), session
    )


def hive_create_table_as(ctas: CreateTableAs, name: Name, default_location: str) -> Rewritten:
    """A Hive CTAS gets a place below the query results by default; compression is a session property in Trino."""
    given = {key: value for key, value in ctas.properties.items() if key not in ("table_type", "is_external")}
    session = ()
    for key in ("write_compression", "parquet_compression", "orc_compression"):
        if compression := given.pop(key, None):
            session = ((f"{HIVE_CATALOG}.compression_codec", props.text_of(compression).upper()),)
    if delimiter := given.pop("field_delimiter", None):
        given["textfile_field_separator"] = delimiter
    given["format"] = literal(props.text_of(given.get("format", "'PARQUET'")).upper())
    location = props.text_of(given.get("external_location", default_location)).rstrip("/") + "/"
    given["external_location"] = literal(location)
    return Rewritten(_create(ctas, name.in_catalog(HIVE_CATALOG), given), session)


def _create(ctas: CreateTableAs, name: str, properties: dict[str, str]) -> str:
    condition = "IF NOT EXISTS " if ctas.if_not_exists else ""
    return f"CREATE TABLE {condition}{name} {ctas.comment} {props.write(properties)} AS {ctas.query}"


def location_of(ctas: CreateTableAs, default: str) -> str:
    """Return where a CTAS writes."""
    key = "location" if ctas.is_iceberg else "external_location"
    return props.text_of(ctas.properties.get(key, default)).rstrip("/") + "/"


def with_query(ctas: CreateTableAs, query: str) -> CreateTableAs:
    """Return the same CTAS of another query."""
    return CreateTableAs(ctas.name_tokens, ctas.if_not_exists, ctas.properties, query, ctas.comment)


_TIMESTAMP = re.compile(r"timestamp\(\d+\)(?! with)")


def millisecond_times(query: str, columns: list[tuple[str, str]]) -> str:
    """Athena's Hive writer keeps milliseconds, Trino's insists on getting them: cast the columns that hold times."""
    items = []
    for name, trino_type in columns:
        wanted = _TIMESTAMP.sub("timestamp(3)", trino_type)
        items.append(quoted(name) if wanted == trino_type else f"CAST({quoted(name)} AS {wanted}) AS {quoted(name)}")
    return f"SELECT {', '.join(items)} FROM ({query}\n)"  # noqa: S608 — the user's own query


def with_parameters(sql: str, parameters: list[str]) -> str:
    """Athena binds execution parameters, Trino through EXECUTE IMMEDIATE."""
    if not parameters:
        return sql
    return f"EXECUTE IMMEDIATE {literal(sql)} USING {', '.join(map(parameter_literal, parameters))}"


_LITERAL = re.compile(
    r"\s*(?:[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[-+]?\.\d+|'(?:[^']|'')*'|null|true|false"
    r"|(?:date|time|timestamp|decimal|interval|varbinary|char|x)\s*'(?:[^']|'')*'.*"
    r"|(?:cast|array|map|row)\b.*)\s*",
    re.IGNORECASE | re.DOTALL,
)


def parameter_literal(value: str) -> str:
    """A parameter is SQL for a value; plain text that is none is a string."""
    if not _LITERAL.fullmatch(value):
        return literal(value)
    return double_literals(tokenize(f"SELECT {value}")).sql.removeprefix("SELECT ")


QUERY_REWRITES: tuple[Callable[[Statement], Statement], ...] = (double_literals, optimize)
"""Applied in this order to every statement that goes to Trino."""


def for_trino(statement: Statement) -> Statement:
    """Apply all rewrites of queries."""
    for rewrite in QUERY_REWRITES:
        statement = rewrite(statement)
    return statement
