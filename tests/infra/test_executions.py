"""A run that is started as an execution is of the state machine that the schedule starts, and of the hours given."""

import json
from datetime import datetime

import boto3
import pytest

from infra import executions
from infra.errors import FailedError
from infra.settings import CitySettings, settings

HOUR, NEXT = datetime(2026, 3, 2, 7), datetime(2026, 3, 2, 9)


@pytest.mark.parametrize(
    ("bounds", "given"),
    [
        ((HOUR, NEXT), {"from_hour": "2026-03-02T07:00:00Z", "to_hour": "2026-03-02T09:00:00Z"}),
        ((None, NEXT), {"to_hour": "2026-03-02T09:00:00Z"}),
        ((None, None), {}),
    ],
)
def test_an_execution_gets_the_hours_that_were_asked_for(endpoint, bounds, given):
    machines = boto3.client("stepfunctions")
    started = executions.start(settings(), *bounds)
    machines.stop_execution(executionArn=started)
    execution = machines.describe_execution(executionArn=started)
    assert execution["stateMachineArn"].endswith(f":{settings().state_machine}")
    assert json.loads(execution["input"]) == given


def test_a_city_that_is_not_deployed_is_told_so(endpoint):
    with pytest.raises(FailedError, match="trafficlake-elsewhere-hourly"):
        executions.start(CitySettings(stage="elsewhere"), None, None)
