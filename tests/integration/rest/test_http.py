"""What only a real server and a real socket can show."""

import json
import socket
from http.client import HTTPConnection

from tests.unit.rest.fake_service import FakeService

JSON = {"Content-Type": "application/json"}


def connect(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=10)


def exchange(port: int, request: bytes) -> bytes:
    """Send raw bytes, read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_keys_reach_the_store_unchanged(port: int, service: FakeService) -> None:
    keys = {
        b"a//b/": b"a//b/",
        b"a/../b": b"a/../b",
        b"%2F": b"/",
        b"a;b=c": b"a;b=c",
        b"caf%C3%A9": "café".encode(),
        b"a+b": b"a+b",
        b"/": b"/",
    }
    for path, key in keys.items():
        answer = exchange(
            port,
            b"PUT /key/%b?previous=false HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b'Content-Length: 11\r\n\r\n{"value":1}' % path,
        )
        assert answer.startswith(b"HTTP/1.1 200"), path
        assert service.value(key) == b"1", path


def test_one_connection_serves_many_requests(port: int, service: FakeService) -> None:
    connection = connect(port)
    for number in range(50):
        body = json.dumps({"value": number})
        connection.request("PUT", f"/key/{number}", body, JSON)
        response = connection.getresponse()
        assert (response.status, json.load(response)["revision"]) == (200, number + 1)
    connection.close()


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    request = b"GET /key/%b HTTP/1.1\r\nHost: x\r\n%b\r\n"
    answer = exchange(
        port,
        request % (b"one", b"")
        + request % (b"two", b"")
        + request % (b"3", b"Connection: close\r\n"),
    )
    positions = [answer.index(b'"instance":"/key/%b"' % key) for key in (b"one", b"two", b"3")]
    assert positions == sorted(positions)


def test_a_chunked_body_is_read(port: int, service: FakeService) -> None:
    connection = connect(port)
    connection.request("POST", "/key/k", iter([b'{"val', b'ue":[1,', b"2]}"]), JSON)
    assert connection.getresponse().status == 200
    assert service.value(b"k") == b"[1,2]"
    connection.close()


def test_head_has_no_body(port: int) -> None:
    connection = connect(port)
    for path in ("/key/k", "/livez"):
        connection.request("HEAD", path)
        response = connection.getresponse()
        assert response.read() == b""
        assert int(response.headers["Content-Length"]) > 0
    connection.close()


def test_a_large_value_passes(port: int, service: FakeService) -> None:
    value = json.dumps("x" * 99_998)
    connection = connect(port)
    connection.request("PUT", "/key/k", f'{{"value":{value}}}', JSON)
    assert connection.getresponse().read()
    connection.request("GET", "/key/k")
    assert json.load(connection.getresponse())["value"] == json.loads(value)
    connection.close()


def test_too_large_a_body_is_refused_and_the_connection_stays_usable(port: int) -> None:
    connection = connect(port)
    connection.request("PUT", "/key/k", b" " * 3_000_000, JSON)
    response = connection.getresponse()
    assert response.status == 413
    assert json.load(response)["title"] == "Too large"
    connection.request("GET", "/livez")
    assert connection.getresponse().read() == b"ok"
    connection.close()


def test_a_huge_body_is_refused_before_it_is_sent(port: int) -> None:
    answer = exchange(
        port, b"PUT /key/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer


def test_expect_continue_is_not_answered_for_a_body_that_nobody_wants(port: int) -> None:
    answer = exchange(
        port,
        b"PUT /key/k HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Length: 100000000000\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 413")


def test_an_endless_chunked_body_is_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"PUT /key/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"8000\r\n%b\r\n" % (b" " * 0x8000)
        sent = 0
        try:
            while sent < 100_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
        except ConnectionError:
            pass  # the server has closed its side: what this test is about
    assert sent < 100_000_000
