"""A small city's first hours, and the state machine of a home run over them."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.settings import CitySettings
from ingestion import simulator

CITY = CitySettings()
FIRST = datetime(2025, 3, 3, 6, tzinfo=UTC)
HOURS = 2
SENSORS = 6
RUN_LIMIT_S = 1500


@dataclass(frozen=True)
class HourlyRun:
    """A home whose state machine has run once: the states that it went through, and the record of all calls."""

    home: Any
    states: list[str]
    record: Path


def load(home: Any, folder: Path) -> None:
    """Load the city's registry and the readings of its first hours, as history."""
    place = simulator.city(SENSORS, seed=5)
    registry, readings = folder / "registry.csv", folder / "readings.jsonl"
    registry.write_text(simulator.registry_csv(place))
    documents = simulator.readings(place, FIRST, FIRST + timedelta(hours=HOURS))
    readings.write_bytes(b"\n".join(documents) + b"\n")
    home.trafficlake("registry", "load", str(registry))
    home.trafficlake("ingest", str(readings), "--via", "archive")


def run_by_machine(home: Any, name: str, **bounds: str) -> list[str]:
    """Run the state machine to its successful end and return the states that it went through."""
    found, states = ended(home, start(home, name, **bounds))
    assert found["status"] == "SUCCEEDED", f"{found.get('error')}: {found.get('cause')}"
    return states


def start(home: Any, name: str, **bounds: str) -> str:
    """Start the state machine and return the address of its execution."""
    machines = home.aws("stepfunctions")
    arn = next(
        each["stateMachineArn"]
        for each in machines.list_state_machines()["stateMachines"]
        if each["name"] == CITY.state_machine
    )
    return machines.start_execution(stateMachineArn=arn, name=name, input=json.dumps(bounds))["executionArn"]


def ended(home: Any, execution: str) -> tuple[dict[str, Any], list[str]]:
    """Wait for the end of an execution; return its description and the states that it went through."""
    machines = home.aws("stepfunctions")
    deadline = time.monotonic() + RUN_LIMIT_S
    while (found := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution does not end"
        time.sleep(1)
    pages = machines.get_paginator("get_execution_history").paginate(executionArn=execution)
    entered = (event for page in pages for event in page["events"] if "stateEnteredEventDetails" in event)
    return found, [event["stateEnteredEventDetails"]["name"] for event in entered]
