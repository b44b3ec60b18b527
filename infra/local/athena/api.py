"""The Athena API: one function per action, and the table of them at the bottom."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from infra.local.athena import catalog, results
from infra.local.athena.executor import Executor, new_execution
from infra.local.athena.state import TERMINAL, Execution, Json, State, now

Reply = tuple[int, dict[str, str], bytes]
ANSWER_WITHIN_S = 3.0
_MOST_ROWS = 1000


class ApiError(Exception):
    """A request that Athena refuses."""

    def __init__(self, message: str, kind: str = "InvalidRequestException", **fields: str) -> None:
        super().__init__(message)
        self.body = {"__type": kind, "Message": message, "message": message, **fields}


class _Service:
    state: State
    executor: Executor


_service = _Service()


def configure(state_dir: Path, endpoint_url: str) -> None:
    """Set up the API with its state below `state_dir` and start Trino in the background; once per process."""
    _service.state = State(state_dir / "athena" / "state.sqlite")
    _service.executor = Executor(_service.state, state_dir, endpoint_url)
    if _service.state.get("workgroup", "primary") is None:
        _service.state.put("workgroup", "primary", _workgroup("primary", {}, ""))
    for key in _service.state.forget_old():
        results.rows_path(_service.executor.folder, key).unlink(missing_ok=True)
    _service.executor.warm_up()


def close() -> None:
    """Stop Trino and all executions."""
    _service.executor.close()
    _service.state.close()


async def handle(_method: str, _path: str, headers: dict[str, str], body: bytes, _query: dict[str, list[str]]) -> Reply:
    """Answer one request of the JSON 1.1 protocol."""
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    action = target.rpartition(".")[2]
    try:
        function = ACTIONS.get(action)
        if function is None:
            raise ApiError(f"{action or 'A request without action'} is not supported by the local Athena")
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise ApiError(f"The request is not JSON: {error}", "SerializationException") from error
        return _reply(200, await function(request))
    except ApiError as error:
        return _reply(400, error.body)


def _reply(status: int, body: dict[str, Any]) -> Reply:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()


def _required(request: dict[str, Any], name: str) -> Json:
    if not request.get(name):
        raise ApiError(f"{name} is required")
    return request[name]


def _execution(request: dict[str, Any]) -> Execution:
    key = _required(request, "QueryExecutionId")
    execution = _service.state.executions.get(key)
    if execution is None:
        raise ApiError(f"QueryExecution {key} was not found", AthenaErrorCode="INVALID_QUERY_EXECUTION_ID")
    return execution


# Executions


async def start_query_execution(request: dict[str, Any]) -> dict[str, Any]:
    """Queue a statement; the same client token starts it once."""
    query = _required(request, "QueryString")
    token = request.get("ClientRequestToken")
    if token and (known := next((e for e in _service.state.executions.values() if e.token == token), None)):
        if known.record["Query"] != query:
            raise ApiError("Idempotent parameters do not match")
        return {"QueryExecutionId": known.id}
    group = _group(request.get("WorkGroup") or "primary")
    if group["State"] != "ENABLED":
        raise ApiError(f"WorkGroup {group['Name']} is disabled")
    execution = new_execution(request, _output_location(request, group), group["Name"])
    _service.state.executions[execution.id] = execution
    _service.executor.submit(execution)
    return {"QueryExecutionId": execution.id}


def _output_location(request: dict[str, Any], group: dict[str, Any]) -> str:
    configuration = group["Configuration"]
    of_group = configuration.get("ResultConfiguration", {}).get("OutputLocation")
    of_request = request.get("ResultConfiguration", {}).get("OutputLocation")
    enforced = configuration.get("EnforceWorkGroupConfiguration", True)
    location = of_group if enforced and of_group else of_request or of_group
    if not location:
        raise ApiError(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    if not location.startswith("s3://"):
        raise ApiError(f"outputLocation is not a valid S3 path: {location}")
    return location.rstrip("/") + "/"


async def get_query_execution(request: dict[str, Any]) -> dict[str, Any]:
    """Describe an execution.

    While it runs the answer is held back for a moment: clients sleep between two questions, up to a second, and a
    query takes less.
    """
    execution = _execution(request)
    if execution.state not in TERMINAL:
        await asyncio.wait([asyncio.wrap_future(execution.done)], timeout=ANSWER_WITHIN_S)
    return {"QueryExecution": execution.record}


async def batch_get_query_execution(request: dict[str, Any]) -> dict[str, Any]:
    """Describe several executions."""
    found, unknown = [], []
    for key in _required(request, "QueryExecutionIds"):
        if execution := _service.state.executions.get(key):
            found.append(execution.record)
        else:
            message = f"QueryExecution {key} was not found"
            unknown.append(
                {"QueryExecutionId": key, "ErrorCode": "INVALID_QUERY_EXECUTION_ID", "ErrorMessage": message}
            )
    return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": unknown}


async def list_query_executions(request: dict[str, Any]) -> dict[str, Any]:
    """List a work group's executions, newest first."""
    group = request.get("WorkGroup") or "primary"
    ids = [e.id for e in reversed(_service.state.executions.values()) if e.record["WorkGroup"] == group]
    return _page(request, "QueryExecutionIds", ids)


