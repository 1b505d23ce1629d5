"""How many clients a process may have, and where it listens."""

import resource
import socket

import pytest

from kvorum.app.web import allow_descriptors, bind
from kvorum.errors import StartError

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "clients", "raised_to"),
    [
        (256, 1024, 896, 1024),
        (64, 100, 1, 100),
        (1024, INFINITE, 896, None),
        (INFINITE, INFINITE, 1 << 20, None),
    ],
)
def test_descriptors_are_shared_out(
    soft: int,
    hard: int,
    clients: int,
    raised_to: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    assert allow_descriptors() == clients
    assert raised == ([] if raised_to is None else [(raised_to, raised_to)])


def test_localhost_is_bound_but_does_not_listen_yet() -> None:
    sockets = bind("localhost", 0)
    try:
        for bound in sockets:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(bound.getsockname()[:2], timeout=1)
    finally:
        for bound in sockets:
            bound.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(StartError, match=f"REST_ADDRESS {host}:8081"):
        bind(host, 8081)
