"""What durable tables need of the base emulator by private name; `tests/infra/local/test_base.py` names each.

The base keeps items and stream records in memory, forgets stream records when it ends, and has no way to save one item.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from infra.local import base

# ["put", table's address, item], ["delete", table's address, item] or ["stream", table's address, stream record].
Change = list[Any]
_STORES = (
    "tags",
    "ttl_settings",
    "pitr_settings",
    "kinesis_destinations",
    "contributor_insights",
    "backups",
    "resource_policies",
    "exports",
    "imports",
)
_STREAMS = "dynamodb_stream_records"


def patch(app: ModuleType, note: Callable[[Change], None]) -> None:
    """Have each change of an item, and each stream record, noted when it is made."""
    module = app._get_module("dynamodb")
    set_item, remove_item, emit = module._set_item, module._remove_item, module._emit_stream_event

    def noted_set(table: dict[str, Any], pk: str, sk: str, item: dict[str, Any]) -> Any:  # noqa: ANN401
        note(["put", table["TableArn"], item])
        return set_item(table, pk, sk, item)

    def noted_remove(table: dict[str, Any], pk: str, sk: str) -> Any:  # noqa: ANN401
        old = remove_item(table, pk, sk)
        if old is not None:
            note(["delete", table["TableArn"], old])
        return old

    def noted_emit(table_name: str, *arguments: Any, **more: Any) -> None:  # noqa: ANN401
        emit(table_name, *arguments, **more)
        table, records = module._tables.get(table_name), module._stream_records.get(table_name)
        if table and records:
            note(["stream", table["TableArn"], records[-1]])

    module._set_item, module._remove_item, module._emit_stream_event = noted_set, noted_remove, noted_emit


def apply(app: ModuleType, change: Change) -> None:
    """Make a noted change again; one that is made already, or whose table is gone, changes nothing."""
    module = app._get_module("dynamodb")
    kind, table_arn, content = change
    found = _tables(app).get(table_arn)
    if found is None:
        return
    scope, table = found
    if kind == "stream":
        records = module._stream_records._data.setdefault(scope, [])
        if not records or records[-1]["dynamodb"]["SequenceNumber"] < content["dynamodb"]["SequenceNumber"]:
            records.append(content)
        return
    partition = module._extract_key_val(content[table["pk_name"]])
    sort = module._extract_key_val(content[table["sk_name"]]) if table["sk_name"] else "__no_sort__"
    if kind == "put":
        module._set_item(table, partition, sort, content)
    else:
        module._remove_item(table, partition, sort)


def stream_records(app: ModuleType, stream_arn: str) -> list[dict[str, Any]]:
    """Return a copy of the records of a table's stream, oldest first; none when there is no such stream."""
    module = app._get_module("dynamodb")
    for scope, table in list(module._tables._data.items()):
        if table.get("LatestStreamArn") == stream_arn:
            return list(module._stream_records._data.get(scope, ()))
    return []


def stream_of(app: ModuleType, table_arn: str) -> str | None:
    """Return the address of a table's stream."""
    return _tables(app).get(table_arn, (None, {}))[1].get("LatestStreamArn")


def saver(app: ModuleType) -> Callable[[], None]:
    """Return a function that writes tables, items and stream records to files."""
    save_tables = base.saver(app, "dynamodb", lambda: state(app))
    module_of = app._get_module

    def save() -> None:
        module = module_of("dynamodb")
        base.write_state(_STREAMS, {"records": module._stream_records, "trimmed": module._stream_trimmed})
        save_tables()

    return save


def restore_streams(app: ModuleType) -> None:
    """Read the stream records that were saved."""
    module, kept = app._get_module("dynamodb"), base.read_state(_STREAMS)
    if kept:
        module._stream_records._data.update(kept["records"]._data)
        module._stream_trimmed._data.update(kept["trimmed"]._data)


def state(app: ModuleType) -> dict[str, Any]:
    """Return the live stores of the base's tables: its own `get_state` copies every item deeply."""
    module = app._get_module("dynamodb")
    tables = type(module._tables)()
    for scope, table in module._tables._data.items():
        tables._data[scope] = {name: value for name, value in table.items() if name != module._INDEX_MEMBERS}
    return {"tables": tables} | {name: getattr(module, f"_{name}") for name in _STORES}


def _tables(app: ModuleType) -> dict[str, tuple[Any, dict[str, Any]]]:
    tables = app._get_module("dynamodb")._tables._data
    return {table["TableArn"]: (scope, table) for scope, table in list(tables.items())}
