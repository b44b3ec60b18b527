"""Hive's DDL on Glue: which function runs which statement."""

from collections.abc import Callable

from infra.local.athena import partitions, show, tables
from infra.local.athena.context import Answer, Context
from infra.local.athena.reader import Reader
from infra.local.athena.text import Statement, StatementError


def _create_database(context: Context, reader: Reader) -> Answer:
    reader.index = 2
    quiet = reader.if_not_exists()
    entry: dict[str, object] = {"Name": reader.identifier()}
    while not reader.ended:
        if reader.accept("COMMENT"):
            entry["Description"] = reader.string()
        elif reader.accept("LOCATION"):
            entry["LocationUri"] = reader.string()
        elif reader.accept("WITH", "DBPROPERTIES"):
            entry["Parameters"] = reader.properties()
        else:
            reader.fail("COMMENT, LOCATION or WITH DBPROPERTIES")
    try:
        context.glue.create_database(DatabaseInput=entry)
    except context.glue.exceptions.AlreadyExistsException:
        if not quiet:
            raise StatementError(
                "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                f"Database {entry['Name']} already exists"
            ) from None
    return Answer()


def _drop_database(context: Context, reader: Reader) -> Answer:
    reader.index = 2
    quiet = reader.if_exists()
    name = reader.identifier()
    cascade = reader.accept("CASCADE")
    reader.accept("RESTRICT")
    reader.end()
    try:
        tables_there = context.glue.get_tables(DatabaseName=name)["TableList"]
        if tables_there and not cascade:
            raise StatementError(
                "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                f"InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)"
            )
        context.glue.delete_database(Name=name)
    except context.glue.exceptions.EntityNotFoundException:
        if not quiet:
            raise StatementError(f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}") from None
    return Answer()


def _repair(context: Context, reader: Reader) -> Answer:
    reader.expect("MSCK", "REPAIR", "TABLE")
    name = reader.name()
    table = context.table(name)
    if table is None:
        raise tables.missing(name)
    return partitions.repair(context, name, table)


# (first words, Athena's type of statement, function)
ROUTES: tuple[tuple[tuple[str, ...], str, Callable[[Context, Reader], Answer]], ...] = (
    (("CREATE", "DATABASE"), "DDL", _create_database),
    (("CREATE", "SCHEMA"), "DDL", _create_database),
    (("CREATE", "EXTERNAL", "TABLE"), "DDL", tables.create_table),
    (("CREATE", "TABLE"), "DDL", tables.create_table),
    (("DROP", "DATABASE"), "DDL", _drop_database),
    (("DROP", "SCHEMA"), "DDL", _drop_database),
    (("DROP", "TABLE"), "DDL", tables.drop_table),
    (("DROP", "VIEW"), "DDL", tables.drop_view),
    (("ALTER", "TABLE"), "DDL", tables.alter_table),
    (("MSCK",), "DDL", _repair),
    (("SHOW",), "UTILITY", show.show),
    (("DESCRIBE",), "UTILITY", show.describe),
    (("DESC",), "UTILITY", show.describe),
)


FIRST_WORDS = frozenset(words[0] for words, _, _ in ROUTES)


def route(statement: Statement) -> tuple[tuple[str, ...], str, Callable[[Context, Reader], Answer]]:
    """Return the words that name the statement, its type and its function. Raises StatementError if there is none."""
    for words, kind, function in ROUTES:
        if statement.starts(*words):
            return words, kind, function
    words = " ".join(statement.word(index) for index in range(2))
    raise StatementError(f"{words} is not supported by the local Athena")
