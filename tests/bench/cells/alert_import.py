"""How long a new process of a function imports, from the package as it is deployed and nothing else."""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_TIMED = """
import json, sys, time
sys.path[:0] = json.loads(sys.argv[1])
began = time.perf_counter()
import boto3
provided = time.perf_counter() - began
began = time.perf_counter()
import ingestion.alerts.{name}_function
print(json.dumps([provided, time.perf_counter() - began]))
"""


def run() -> dict[str, Any]:
    """Return the package's bytes, and by function the seconds to import boto3 and, after that, the function."""
    from infra import function_package  # noqa: PLC0415

    package = function_package.build()
    runtime = str(Path(find_spec("boto3").origin).parents[1])
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(io.BytesIO(package)).extractall(folder)
        for name in function_package.FUNCTIONS:
            command = [sys.executable, "-I", "-S", "-c", _TIMED.format(name=name), json.dumps([folder, runtime])]
            # The second start: the first one compiles.
            for _ in range(2):
                printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds[name] = json.loads(printed)
    return {"package_bytes": len(package), "seconds": seconds}
