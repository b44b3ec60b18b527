"""Lambda functions of the local endpoint: Python functions from a zip, each environment a process of its own.

Replaces the base's worker, which lets a function import whatever the endpoint's environment holds, waits up to 50 ms
for output after each invocation, ends its process after each error, and does not say an error's type. Here a function
sees what AWS gives it: its package, boto3 and what belongs to boto3, its own variables, and credentials of its own.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from infra.local.function_bootstrap import END_OF_LOG
from infra.local.principals import keys

# What Lambda's Python runtime provides beside the standard library.
PROVIDED = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
IDLE_LIMIT_S = 600.0
INIT_LIMIT_S = 10.0
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
_BOOTSTRAP = Path(__file__).with_name("function_bootstrap.py")
_LOG_WAIT_S = 2.0

# A function as the base keeps it: {"config": {...}, "code_zip": bytes}; and an invocation's outcome as it expects it.
Function = dict[str, Any]
Outcome = dict[str, Any]
Execute = Callable[[Function, Any, str], Outcome]


@dataclass(eq=False)
class Environment:
    """A warm process of one revision of a function."""

    revision: str
    process: subprocess.Popen
    connection: Connection
    log: list[str] = field(default_factory=list)
    log_ended: threading.Event = field(default_factory=threading.Event)
    last_used: float = field(default_factory=time.monotonic)
    ready: bool = False
    busy: bool = True

    def wait_until_ready(self) -> None:
        """Wait until the handler is imported. Raises EOFError when the process ended, TimeoutError when it hangs."""
        if not self.ready and not self.connection.poll(INIT_LIMIT_S):
            raise TimeoutError
        if not self.ready:
            self.connection.recv_bytes()
        self.ready = True

    def read_log(self) -> None:
        """Collect what the process prints, until it ends."""
        for line in self.process.stdout:
            text, end, _ = line.decode("utf-8", errors="replace").partition(END_OF_LOG)
            if text:
                self.log.append(text)
            if end:
                self.log_ended.set()
        self.log_ended.set()

    def take_log(self) -> str:
        """Return what was printed since the last time, when the invocation's end was seen."""
        self.log_ended.wait(_LOG_WAIT_S)
        lines, self.log[:] = self.log[:], []
        return "".join(lines)

    def kill(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


class Functions:
    """The environments of all functions. `folder` holds unpacked code; `variables` is what reaches every function."""

    def __init__(self, folder: Path, variables: dict[str, str], execute_other: Execute) -> None:
        self._folder = folder
        self._variables = variables
        self._execute_other = execute_other
        self._environments: list[Environment] = []
        self._lock = threading.Lock()
        shutil.rmtree(folder, ignore_errors=True)
        self._runtime = _provide(folder / "runtime")

    def execute(self, function: Function, event: Any, request_id: str) -> Outcome:  # noqa: ANN401 — any JSON
        """Run one invocation and return the base's form of its outcome: `body`, `log`, and `error` if it failed."""
        config = function.get("config") or function
        if not config["Runtime"].startswith("python"):
            return self._execute_other(function, event, request_id)
        if config["Runtime"] != RUNTIME or config.get("Layers"):
            reason = f"the local endpoint runs {RUNTIME} without layers, not {config['Runtime']}"
            return _failure(request_id, "Runtime.InvalidRuntime", reason, "")
        environment = self._acquire(config, function["code_zip"])
        try:
            answer = _ask(environment, config, event, request_id)
        except TimeoutError:
            limit = f"{config['Timeout'] if environment.ready else INIT_LIMIT_S:.2f}"
            problem = "Sandbox.Timedout", f"Task timed out after {limit} seconds"
        except (EOFError, OSError):
            problem = "Runtime.ExitError", f"Runtime exited {_how(environment.process)}"
        else:
            log = environment.take_log()
            if answer.get("ends"):
                self._end([environment])
            else:
                self._release(environment)
            if "result" in answer:
                return {"body": answer["result"], "log": log}
            body = answer["error"] | {"requestId": request_id}
            return {"body": body, "error": True, "function_error": "Unhandled", "log": log}
        self._end([environment])
        return _failure(request_id, problem[0], f"RequestId: {request_id} Error: {problem[1]}", environment.take_log())

    def close(self) -> None:
        """End all environments, those at work too."""
        self._end(list(self._environments))

    def _end(self, environments: list[Environment]) -> None:
        with self._lock:
            self._environments = [each for each in self._environments if each not in environments]
        for each in environments:
            each.kill()

    def _acquire(self, config: dict[str, Any], package: bytes) -> Environment:
        variables = config.get("Environment", {}).get("Variables", {})
        parts = (config["FunctionArn"], config["CodeSha256"], config["Handler"], config["MemorySize"], variables)
        revision = json.dumps(parts, sort_keys=True)
        with self._lock:
            idle = [each for each in self._environments if not each.busy]
            found = next((each for each in idle if each.revision == revision and each.process.poll() is None), None)
            # Former revisions of the function, and what nobody has used for long, go.
            stale = [each for each in idle if each is not found and _is_stale(each, revision)]
            for each in filter(None, [found, *stale]):
                each.busy = True
        self._end(stale)
        if not found:
            found = self._start(config, self._unpack(config["CodeSha256"], package), revision)
            with self._lock:
                self._environments.append(found)
        return found

    def _release(self, environment: Environment) -> None:
        environment.last_used = time.monotonic()
        environment.busy = False

    def _unpack(self, digest: str, package: bytes) -> Path:
        target = self._folder / "code" / uuid.uuid5(uuid.NAMESPACE_OID, digest).hex
        with self._lock:
            if not target.exists():
                part = target.with_suffix(".part")
                shutil.rmtree(part, ignore_errors=True)
                with zipfile.ZipFile(io.BytesIO(package)) as archive:
                    archive.extractall(part)
                part.rename(target)
        return target

    def _start(self, config: dict[str, Any], code: Path, revision: str) -> Environment:
        ours, theirs = Pipe()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_BOOTSTRAP), str(theirs.fileno()), str(self._runtime)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=code,
            env=_variables(config, code, self._runtime) | self._variables | _credentials(config["FunctionName"]),
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        environment = Environment(revision, process, ours)
        threading.Thread(target=environment.read_log, name=f"log of {config['FunctionName']}", daemon=True).start()
        return environment


