"""Fixtures of the REST tests."""

import pytest
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from kvorum.rest.app import create_app, framework_app
from kvorum.rest.keys import KeyApi
from kvorum.rest.options import RestOptions
from tests.unit.rest.fake_service import FakeService

OPTIONS = RestOptions(version="0.1.0", key_bytes_max=64, value_bytes_max=1000, log_bytes_max=2000)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def app(service: FakeService, registry: CollectorRegistry) -> ASGIApp:
    return create_app(service, OPTIONS, registry=registry)


@pytest.fixture
def framework(service: FakeService, registry: CollectorRegistry) -> ASGIApp:
    return framework_app(service, KeyApi(service, OPTIONS), OPTIONS, registry)
