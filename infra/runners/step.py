"""Run one step of the pipeline as a process of its own, as the state machine does where the step is no Glue job.

It works on the AWS that the environment names, for the city that TRAFFICLAKE_* describe, and prints its counts as one
line of JSON. Exit codes: 0 done, 1 the step failed, 2 what was given cannot be used.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from pydantic_settings import SettingsError

from infra.errors import FailedError
from infra.pipeline import PLAN, STEPS, Step
from infra.runners.dbt_step import DbtFailedError, dbt_build
from infra.settings import problems, settings
from quality.results import ExpectationsFailedError

RUNNABLE = {step.name: step for step in (PLAN, *STEPS) if step.kind != "glue_job"}
# The names that Step Functions allows, as far as they are good for the key of an object.
_RUN = re.compile(r"[A-Za-z0-9_-]{1,80}")
EXAMPLE = """
example, for a city that is deployed as stage prod:
  TRAFFICLAKE_STAGE=prod python -m infra.runners.step plan --run by-hand --from 2026-03-02T07:00Z --to 2026-03-02T09:00Z

The steps of a run come in the order above; between plan and dbt build run the Glue jobs that the plan asks for.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step that the arguments name and return the exit code."""
    parser = _parser()
    given = parser.parse_args(argv)
    step = RUNNABLE[given.step]
    if step is not PLAN and (given.start or given.end):
        parser.error(f"--from and --to are for the step {PLAN.name} only")
    if given.start and given.end and given.start >= given.end:
        parser.error("--from must be earlier than --to")
    try:
        counts = _run(step, given.run, given.start, given.end)
    except (ValidationError, SettingsError) as error:
        return _say(f"the settings in TRAFFICLAKE_* cannot be used: {problems(error)}", 2)
    except (FailedError, DbtFailedError, ExpectationsFailedError, ClientError, BotoCoreError) as error:
        return _say(f"step '{step.name}' failed: {error}\n{step.how_to_go_on}", 1)
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


def _run(step: Step, run: str, start: datetime | None, end: datetime | None) -> Mapping[str, Any]:
    if step.kind == "dbt":
        return {"rows": dbt_build(lambda done, total, node: _say(f"{done} of {total} {node}", 0)).done}
    # Imported where they are used: they take seconds, and `--help` should not.
    from infra.runners.python_steps import RunContext  # noqa: PLC0415
    from ingestion.iceberg_catalog import open_catalog  # noqa: PLC0415

    module, function = step.target.split(":")
    context = RunContext(settings(), open_catalog(), run, start, end, on_wait=lambda reason: _say(reason, 0))
    return getattr(importlib.import_module(module), function)(context)


def _parser() -> argparse.ArgumentParser:
    steps = "\n".join(f"  {step.name:13} {step.description}" for step in RUNNABLE.values())
    parser = argparse.ArgumentParser(
        prog="python -m infra.runners.step",
        description=f"{__doc__}\nsteps:\n{steps}",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=RUNNABLE, metavar="STEP", help="name of the step, such as 'dbt build'")
    parser.add_argument("--run", required=True, type=_run_name, help="name of the run: letters, digits, - and _")
    hour = {"type": _hour, "metavar": "TIME"}
    parser.add_argument("--from", dest="start", help="plan only: first arrival hour, such as 2026-03-02T07:00Z", **hour)
    parser.add_argument("--to", dest="end", help="plan only: end of the arrival hours, exclusive", **hour)
    return parser


def _run_name(text: str) -> str:
    if not _RUN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not made of up to 80 letters, digits, - and _")
    return text


def _hour(text: str) -> datetime:
    """Return a whole hour as naive UTC; a time without zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-03-02T07:00Z") from None
    moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    if (moment.minute, moment.second, moment.microsecond) != (0, 0, 0):
        raise argparse.ArgumentTypeError(f"{text} is not a whole hour")
    return moment


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