def _ask(environment: Environment, config: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:  # noqa: ANN401
    """Return what the process answers. Raises TimeoutError, or EOFError or OSError when it ended."""
    environment.wait_until_ready()
    environment.log_ended.clear()
    limit_s = float(config["Timeout"])
    message = {"event": event, "request_id": request_id, "function_arn": config["FunctionArn"]}
    environment.connection.send_bytes(json.dumps(message | {"deadline": time.time() + limit_s}).encode())
    if not environment.connection.poll(limit_s):
        raise TimeoutError
    return json.loads(environment.connection.recv_bytes())


def _is_stale(environment: Environment, revision: str) -> bool:
    former = environment.revision != revision and json.loads(environment.revision)[0] == json.loads(revision)[0]
    return former or environment.process.poll() is not None or time.monotonic() - environment.last_used > IDLE_LIMIT_S


def _provide(folder: Path) -> Path:
    """Fill a folder with links to the packages that Lambda's runtime provides, and nothing else."""
    folder.mkdir(parents=True)
    for name in PROVIDED:
        found = Path(find_spec(name).origin)
        source = found.parent if found.name == "__init__.py" else found
        (folder / source.name).symlink_to(source)
    return folder


def _variables(config: dict[str, Any], code: Path, runtime: Path) -> dict[str, str]:
    """Return a function's variables: its own, then those that Lambda reserves."""
    name = config["FunctionName"]
    own = config.get("Environment", {}).get("Variables", {})
    return own | {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["MemorySize"]),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{uuid.uuid4().hex}",
        "LAMBDA_RUNTIME_DIR": str(runtime),
        "LAMBDA_TASK_ROOT": str(code),
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
        "TZ": ":UTC",
        "_HANDLER": config["Handler"],
    }


def _credentials(function: str) -> dict[str, str]:
    return {name.upper(): value for name, value in keys(function).items()}


def _how(process: subprocess.Popen) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    code = process.returncode or 0
    return f"with error: signal: {-code}" if code < 0 else f"with error: exit status {code}"


def _failure(request_id: str, kind: str, message: str, log: str) -> Outcome:
    body = {"errorType": kind, "errorMessage": message}
    return {"body": body, "error": True, "function_error": "Unhandled", "log": f"{log}{request_id} {message}\n"}
