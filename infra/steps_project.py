"""The CodeBuild project that runs the steps which are dbt or plain Python: what it does, and what it is told.

The CDK app makes it by template and the local home by the API, from this.
"""

from __future__ import annotations

from typing import Any

from infra.alert_definitions import RUNTIME
from infra.pipeline import PLAN, STEPS
from infra.settings import CitySettings

PYTHON = RUNTIME.removeprefix("python")
DESCRIPTION = "Steps of the hourly run that are dbt or plain Python"
# A build takes time around its step: to get a machine, and to install.
_AROUND_STEP_S = 900
TIMEOUT_MIN = (max(step.timeout_s for step in (PLAN, *STEPS)) + _AROUND_STEP_S) // 60
# Who gets which alerts is nothing to the steps, and addresses of people need not be in a build's environment.
_NOT_TOLD = {"TRAFFICLAKE_ALERT_ROUTES"}


def buildspec() -> dict[str, Any]:
    """Return what a build does with the files of `infra.aws.pipeline.step_files`, or at home with the checkout.

    STEP and RUN name what is to be done; FROM_HOUR and TO_HOUR may be empty.
    """
    return {
        "version": 0.2,
        "phases": {
            "install": {
                "on-failure": "ABORT",
                "runtime-versions": {"python": PYTHON},
                "commands": [
                    "python -m pip install --quiet --require-hashes --no-deps -r uv.txt",
                    "python -m uv pip install --system --quiet --compile-bytecode --require-hashes -r requirements.txt",
                ],
            },
            "build": {
                "on-failure": "ABORT",
                "commands": [
                    'python -m infra.runners.step "$STEP" --run "$RUN" '
                    '${FROM_HOUR:+--from "$FROM_HOUR"} ${TO_HOUR:+--to "$TO_HOUR"}'
                ],
            },
        },
    }


def variables(city: CitySettings) -> dict[str, str]:
    """Return the environment that gives a command the settings of a city."""
    return {name: text for name, text in city.environment().items() if name not in _NOT_TOLD}
