"""What delivery of events needs of the base emulator by private name; `tests/infra/local/test_base.py` names each.

The base calls a rule's target once, inside PutEvents, and forgets what the target did not take.
"""

import json
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from infra.local.event_delivery import Delivery, UndeliveredError

_at_work: ContextVar[tuple[dict[str, Any], dict[str, Any], str] | None] = ContextVar("target at work", default=None)
# What EventBridge repeats: API destinations, "Retry behavior".
_RETRYABLE = (401, 407, 409, 429)
_UNANSWERED = 500


def patch(app: ModuleType, deliver: Callable[[Delivery], None]) -> None:
    """Have `deliver` bring events to functions, queues, topics and API destinations."""
    module = app._get_module("eventbridge")
    invoke_target = module._invoke_target

    def noted_invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:  # noqa: ANN401
        if not _wants(module, event, rule):
            return
        view = view or module._pattern_event_view(event)
        token = _at_work.set((target, rule, json.dumps(view.event_with_detail())))
        try:
            invoke_target(target, event, rule, view)
        finally:
            _at_work.reset(token)

    def take(_where: object, payload: str, _more: object = None) -> None:
        target, rule, event = _at_work.get()
        deliver(Delivery(target, rule.get("Arn", ""), event, payload))

    def take_request(_where: object, payload: str, resolved: dict[str, Any]) -> None:
        target, rule, event = _at_work.get()
        deliver(Delivery(target, rule.get("Arn", ""), event, payload, lambda: _send(module, resolved, payload)))

    # A rate of one minute would be one of 60 to 70 seconds.
    module._SCHEDULER_TICK_INTERVAL = 1
    module._invoke_target = noted_invoke
    module._dispatch_to_lambda = module._dispatch_to_sqs = module._dispatch_to_sns = take
    module._dispatch_to_api_destination = take_request


def _wants(module: ModuleType, event: dict[str, Any], rule: dict[str, Any]) -> bool:
    """Tell whether a rule is among those that the replay which an event comes from is for; the base asks all."""
    replay = module._replays.get(event.get("ReplayName"))
    only = replay["Destination"].get("FilterArns") if replay else None
    return not only or rule.get("Arn") in only


def _send(module: ModuleType, target: dict[str, Any], payload: str) -> None:
    """Call an API destination once. Raises UndeliveredError."""
    name = target["Arn"].rsplit("api-destination/", 1)[1].split("/")[0]
    destination = module._api_destinations.get(name)
    connection = destination and module._connections.get(destination["ConnectionArn"].rsplit("/", 1)[-1])
    if not connection:
        raise UndeliveredError("NO_RESOURCE", f"API destination {name}, or its connection, does not exist", retry=False)
    request = module._build_api_destination_request(
        destination, connection, target.get("HttpParameters") or {}, payload
    )
    key = (target["Arn"].split(":")[4], target["Arn"].split(":")[3], connection["Name"])
    try:
        status = module._api_destination_send_sync(request, module._connection_auth_headers(connection, key))
    except OSError as error:
        raise UndeliveredError("CONNECTION_FAILURE", str(error), retry=True) from error
    if not 200 <= status < 300:
        retry = status in _RETRYABLE or status >= _UNANSWERED
        raise UndeliveredError("THROTTLING" if status == 429 else "SDK_CLIENT_ERROR", f"HTTP {status}", retry=retry)
