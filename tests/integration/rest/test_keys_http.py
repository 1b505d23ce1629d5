"""Bytes, conditions and pages over real connections, by a common client."""

import http.client
from collections.abc import Iterator

import httpx
import pytest

from tests.unit.rest.fake_service import FakeService


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client


def test_bytes_pass_unchanged(client: httpx.Client) -> None:
    value = bytes(range(256)) * 300
    headers = {"Content-Type": "image/png"}
    assert client.put("/key/logo", content=value, headers=headers).status_code == 200
    reply = client.get("/key/logo", headers={"Accept": "application/octet-stream"})
    assert reply.content == value
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["kvorum-version"] == "1"


def test_bytes_in_pieces_are_one_value(client: httpx.Client, service: FakeService) -> None:
    pieces = iter([b"a" * 70_000, b"", b"b" * 20_000])
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    assert client.put("/key/k", content=pieces, headers=headers).status_code == 200
    assert service.value(b"k") == b"a" * 70_000 + b"b" * 20_000


def test_too_many_bytes_are_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "text/plain"}
    assert client.put("/key/k", content=b"x" * 100_001, headers=headers).status_code == 413
    assert client.put("/key/k", content=b"x" * 100_000, headers=headers).status_code == 200


def test_head_tells_of_bytes_without_them(client: httpx.Client) -> None:
    client.put("/key/k", content=b"12345", headers={"Content-Type": "text/plain"})
    reply = client.head("/key/k", headers={"Accept": "text/plain"})
    assert (reply.content, reply.headers["content-length"]) == (b"", "5")
    assert reply.headers["etag"] == '"1"'


def test_a_304_leaves_the_connection_usable(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("PUT", "/key/k", b'{"value":1}', {"Content-Type": "application/json"})
    connection.getresponse().read()
    for _ in range(3):
        connection.request("GET", "/key/k", headers={"If-None-Match": '"1"'})
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (304, b"")
        connection.request("GET", "/key/k")
        reply = connection.getresponse()
        assert (reply.status, reply.getheader("ETag")) == (200, '"1"')
        assert b'"value":1' in reply.read()
    connection.close()


def test_a_client_pages_through_odd_keys(client: httpx.Client) -> None:
    keys = sorted(
        ["a b", "a+b", "a&b=c", "a/b", "a?b", "a#b", "a%20b", "ab\n", "aж", "a\U0001f600"]
    )
    for key in keys:
        operations = [{"put": {"key": key, "value": key}}]
        assert client.post("/batch", json={"operations": operations}).status_code == 200
    found: list[str] = []
    query: dict[str, str | int] = {"prefix": "a", "limit": 3}
    while True:
        page = client.get("/keys", params=query).json()
        found += [item["value"] for item in page["items"]]
        if not page["more"]:
            break
        query["cursor"] = page["cursor"]
    assert found == sorted(keys, key=str.encode)
    for key in keys:
        assert client.get("/keys", params={"key": key}).json()["items"][0]["key"] == key
    assert client.delete("/keys", params={"prefix": "a"}).json()["deleted"] == len(keys)
