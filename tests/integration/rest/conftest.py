"""A served app over a fake node."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from kvorum.rest.app import create_app
from kvorum.rest.options import RestOptions
from tests.integration.rest.server import serving
from tests.unit.rest.fake_service import FakeService


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def port(service: FakeService) -> Iterator[int]:
    options = RestOptions(version="0.1.0", value_bytes_max=100_000)
    with serving(create_app(service, options, registry=CollectorRegistry())) as port:
        yield port
