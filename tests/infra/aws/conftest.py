"""Templates: of a whole stage, synthesised once, and of one construct in an empty stack."""

# Before the CDK, which starts the Node that this names when it is imported.
import infra.aws  # noqa: F401  # isort: skip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk.assertions import Template

from infra.aws.app import FLAGS, synthesize
from infra.aws.stages import STAGES, Stage
from tests.infra.aws.templates import Resources

EMPTY_STACK_STAGE = "test"


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The templates of stage prod."""
    return synthesize(STAGES["prod"], tmp_path_factory.mktemp("synth"))


@pytest.fixture(scope="session")
def prod(synthesized: list[Path]) -> Resources:
    """All resources of stage prod, by logical ID."""
    return {
        name: resource
        for template in synthesized
        for name, resource in json.loads(template.read_text())["Resources"].items()
    }


@pytest.fixture(scope="session")
def stage() -> Stage:
    """The stage of constructs in an empty stack."""
    return STAGES[EMPTY_STACK_STAGE]


@pytest.fixture(scope="session")
def resources_of(stage: Stage) -> Callable[[Callable[[Stack], Any]], Resources]:
    """Return the resources that something makes in an empty stack: `resources_of(lambda stack: Thing(stack, ...))`."""

    def resources(make: Callable[[Stack], Any]) -> Resources:
        stack = Stack(App(context=FLAGS), "Empty", env=Environment(region=stage.city.region))
        make(stack)
        return Template.from_stack(stack).to_json()["Resources"]

    return resources
