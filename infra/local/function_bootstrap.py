"""What runs in a function's own process, as Lambda's runtime does: started by path, with the standard library only.

`python -I -S function_bootstrap.py FD RUNTIME_DIR`: messages come and go through the socket FD; what the function
prints goes to standard output, which ends each invocation with a line that begins with `END_OF_LOG`.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from types import SimpleNamespace

END_OF_LOG = "\x1e"
_GRACE_S = 5


def main() -> None:
    """Import the handler, then answer one event after the other until the endpoint closes the socket or dies."""
    endpoint = Connection(int(sys.argv[1]))
    # Lambda's order: the function's own package before what the runtime provides.
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"]]
    sys.path.append(sys.argv[2])
    module_name, _, handler_name = os.environ["_HANDLER"].rpartition(".")
    failed = {}
    try:
        handler = getattr(importlib.import_module(module_name.replace("/", ".")), handler_name)
    except ImportError as error:
        failed = _error(error, "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except AttributeError as error:
        failed = _error(error, "Runtime.HandlerNotFound", f"Handler '{handler_name}' missing on module '{module_name}'")
    except BaseException as error:  # noqa: BLE001 — whatever the module raises is the invocation's answer
        failed = _error(error)
    endpoint.send_bytes(b"ready")
    while True:
        try:
            message = json.loads(endpoint.recv_bytes())
        except EOFError:
            return
        # An endpoint that was killed leaves nothing that runs for ever.
        signal.alarm(int(message["deadline"] - time.time()) + _GRACE_S)
        answer = json.dumps(failed | {"ends": True}).encode() if failed else _invoke(handler, message)
        signal.alarm(0)
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, f"{END_OF_LOG}{message['request_id']}\n".encode())
        endpoint.send_bytes(answer)
        if failed:
            return


def _invoke(handler, message):  # noqa: ANN001, ANN202 — any handler, any message
    context = SimpleNamespace(
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        invoked_function_arn=message["function_arn"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        aws_request_id=message["request_id"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        identity=None,
        client_context=None,
        get_remaining_time_in_millis=lambda: max(0, int((message["deadline"] - time.time()) * 1000)),
    )
    try:
        result = handler(message["event"], context)
    except Exception as error:  # noqa: BLE001 — whatever the handler raises is the invocation's answer
        return json.dumps(_error(error)).encode()
    try:
        return json.dumps({"result": result}).encode()
    except (TypeError, ValueError) as error:
        return json.dumps(_error(error, "Runtime.MarshalError", f"Unable to marshal response: {error}")).encode()


def _error(error, kind=None, message=None):  # noqa: ANN001, ANN202 — any exception
    lines = traceback.format_exception(error)
    # As Lambda does: the error stands in the log too.
    print("[ERROR]", *lines, sep=" ")  # noqa: T201
    kind = kind or type(error).__name__
    trace = traceback.format_tb(error.__traceback__)
    return {"error": {"errorMessage": message or str(error), "errorType": kind, "stackTrace": trace}}


if __name__ == "__main__":
    main()
