"""Streams, waits and backups of a real node, over real connections."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent, connect_sse

from tests.integration.app.one_node import OneNode
from tests.support.wait import eventually


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OneNode]:
    one = OneNode(tmp_path)
    try:
        one.start()
        yield one
    finally:
        one.close()


def url(node: OneNode, path: str) -> str:
    return f"http://{node.environ['REST_ADDRESS']}{path}"


def told(source: EventSource) -> Iterator[ServerSentEvent]:
    """Events that carry something: the client library makes an event of a comment, too."""
    return (event for event in source.iter_sse() if event.data)


def watchers(node: OneNode) -> int:
    count = node.request("GET", "/cluster/info").json()["store"]["watchers"]
    assert isinstance(count, int)
    return count


def test_a_standard_client_follows_changes_and_goes_on(node: OneNode) -> None:
    with (
        httpx.Client(timeout=10) as client,
        connect_sse(client, "GET", url(node, "/watch?prefix=")) as source,
    ):
        events = told(source)
        assert next(events).event == "opened"
        node.put("a", [1, 2])
        change = next(events)
        assert (change.event, change.id, change.retry) == ("change", "1", None)
        assert change.json()["events"][0]["value"] == [1, 2]
    node.put("b", 1)
    node.put("c", 1)
    header = {"Last-Event-ID": change.id}
    with (
        httpx.Client(timeout=10) as client,
        connect_sse(client, "GET", url(node, "/watch?prefix="), headers=header) as source,
    ):
        events = told(source)
        assert next(events).event == "opened"
        assert [next(events).id for _ in range(2)] == ["2", "3"]


def test_a_client_that_leaves_is_noticed(node: OneNode) -> None:
    host, port = node.environ["REST_ADDRESS"].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"GET /watch?prefix= HTTP/1.1\r\nhost: k\r\n\r\n")
        assert b"200 OK" in client.recv(100)
        eventually("the watch is open", lambda: watchers(node) == 1)
    eventually("the watch is closed", lambda: watchers(node) == 0)


def test_a_node_that_stops_says_so_to_everyone(node: OneNode) -> None:
    node.put("k", 1)
    with (
        httpx.Client(timeout=30) as client,
        connect_sse(client, "GET", url(node, "/watch?prefix=")) as watch,
        connect_sse(client, "GET", url(node, "/elections/e/observe")) as observe,
    ):
        events, leaders = told(watch), told(observe)
        assert [next(events).event, next(leaders).event] == ["opened", "leader"]
        begin_s = time.monotonic()
        assert node.stop() == 0
        seconds = time.monotonic() - begin_s
        end = next(events)
        assert (end.event, end.json()["reason"]) == ("cancelled", "stopping")
        assert end.json()["resumeRevision"] == 2
        assert next(leaders).event == "cancelled"
        assert list(events) == []
    assert seconds < 10, "streams do not hold up the end"
    assert "Traceback" not in node.log


def test_a_wait_for_a_lock_outlasts_the_time_for_requests(tmp_path: Path) -> None:
    node = OneNode(tmp_path)
    try:
        node.start(REQUEST_TIMEOUT_MS="300")
        first = node.request("POST", "/locks/n", json={"ttlSeconds": 60}).json()
        answers: list[httpx.Response] = []
        body = {"ttlSeconds": 60, "waitSeconds": 30}
        waiting = Thread(
            target=lambda: answers.append(httpx.post(url(node, "/locks/n"), json=body, timeout=60))
        )
        waiting.start()
        eventually("it waits", lambda: watchers(node) == 1)
        begin_s = time.monotonic()
        eventually("the time is over", lambda: time.monotonic() - begin_s > 1)
        assert not answers
        node.request("DELETE", f"/locks/n?lease={first['lease']}")
        waiting.join(30)
        [answer] = answers
        assert (answer.status_code, answer.json()["held"]) == (200, True)
        assert answer.json()["token"] > first["token"]
    finally:
        node.close()


def test_whoever_hangs_up_waits_no_more(node: OneNode) -> None:
    node.request("POST", "/locks/n", json={"ttlSeconds": 60})
    body = json.dumps({"ttlSeconds": 60, "waitSeconds": 60}).encode()
    host, port = node.environ["REST_ADDRESS"].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(
            b"POST /locks/n HTTP/1.1\r\nhost: k\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        eventually("it waits", lambda: watchers(node) == 1)
    eventually("it waits no more", lambda: watchers(node) == 0)
    eventually("its claim is gone", lambda: node.request("GET", "/locks/n").json()["queue"] == [])


def test_a_lease_that_nobody_keeps_alive_frees_the_lock(node: OneNode) -> None:
    node.request("POST", "/locks/n", json={"ttlSeconds": 1})
    body = {"ttlSeconds": 60, "waitSeconds": 30}
    answer = httpx.post(url(node, "/locks/n"), json=body, timeout=60)
    assert answer.json()["held"] is True


def test_a_backup_is_the_file_of_a_snapshot(node: OneNode) -> None:
    for number in range(20):
        node.put(f"k{number}", number)
    answer = node.request("GET", "/snapshot")
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["content-length"])
    assert answer.headers["kvorum-revision"] == "20"
    name = answer.headers["content-disposition"].partition('filename="')[2].rstrip('"')
    kept = {file.read_bytes() for file in (node.directory / "data").rglob("*") if file.is_file()}
    assert answer.content in kept, name
