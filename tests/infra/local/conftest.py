"""Small Lambda functions for tests of the endpoint, and endpoints that a test starts and kills itself."""

import io
import os
import time
import uuid
import zipfile
from unittest.mock import patch

import boto3
import pytest

from infra.home.environment import use_local_home
from infra.local.functions import RUNTIME


def _zipped(code, **more):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for path, text in ({"tasks/main": code} | more).items():
            package.writestr(f"{path}.py", text)
    return out.getvalue()


def _create_function(code, *, timeout_s=10, **arguments):
    name = f"f-{uuid.uuid4().hex[:8]}"
    boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Handler="tasks.main.handler",
        Role="arn:aws:iam::000000000000:role/function",
        Code={"ZipFile": _zipped(code)},
        Timeout=timeout_s,
        **arguments,
    )
    return name


def _wait_for(found, within_s=20):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError(f"nothing found within {within_s} s")


@pytest.fixture(scope="session")
def zipped():
    """Make a package: code of the module `tasks.main`, further modules by path without `.py`."""
    return _zipped


@pytest.fixture(scope="session")
def create_function():
    """Create a function whose `tasks.main.handler` is in the code given; returns its name."""
    return _create_function


@pytest.fixture(scope="session")
def wait_for():
    """Call until something true is returned, at most `within_s` seconds."""
    return _wait_for


@pytest.fixture
def use_endpoint():
    """Point this test's AWS clients at an endpoint that it started itself."""
    with patch.dict(os.environ):
        yield use_local_home
    boto3.DEFAULT_SESSION = None
