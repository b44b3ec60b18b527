"""Settings that cannot be used are said in one clear sentence, whichever program reads them."""

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from infra.settings import AlertRoute, CitySettings

PROGRAMS = {
    "command": ["infra.cli.app", "status"],
    "step": ["infra.runners.step", "plan", "--run", "by-hand"],
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRAFFICLAKE_ALERT_ROUTES", "[{", "alert_routes"),
        ("TRAFFICLAKE_ALERT_WARNING", "95", "thresholds must be 0 <= clear <= warning <= critical <= 100"),
        ("TRAFFICLAKE_STAGE", "UPPER", "TRAFFICLAKE_STAGE"),
    ],
)
def test_a_setting_that_cannot_be_used_is_an_error_and_no_traceback(program, name, value, said):
    ended = subprocess.run(
        [sys.executable, "-m", *PROGRAMS[program]],
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert said in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_no_two_alert_routes_have_one_name():
    with pytest.raises(ValidationError, match="a name of its own"):
        CitySettings(alert_routes=(AlertRoute(name="one"), AlertRoute(name="one", levels=("CRITICAL",))))