async def stop_query_execution(request: dict[str, Any]) -> dict[str, Any]:
    """Ask an execution to stop; one that has ended stays as it is."""
    _execution(request).stop.set()
    return {}


async def get_query_results(request: dict[str, Any]) -> dict[str, Any]:
    """Return a page of rows; the first row is the header unless the statement is DDL or UTILITY."""
    execution = _execution(request)
    if execution.state == "FAILED":
        raise ApiError(f"Query did not finish successfully. Final query state: {execution.state}")
    if execution.state != "SUCCEEDED":
        raise ApiError(f"Query has not yet finished. Current state: {execution.state}")
    limit = min(int(request.get("MaxResults") or _MOST_ROWS), _MOST_ROWS)
    path = results.rows_path(_service.executor.folder, execution.id)
    rows, token = results.read_rows(path, request.get("NextToken"), limit) if path.exists() else ([], None)
    reply: dict[str, Any] = {
        "UpdateCount": execution.update_count or 0,
        "ResultSet": {
            "Rows": [{"Data": [{} if c is None else {"VarCharValue": c} for c in cells]} for cells in rows],
            "ResultSetMetadata": {"ColumnInfo": execution.columns},
        },
    }
    if token:
        reply["NextToken"] = token
    return reply


async def get_query_runtime_statistics(request: dict[str, Any]) -> dict[str, Any]:
    """Return how long an execution took."""
    statistics = _execution(request).record["Statistics"]
    timeline = {name: value for name, value in statistics.items() if name.endswith("InMillis")}
    return {"QueryRuntimeStatistics": {"Timeline": timeline, "Rows": {"InputBytes": statistics["DataScannedInBytes"]}}}


# Work groups


def _workgroup(name: str, configuration: dict[str, Any], description: str) -> dict[str, Any]:

    engine = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
    defaults = {
        "ResultConfiguration": {},
        "EnforceWorkGroupConfiguration": name != "primary",
        "PublishCloudWatchMetricsEnabled": False,
        "RequesterPaysEnabled": False,
        "EngineVersion": engine,
    }
    return {
        "Name": name,
        "State": "ENABLED",
        "Description": description,
        "CreationTime": now(),
        "Configuration": defaults | configuration | {"EngineVersion": engine},
    }


def _group(name: str) -> dict[str, Any]:
    group = _service.state.get("workgroup", name)
    if group is None:
        raise ApiError(f"WorkGroup {name} is not found.")
    return group


async def create_work_group(request: dict[str, Any]) -> dict[str, Any]:
    """Add a work group."""
    name = _required(request, "Name")
    if _service.state.get("workgroup", name):
        raise ApiError("WorkGroup is already created")
    group = _workgroup(name, request.get("Configuration", {}), request.get("Description", ""))
    _service.state.put("workgroup", name, group)
    _service.state.put("tags", name, request.get("Tags", []))
    return {}


async def get_work_group(request: dict[str, Any]) -> dict[str, Any]:
    """Describe a work group."""
    return {"WorkGroup": _group(_required(request, "WorkGroup"))}


async def update_work_group(request: dict[str, Any]) -> dict[str, Any]:
    """Change a work group."""
    group = _group(_required(request, "WorkGroup"))
    group |= {key: request[key] for key in ("Description", "State") if key in request}
    updates = request.get("ConfigurationUpdates", {})
    configuration = group["Configuration"]
    if changes := updates.pop("ResultConfigurationUpdates", None):
        configuration["ResultConfiguration"] |= {k: v for k, v in changes.items() if not k.startswith("Remove")}
        for key in [key for key, value in changes.items() if key.startswith("Remove") and value]:
            configuration["ResultConfiguration"].pop(key.removeprefix("Remove"), None)
    if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
        configuration.pop("BytesScannedCutoffPerQuery", None)
    configuration |= {key: value for key, value in updates.items() if key != "EngineVersion"}
    _service.state.put("workgroup", group["Name"], group)
    return {}


async def delete_work_group(request: dict[str, Any]) -> dict[str, Any]:
    """Remove a work group."""
    name = _required(request, "WorkGroup")
    if name == "primary":
        raise ApiError("The primary workgroup cannot be deleted")
    _group(name)
    _service.state.delete("workgroup", name)
    return {}


async def list_work_groups(request: dict[str, Any]) -> dict[str, Any]:
    """List the work groups."""
    groups = [
        {key: group[key] for key in ("Name", "State", "Description", "CreationTime")}
        | {"EngineVersion": group["Configuration"]["EngineVersion"]}
        for group in _service.state.all("workgroup")
    ]
    return _page(request, "WorkGroups", groups)


