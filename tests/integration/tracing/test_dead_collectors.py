"""A node serves and stops as ever while nobody takes its spans."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.integration.app.one_node import OneNode, free_port


@contextmanager
def refusing() -> Iterator[int]:
    """Nobody listens."""
    yield free_port()


@contextmanager
def silent() -> Iterator[int]:
    """Somebody listens and says nothing."""
    with socket.create_server(("localhost", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("collector", [refusing, silent])
def test_it_serves_and_stops(
    collector: Callable[[], AbstractContextManager[int]], tmp_path: Path
) -> None:
    node = OneNode(tmp_path)
    with collector() as port:
        node.environ |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{port}",
            "OTEL_TRACES_SAMPLER": "always_on",
        }
        try:
            node.start()
            for number in range(10):
                assert node.put(f"k{number}", number).status_code == 200
            began_s = time.monotonic()
            assert node.stop() == 0
            assert time.monotonic() - began_s < 8  # on a busy machine; 3 s without tracing
        finally:
            node.close()
    assert node.log.count("cannot export spans") <= 1
    assert "Traceback" not in node.log
    assert "opentelemetry" not in node.log


def test_a_wrong_setting_stops_it_at_the_start(tmp_path: Path) -> None:
    node = OneNode(tmp_path)
    node.launch(OTEL_EXPORTER_OTLP_ENDPOINT="collector:4317")
    try:
        assert node.exit_code() == 2
        assert "OTEL_EXPORTER_OTLP_ENDPOINT 'collector:4317' does not begin with" in node.log
    finally:
        node.close()
