"""Every test that takes ``kind`` runs for both clients."""

import pytest

from tests.unit.client.scripted import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value
