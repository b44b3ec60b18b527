"""An endpoint with its broker, and real MQTT clients with certificates that were provisioned as people do it."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import pytest

from infra.home.devices import create_device_resources
from infra.home.environment import use_local_home
from infra.settings import settings
from tests.infra.mqtt_clients import Device, DeviceHome, create_stream_and_bucket


@pytest.fixture(scope="session")
def _device_endpoint(
    run_endpoint: Callable[..., AbstractContextManager], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    state_dir = tmp_path_factory.mktemp("device_home")
    with run_endpoint(state_dir, "--no-athena") as (url, _), patch.dict(os.environ):
        use_local_home(url)
        create_stream_and_bucket()
        create_device_resources(settings())
        yield url, state_dir


@pytest.fixture
def device_home(_device_endpoint: tuple[str, Path], tmp_path: Path) -> Iterator[DeviceHome]:
    """A home with stream, bucket, IoT policy and rules; this process's AWS clients use it."""
    url, state_dir = _device_endpoint
    with patch.dict(os.environ):
        use_local_home(url)
        yield DeviceHome(url, state_dir, tmp_path)


@pytest.fixture
def device(device_home: DeviceHome) -> Device:
    """A device with an active certificate, of an ID that no other test has."""
    return device_home.provision(f"device-{uuid.uuid4()}")
