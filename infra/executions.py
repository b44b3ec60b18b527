"""Starting the hourly run where it is a state machine."""

import json
from datetime import datetime

import boto3

from infra.errors import FailedError
from infra.pipeline import utc_text
from infra.settings import CitySettings


def start(city: CitySettings, start_hour: datetime | None, end_hour: datetime | None) -> str:
    """Start a run of the arrival hours `[start_hour, end_hour)` (naive UTC), by default of those that are new.

    Returns the execution's ARN. Raises FailedError where the state machine is not there.
    """
    arn = machine_arn(city)
    if arn is None:
        raise FailedError(
            f"there is no state machine {city.state_machine} in this account and region: deploy it first."
        )
    hours = {"from_hour": start_hour, "to_hour": end_hour}
    given = {name: utc_text(hour) for name, hour in hours.items() if hour is not None}
    machines = boto3.client("stepfunctions")
    return machines.start_execution(stateMachineArn=arn, input=json.dumps(given))["executionArn"]


def machine_arn(city: CitySettings) -> str | None:
    """Return the ARN of the state machine of the hourly run, None where there is none."""
    pages = boto3.client("stepfunctions").get_paginator("list_state_machines").paginate()
    machines = (each for page in pages for each in page["stateMachines"])
    return next((each["stateMachineArn"] for each in machines if each["name"] == city.state_machine), None)
