"""Failures in Athena's words: StateChangeReason and AthenaError."""

from typing import Any

from infra.local.athena.engine import QueryFailed
from infra.local.athena.text import StatementError

SYSTEM, USER, OTHER = 1, 2, 3

# Athena's error types by Trino's error names; the general ones follow the kind of failure.
_TYPES = {
    "ICEBERG_COMMIT_ERROR": 233,
    "TRANSACTION_CONFLICT": 233,
    "SYNTAX_ERROR": 1000,
    "TABLE_NOT_FOUND": 1006,
    "COLUMN_NOT_FOUND": 1006,
    "SCHEMA_NOT_FOUND": 1006,
    "FUNCTION_NOT_FOUND": 1006,
    "TYPE_MISMATCH": 1006,
    "NOT_SUPPORTED": 1100,
    "HIVE_TOO_MANY_OPEN_PARTITIONS": 1200,
    "ICEBERG_TOO_MANY_OPEN_PARTITIONS": 1200,
    "HIVE_BAD_DATA": 1301,
    "PERMISSION_DENIED": 1500,
}
_GENERAL = {"USER_ERROR": 1006, "INSUFFICIENT_RESOURCES": 200, "EXTERNAL": 203, "INTERNAL_ERROR": 100}
_RETRYABLE = {"ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"}


def explain(error: Exception) -> tuple[str, dict[str, Any]]:
    """Return StateChangeReason and AthenaError for what ended a query."""
    if isinstance(error, QueryFailed):
        name = "ICEBERG_COMMIT_ERROR" if error.name in _RETRYABLE else error.name
        category = USER if error.kind == "USER_ERROR" else SYSTEM if error.kind == "INTERNAL_ERROR" else OTHER
        reason = f"{name}: {error.message}"
        return reason, _athena_error(
            category, _TYPES.get(name, _GENERAL.get(error.kind, 100)), reason, name in _RETRYABLE
        )
    if isinstance(error, StatementError):
        return str(error), _athena_error(USER, 1000, str(error), False)
    reason = f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}"
    return reason, _athena_error(SYSTEM, 100, reason, False)


def is_unexpected(error: Exception) -> bool:
    """Whether it is neither the statement's fault nor Trino's answer."""
    return not isinstance(error, (QueryFailed, StatementError))


def _athena_error(category: int, kind: int, message: str, retryable: bool) -> dict[str, Any]:
    return {"ErrorCategory": category, "ErrorType": kind, "Retryable": retryable, "ErrorMessage": message}
