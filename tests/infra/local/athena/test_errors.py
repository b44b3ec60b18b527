"""Failures say what clients look for to decide on a retry."""

from infra.local.athena.engine import QueryFailed
from infra.local.athena.errors import explain
from infra.local.athena.text import StatementError


def test_a_commit_conflict_is_what_dbt_athena_retries():
    reason, error = explain(QueryFailed("ICEBERG_COMMIT_ERROR", "EXTERNAL", "Failed to commit"))
    assert "ICEBERG_COMMIT_ERROR" in reason
    assert (error["ErrorType"], error["Retryable"]) == (233, True)


def test_too_many_partitions_is_named_so_that_dbt_athena_splits_the_insert():
    reason, _ = explain(QueryFailed("HIVE_TOO_MANY_OPEN_PARTITIONS", "USER_ERROR", "Exceeded limit of 100"))
    assert reason.startswith("HIVE_TOO_MANY_OPEN_PARTITIONS: ")


def test_a_mistake_of_the_user_is_category_2_and_anything_else_is_not():
    assert explain(QueryFailed("COLUMN_NOT_FOUND", "USER_ERROR", "x"))[1]["ErrorCategory"] == 2
    assert explain(StatementError("x"))[1]["ErrorCategory"] == 2
    assert explain(OSError("disk"))[1]["ErrorCategory"] == 1
