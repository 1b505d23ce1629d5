"""The image's health check, against small servers that answer as a node might."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "deploy/image/healthcheck"


@contextmanager
def answering(host: str, answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server for one request; its port, and what it was asked."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    asked: list[bytes] = []
    with socket.create_server((host, 0), family=family) as server:
        server.settimeout(10)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                request = b""
                while not request.endswith(b"\r\n\r\n"):  # Bash sends line by line
                    request += connection.recv(4096)
                asked.append(request)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], asked
        finally:
            thread.join()


def check(rest_address: str) -> subprocess.CompletedProcess[str]:
    environ = {"REST_ADDRESS": rest_address, "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [SCRIPT], env=environ, capture_output=True, text=True, check=False, timeout=20
    )


@pytest.mark.parametrize(
    ("listening", "rest_host"),
    [
        ("127.0.0.1", "0.0.0.0"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("::1", "[::]"),
        ("::1", "[::1]"),
    ],
)
def test_a_node_that_lives_is_healthy(listening: str, rest_host: str) -> None:
    with answering(listening, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") as (port, asked):
        done = check(f"{rest_host}:{port}")
    assert done.returncode == 0, done.stderr
    assert asked[0].startswith(b"GET /livez HTTP/1.1\r\nHost: ")
    assert asked[0].endswith(b"\r\n\r\n")


def test_another_answer_is_unhealthy_and_told() -> None:
    with answering("127.0.0.1", b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as (port, _):
        done = check(f"0.0.0.0:{port}")
    assert done.returncode == 1
    assert "/livez answers 503" in done.stderr


def test_a_connection_that_ends_without_an_answer_is_unhealthy() -> None:
    with answering("127.0.0.1", b"") as (port, _):
        assert check(f"0.0.0.0:{port}").returncode != 0


def test_nobody_there_is_unhealthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = check(f"0.0.0.0:{port}")
    assert done.returncode != 0
    assert "refused" in done.stderr
