"""The watch stack of a stage."""

from collections.abc import Callable

import pytest
from aws_cdk import App, Environment
from aws_cdk.assertions import Template

from infra.aws.app import FLAGS
from infra.aws.stages import STAGES, Stage
from infra.aws.storage.stack import StorageStack
from infra.aws.watch.stack import WatchStack
from tests.infra.aws.templates import Resources


@pytest.fixture(scope="session")
def watch_of() -> Callable[[Stage], dict[str, Resources]]:
    """Return the stacks `storage` and `watch` of a stage, as resources by logical ID."""

    def stacks(stage: Stage) -> dict[str, Resources]:
        app = App(context=FLAGS)
        common = {"stage": stage, "env": Environment(region=stage.city.region)}
        storage = StorageStack(app, "Storage", **common)
        watch = WatchStack(app, "Watch", buckets=storage.buckets, **common)
        made = {"storage": storage, "watch": watch}
        return {name: Template.from_stack(stack).to_json()["Resources"] for name, stack in made.items()}

    return stacks


@pytest.fixture(scope="session")
def watch(watch_of: Callable[[Stage], dict[str, Resources]]) -> Resources:
    """The watch stack of stage prod."""
    return watch_of(STAGES["prod"])["watch"]
