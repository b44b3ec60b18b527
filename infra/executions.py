"""Starting the hourly run where it is a state machine."""

import json
from datetime import datetime

import boto3

from infra.errors import FailedError
from infra.settings import CitySettings


def start(city: CitySettings, start_hour: datetime | None, end_hour: datetime | None) -> str:
    """Start a run of the arrival hours `[start_hour, end_hour)` (naive UTC), by default of those that are new.

    Returns the execution's ARN. Raises FailedError where the state machine is not there.
    """
    machines = boto3.client("stepfunctions")
    pages = machines.get_paginator("list_state_machines").paginate()
    arns = {each["name"]: each["stateMachineArn"] for page in pages for each in page["stateMachines"]}
    if city.state_machine not in arns:
        raise FailedError(
            f"there is no state machine {city.state_machine} in this account and region: deploy it first."
        )
    hours = {"from_hour": start_hour, "to_hour": end_hour}
    given = {name: f"{hour.isoformat()}Z" for name, hour in hours.items() if hour is not None}
    return machines.start_execution(stateMachineArn=arns[city.state_machine], input=json.dumps(given))["executionArn"]