def _tagged(request: dict[str, Any]) -> str:
    return _required(request, "ResourceARN").rpartition("/")[2]


async def list_tags_for_resource(request: dict[str, Any]) -> dict[str, Any]:
    """List a work group's tags."""
    return {"Tags": _service.state.get("tags", _tagged(request)) or []}


async def tag_resource(request: dict[str, Any]) -> dict[str, Any]:
    """Set tags of a work group."""
    name = _tagged(request)
    tags = {tag["Key"]: tag for tag in (*(_service.state.get("tags", name) or []), *_required(request, "Tags"))}
    _service.state.put("tags", name, list(tags.values()))
    return {}


# Prepared statements


def _prepared_key(request: dict[str, Any]) -> str:
    return f"{_group(_required(request, 'WorkGroup'))['Name']}/{_required(request, 'StatementName')}"


async def create_prepared_statement(request: dict[str, Any]) -> dict[str, Any]:
    """Keep a statement to EXECUTE later."""
    key = _prepared_key(request)
    if _service.state.get("prepared", key):
        raise ApiError(f"PreparedStatement {request['StatementName']} already exists")
    return await update_prepared_statement(request)


async def update_prepared_statement(request: dict[str, Any]) -> dict[str, Any]:
    """Replace a prepared statement."""

    body = {
        "StatementName": request["StatementName"],
        "QueryStatement": _required(request, "QueryStatement"),
        "WorkGroupName": request["WorkGroup"],
        "Description": request.get("Description", ""),
        "LastModifiedTime": now(),
    }
    _service.state.put("prepared", _prepared_key(request), body)
    return {}


async def get_prepared_statement(request: dict[str, Any]) -> dict[str, Any]:
    """Describe a prepared statement."""
    body = _service.state.get("prepared", _prepared_key(request))
    if body is None:
        message = f"PreparedStatement {request['StatementName']} was not found in workGroup {request['WorkGroup']}"
        raise ApiError(message, "ResourceNotFoundException", ResourceName=request["StatementName"])
    return {"PreparedStatement": body}


async def delete_prepared_statement(request: dict[str, Any]) -> dict[str, Any]:
    """Remove a prepared statement."""
    await get_prepared_statement(request)
    _service.state.delete("prepared", _prepared_key(request))
    return {}


async def list_prepared_statements(request: dict[str, Any]) -> dict[str, Any]:
    """List a work group's prepared statements."""
    group = _required(request, "WorkGroup")
    found = [
        {"StatementName": body["StatementName"], "LastModifiedTime": body["LastModifiedTime"]}
        for body in _service.state.all("prepared")
        if body.get("WorkGroupName") == group
    ]
    return _page(request, "PreparedStatements", found)


def _page(request: dict[str, Any], name: str, items: list[Any]) -> dict[str, Any]:
    start = int(request.get("NextToken") or 0)
    end = start + int(request.get("MaxResults") or 50)
    return {name: items[start:end], **({"NextToken": str(end)} if end < len(items) else {})}


def _on_glue(function: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Answer from Glue, on a thread: Glue is served by the loop that runs this."""

    async def action(request: dict[str, Any]) -> dict[str, Any]:
        try:
            return await asyncio.to_thread(function, _service.executor.client("glue"), request)
        except catalog.NotFound as error:
            raise ApiError(str(error), "MetadataException") from error

    return action


ACTIONS: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    "BatchGetQueryExecution": batch_get_query_execution,
    "CreatePreparedStatement": create_prepared_statement,
    "CreateWorkGroup": create_work_group,
    "DeletePreparedStatement": delete_prepared_statement,
    "DeleteWorkGroup": delete_work_group,
    "GetDataCatalog": _on_glue(catalog.get_data_catalog),
    "GetDatabase": _on_glue(catalog.get_database),
    "GetPreparedStatement": get_prepared_statement,
    "GetQueryExecution": get_query_execution,
    "GetQueryResults": get_query_results,
    "GetQueryRuntimeStatistics": get_query_runtime_statistics,
    "GetTableMetadata": _on_glue(catalog.get_table_metadata),
    "GetWorkGroup": get_work_group,
    "ListDataCatalogs": _on_glue(catalog.list_data_catalogs),
    "ListDatabases": _on_glue(catalog.list_databases),
    "ListPreparedStatements": list_prepared_statements,
    "ListQueryExecutions": list_query_executions,
    "ListTableMetadata": _on_glue(catalog.list_table_metadata),
    "ListTagsForResource": list_tags_for_resource,
    "ListWorkGroups": list_work_groups,
    "StartQueryExecution": start_query_execution,
    "StopQueryExecution": stop_query_execution,
    "TagResource": tag_resource,
    "UpdatePreparedStatement": update_prepared_statement,
    "UpdateWorkGroup": update_work_group,
}
