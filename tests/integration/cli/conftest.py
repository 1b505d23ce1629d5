"""A node to be asked: a served app over a fake service."""

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
def endpoint(service: FakeService) -> Iterator[str]:
    app = create_app(service, RestOptions(version="0.1.0"), registry=CollectorRegistry())
    with serving(app) as port:
        yield f"http://127.0.0.1:{port}"
