"""The specs of the repository, and the definitions made of them."""

import sys
from pathlib import Path

import pytest

from dashboards.quicksight.definition import definition
from dashboards.spec import load

# Tests are imported by file, so a helper beside them is found only by its folder.
sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def specs():
    """All specs."""
    return load()


@pytest.fixture(scope="session")
def definitions(specs):
    """The definition of each dashboard, by name."""
    return {
        dashboard.name: definition(
            specs,
            dashboard,
            lambda name: f"arn:aws:quicksight:r:111122223333:dataset/{name}",
            time_zone="America/Los_Angeles",
        )
        for dashboard in specs.dashboards
    }
