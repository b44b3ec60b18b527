"""Runs a Glue job in this process: the job's own entry point with the arguments that Glue would give it."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any


def run_job(job: str, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Call `glue_jobs.<job>.main` and return the counts that it prints as JSON; raises what the job raises.

    Jobs share the Spark session of the process, so only the first one starts it.
    """
    argv = [part for name, value in arguments.items() for part in (f"--{name}", value)]
    with redirect_stdout(io.StringIO()) as printed:
        importlib.import_module(f"glue_jobs.{job}").main(argv)
    return json.loads(printed.getvalue().splitlines()[-1])
