"""Functions that fail where a test wants it, and a process that has just started."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from ingestion.alerts import function_clients, function_settings, track_function


class Killed(BaseException):
    """The process ends here: nothing in it can catch this."""


def kill() -> None:
    raise Killed


def throttle() -> None:
    raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "too fast"}}, "PutItem")


def failing(client: Any, operation: str, number: int, how: Callable[[], None], *, after: bool) -> list[str]:
    """Let the n-th call of an operation fail, before it reaches the service or when it is done; return what failed."""
    calls: list[str] = []
    failed: list[str] = []

    def count(**_):
        calls.append(operation)
        if len(calls) == number:
            failed.append(operation)
            how()

    client.meta.events.register(f"{'after-call' if after else 'before-call'}.*.{operation}", count)
    return failed


def start_anew() -> None:
    """Forget what a process keeps."""
    function_settings.settings.cache_clear()
    kept = ("kinesis", "state_table", "_reference", "_usual")
    for name in kept:
        getattr(function_clients, name).cache_clear()
    track_function._SHARDS.clear()
