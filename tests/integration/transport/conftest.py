"""Fixtures of the transport's integration tests."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.transport.harness import Cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    await cluster.stop()
