"""Every kind of statement that Athena takes, and how it runs here."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.local.athena import ddl, properties, rewrites, views
from infra.local.athena.context import Answer, Context, is_iceberg
from infra.local.athena.engine import Column, Outcome, QueryFailed, Rows
from infra.local.athena.reader import Reader
from infra.local.athena.tables import missing
from infra.local.athena.text import Statement, StatementError, closing, literal, split, tokenize
from infra.local.trino import HIVE_CATALOG

DML, DDL, UTILITY = "DML", "DDL", "UTILITY"
_NOTHING = Statement("", ())

OnRows = Callable[[list[Column], Rows], None]
Run = Callable[[Context, Statement, list[str], OnRows], Answer]


@dataclass(frozen=True)
class Plan:
    """How a statement runs: its type for the client, what kind of result it leaves, and the function."""

    kind: str
    substatement: str
    result: str  # "csv", "txt", "table" (data elsewhere) or "none"
    run: Run


def plan(statement: Statement) -> Plan:
    """Decide how a statement runs. Raises StatementError if it is none that is known."""
    if not statement.tokens:
        return Plan(DDL, "PREPARE", "txt", lambda *_: Answer())
    if statement.starts("CREATE", "TABLE") and statement.find("AS") is not None:
        return Plan(DDL, "CREATE_TABLE_AS_SELECT", "table", _create_table_as)
    for words, kind, result, function in ROUTES:
        if statement.starts(*words):
            return Plan(kind, "_".join(words), result, function)
    if statement.word(0) not in ddl.FIRST_WORDS:
        raise StatementError(f"line 1:1: mismatched input '{statement.tokens[0].text}': not a statement of Athena")
    words, kind, function = ddl.route(statement)
    return Plan(
        kind,
        "_".join(words),
        "txt",
        lambda context, statement, *_: function(context, Reader(statement, context.database)),
    )


def resolve(
    statement: Statement,
    parameters: list[str],
    get: Callable[[str], dict[str, str] | None],
    put: Callable[[str, dict[str, str]], None],
    delete: Callable[[str], None],
) -> tuple[Statement, list[str]]:
    """Return the statement to run and its parameters: EXECUTE stands for what PREPARE kept.

    PREPARE and DEALLOCATE are done here and leave a statement that does nothing. Raises StatementError.
    """
    if statement.starts("PREPARE"):
        name = statement.tokens[1].text
        put(name, {"StatementName": name, "QueryStatement": statement.slice(3)})
        return _NOTHING, []
    if statement.starts("DEALLOCATE", "PREPARE"):
        delete(statement.tokens[2].text)
        return _NOTHING, []
    if not statement.starts("EXECUTE"):
        return statement, parameters
    name = statement.tokens[1].text
    prepared = get(name)
    if prepared is None:
        raise StatementError(f"PreparedStatement {name} was not found in workGroup")
    if statement.word(2) == "USING":
        parameters = [statement.slice(*part) for part in split(statement, 3, len(statement.tokens))]
    return tokenize(prepared["QueryStatement"]), parameters


def _query(context: Context, statement: Statement, parameters: list[str], on_rows: OnRows) -> Answer:
    sql = rewrites.with_parameters(rewrites.for_trino(statement).sql, parameters)
    outcome = context.run(sql, on_rows)
    return Answer(outcome=outcome, update_count=outcome.update_count)


def _create_table_as(context: Context, statement: Statement, parameters: list[str], _: OnRows) -> Answer:
    statement = rewrites.double_literals(statement)
    ctas = rewrites.parse_create_table_as(statement)
    name = Reader(statement, context.database, ctas.name_tokens[0]).name()
    default = f"{context.result_folder}tables/{context.execution_id}/"
    outcome = _run_create_table_as(context, ctas, name, default, parameters)
    manifest = _objects(context, rewrites.location_of(ctas, default)) if not ctas.is_iceberg else []
    return Answer(outcome=outcome, update_count=outcome.update_count, manifest=manifest)


def _run_create_table_as(
    context: Context, ctas: rewrites.CreateTableAs, name: rewrites.Name, default: str, parameters: list[str]
) -> Outcome:
    if ctas.is_iceberg:
        rewritten = rewrites.iceberg_create_table_as(ctas, name)
        return context.run(rewrites.with_parameters(rewritten.sql, parameters), properties=rewritten.session)

    def run(query: str) -> Outcome:
        rewritten = rewrites.hive_create_table_as(rewrites.with_query(ctas, query), name, default)
        return context.run(rewrites.with_parameters(rewritten.sql, parameters), properties=rewritten.session)

    try:
        return run(ctas.query)
    except QueryFailed as error:
        # Most tables hold no times: asking for the column types first would slow every CTAS.
        if "Incorrect timestamp precision" not in error.message or parameters:
            raise
        return run(rewrites.millisecond_times(ctas.query, context.columns_of(ctas.query)))


def _objects(context: Context, location: str) -> list[str]:
    place = urlsplit(location)
    pages = context.s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=place.path.lstrip("/"))
    return [f"s3://{place.netloc}/{item['Key']}" for page in pages for item in page.get("Contents", ())]


def _unload(context: Context, statement: Statement, parameters: list[str], _: OnRows) -> Answer:
    """UNLOAD (query) TO 'place' WITH (…): a CTAS to that place whose entry in the catalog is dropped."""
    if statement.word(1) != "(":
        raise StatementError("mismatched input. Expecting: UNLOAD (query) TO 'location' WITH (properties)")
    end = closing(statement, 1)
    if statement.word(end + 1) != "TO":
        raise StatementError("mismatched input. Expecting: 'TO'")
    location = statement.tokens[end + 2].text
    given: dict[str, str] = {}
    if statement.word(end + 3) == "WITH":
        given = properties.parse(statement, end + 4, closing(statement, end + 4))
    if "format" not in given:
        raise StatementError("UNLOAD needs the property format")
    if compression := given.pop("compression", None):
        given["write_compression"] = compression
    given["external_location"] = literal(location)
    query = rewrites.double_literals(tokenize(statement.slice(2, end))).sql
    ctas = rewrites.CreateTableAs((0, 0), False, given, query)
    scratch = rewrites.Name(context.database or "default", f"unload_{uuid.uuid4().hex}")
    try:
        outcome = _run_create_table_as(context, ctas, scratch, location, parameters)
    finally:
        if context.table(scratch):
            context.glue.delete_table(DatabaseName=scratch.database, Name=scratch.table)
    return Answer(
        outcome=outcome, update_count=outcome.update_count, manifest=_objects(context, location.rstrip("/") + "/")
    )


def _vacuum(context: Context, statement: Statement, *_: object) -> Answer:
    """VACUUM t expires old snapshots and removes files that none refers to, by the table's own properties."""
    name = Reader(statement, context.database, 1).name()
    table = context.table(name)
    if table is None:
        raise missing(name)
    if not is_iceberg(table):
        raise StatementError("VACUUM is for Iceberg tables")
    age = int(table.get("Parameters", {}).get("vacuum_max_snapshot_age_seconds", 432_000))
    for procedure in ("expire_snapshots", "remove_orphan_files"):
        context.run(f"ALTER TABLE {name.in_catalog(HIVE_CATALOG)} EXECUTE {procedure}(retention_threshold => '{age}s')")
    return Answer()


def _create_view(context: Context, statement: Statement, *_: object) -> Answer:
    return views.create_view(context, statement)


# (first words, type for the client, kind of result, function); CREATE TABLE AS is told apart in `plan`
ROUTES: tuple[tuple[tuple[str, ...], str, str, Run], ...] = (
    (("SELECT",), DML, "csv", _query),
    (("WITH",), DML, "csv", _query),
    (("VALUES",), DML, "csv", _query),
    (("TABLE",), DML, "csv", _query),
    (("(",), DML, "csv", _query),
    (("INSERT",), DML, "none", _query),
    (("UPDATE",), DML, "none", _query),
    (("DELETE",), DML, "none", _query),
    (("MERGE",), DML, "none", _query),
    (("OPTIMIZE",), DML, "none", _query),
    (("UNLOAD",), DML, "table", _unload),
    (("EXPLAIN",), UTILITY, "csv", _query),
    (("CREATE", "VIEW"), DDL, "txt", _create_view),
    (("CREATE", "OR", "REPLACE", "VIEW"), DDL, "txt", _create_view),
    (("VACUUM",), DDL, "txt", _vacuum),
)
