"""What clients must not be able to do to a node, over real connections."""

import socket
import time

import pytest

from kvorum.app.http_protocol import HEAD_BYTES_MAX
from tests.integration.app.one_node import OneNode
from tests.support.wait import eventually


def _connected(node: OneNode) -> socket.socket:
    host, port = node.environ["REST_ADDRESS"].split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _try_to_connect(node: OneNode) -> socket.socket | None:
    try:
        return _connected(node)
    except ConnectionError:
        return None


def _pending_writes(node: OneNode) -> float:
    lines = node.request("GET", "/metrics").text.splitlines()
    return float(next(x for x in lines if x.startswith("kvorum_proposals_pending ")).split()[1])


@pytest.mark.parametrize("beginning", [b"GET /key/", b"GET /livez HTTP/1.1\r\nx: "])
def test_an_endless_request_head_is_cut_off(node: OneNode, beginning: bytes) -> None:
    node.start()
    with _connected(node) as client:
        client.sendall(beginning)
        sent = 0
        try:
            while sent < 64 * HEAD_BYTES_MAX:
                sent += client.send(b"a" * 65536)
            answer = client.recv(1000)
        except ConnectionError:
            answer = b""
    assert sent < 64 * HEAD_BYTES_MAX or answer.startswith(b"HTTP/1.1 431")
    assert node.request("GET", "/livez").status_code == 200


def test_a_large_body_is_no_large_head(node: OneNode) -> None:
    node.start()
    assert node.put("large", "x" * 1_000_000).status_code == 200
    for _ in range(3):  # and so are several on one connection
        assert node.put("large", "x" * 300_000).status_code == 200


def test_an_offer_of_http_2_is_ignored(node: OneNode) -> None:
    """Some clients make it with every request on plain HTTP."""
    node.start()
    body = b'{"value":"Upgrade: h2c"}'
    head = (
        b"PUT /key/k HTTP/1.1\r\nhost: kvorum\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    for parts in ([head + body], [head, body]):
        with _connected(node) as client:
            for part in parts:
                client.sendall(part)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert node.request("GET", "/key/k").json()["value"] == "Upgrade: h2c"


def test_a_write_that_waits_when_the_node_stops_is_told_what_is_known(node: OneNode) -> None:
    """Not cut off with a 500: the outcome is unknown or it was certainly not applied."""
    silent = socket.create_server(("localhost", 0))  # a member that accepts and says nothing
    node.launch(
        OTHER_NODES=f"localhost:{silent.getsockname()[1]}",
        REQUEST_TIMEOUT_MS="60000",
        MIN_ELECTION_TIMEOUT_MS="20000",
        MAX_ELECTION_TIMEOUT_MS="30000",
    )
    with silent, eventually("it listens", lambda: _try_to_connect(node)) as client:
        body = b'{"value":1}'
        client.sendall(
            b"PUT /key/k HTTP/1.1\r\nhost: kvorum\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        eventually("the write waits", lambda: _pending_writes(node) == 1)
        began_s = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - began_s < 2
        answer = client.recv(4000)
    assert answer.startswith((b"HTTP/1.1 503", b"HTTP/1.1 504")), answer
    assert b"urn:kvorum:problem:" in answer
    assert "Traceback" not in node.log
