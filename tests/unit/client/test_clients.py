"""Both clients over scripted endpoints: calls, ranges, and what they put on the wire."""

import asyncio
import base64
import json
import threading
from functools import partial
from typing import Any

import httpx
import pytest

from kvorum.client import AsyncClient, Client
from kvorum.client.errors import (
    ClientClosed,
    ClientError,
    Compacted,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    Taken,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
    WriteUnconfirmed,
)
from kvorum.client.txn import delete, get, key, put
from tests.unit.client.scripted import (
    Log,
    Pieces,
    entered,
    listed,
    make_client,
    ok,
    refusal,
    settled,
    written,
)


def kv(name: str, value: Any, revision: int = 1) -> dict[str, Any]:
    return {
        "key": name,
        "value": value,
        "createRevision": revision,
        "modRevision": revision,
        "version": 1,
    }


async def test_a_value_comes_back_as_it_is_stored(kind: str) -> None:
    body = b'{"isLeader":true,"leaderId":"N","value":{"a" : 1.50},"revision":7,"createRevision":2,'
    body += b'"modRevision":5,"version":3,"lease":"l"}'
    async with entered(make_client(kind, lambda _: httpx.Response(200, content=body))) as client:
        found = await settled(client.get("k"))
        assert found.raw == b'{"a" : 1.50}'
        assert found.value == {"a": 1.5}
        assert (found.key, found.create_revision, found.mod_revision, found.version) == (
            "k",
            2,
            5,
            3,
        )
        assert (found.lease, found.is_json) == ("l", True)


async def test_raw_values_are_bytes(kind: str) -> None:
    raw = bytes(range(256))
    said = {"valueBase64": base64.b64encode(raw).decode(), "contentType": "image/png"}
    async with entered(make_client(kind, lambda _: ok(**said, revision=1))) as client:
        found = await settled(client.get("k"))
        assert (found.value, found.raw, found.content_type) == (raw, raw, "image/png")
        assert not found.is_json


async def test_value_gives_the_default_only_for_missing_keys(kind: str) -> None:
    async with entered(make_client(kind, lambda _: refusal(404, "key-not-found"))) as client:
        assert await settled(client.value("k", None)) is None
        with pytest.raises(NotFound):
            await settled(client.value("k"))
    async with entered(make_client(kind, lambda _: refusal(410, "compacted"))) as client:
        with pytest.raises(Compacted):
            await settled(client.value("k", None, revision=1))


async def test_keys_travel_unharmed(kind: str) -> None:
    log = Log(lambda _: written())
    async with entered(make_client(kind, log)) as client:
        for name in ("a/b", "a//b/", "../x", "..", "ü ?#%", "a+b"):
            await settled(client.put(name, 1))
    assert [request.url.raw_path for request in log.requests] == [
        b"/key/a%2Fb",
        b"/key/a%2F%2Fb%2F",
        b"/key/..%2Fx",
        b"/key/%2E%2E",
        b"/key/%C3%BC%20%3F%23%25",
        b"/key/a%2Bb",
    ]


async def test_what_a_put_says(kind: str) -> None:
    log = Log(lambda _: written(9))
    async with entered(make_client(kind, log)) as client:
        result = await settled(client.put("k", {"x": [1, None]}, ttl_s=1.5, previous=True))
        assert (result.revision, result.changed, result.previous) == (9, True, None)
        await settled(client.put("k", b"\x00\xff", content_type="image/png", lease="l"))
        await settled(client.put("k", b"raw"))
        await settled(client.put("k", b' {"a":1} ', content_type="application/json"))
        await settled(client.put("k", 1, if_revision=7))
        await settled(client.put("k", 1, if_absent=True))
        await settled(client.put("k", 1, if_revision=0))
    bodies = [json.loads(request.content) for request in log.requests]
    assert bodies[:4] == [
        {"value": {"x": [1, None]}, "ttlSeconds": 1.5},
        {"valueBase64": "AP8=", "contentType": "image/png", "lease": "l"},
        {"valueBase64": "cmF3", "contentType": "application/octet-stream"},
        {"value": {"a": 1}},
    ]
    assert log.requests[3].content == b'{"value": {"a":1} }'
    assert log.requests[0].url.query == b"previous=true"
    assert log.header("if-match")[4:] == ['"7"', "", ""]
    assert log.header("if-none-match")[4:] == ["", "*", "*"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"value": float("nan")},
        {"value": object()},
        {"value": "\ud800"},
        {"value": b"{", "content_type": "application/json"},
        {"value": b'1,"lease":"x"', "content_type": "application/json"},
        {"value": 1, "content_type": "text/plain"},
        {"value": 1, "ttl_s": 1, "lease": "l"},
        {"value": 1, "if_revision": 3, "if_absent": True},
        {"value": 1, "request_id": "not visible"},
        {"value": 1, "request_id": "ä"},
        {"value": 1, "request_id": "x" * 129},
    ],
)
async def test_nonsense_is_refused_before_it_is_sent(kind: str, arguments: dict[str, Any]) -> None:
    log = Log(lambda _: written())
    async with entered(make_client(kind, log)) as client:
        with pytest.raises(InvalidRequest):
            await settled(client.put("k", **arguments))
        for name in ("", "\ud800"):
            with pytest.raises(InvalidRequest):
                await settled(client.put(name, 1))
    assert log.requests == []


async def test_a_write_that_broke_is_repeated_under_its_id_and_applied_once(kind: str) -> None:
    applied: dict[str, int] = {}

    def node(request: httpx.Request) -> httpx.Response:
        applied.setdefault(request.headers["idempotency-key"], len(applied) + 1)
        if request.url.host == "a":
            raise httpx.ReadError("the connection broke", request=request)
        return written(applied[request.headers["idempotency-key"]])

    async with entered(make_client(kind, node)) as client:
        assert (await settled(client.put("k", 1))).revision == 1
        assert (await settled(client.put("k", 1))).revision == 2
    assert len(applied) == 2


async def test_the_outcome_is_unknown_when_time_is_over_after_a_break(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("server disconnected", request=request)

    async with entered(make_client(kind, node, timeout_s=0.3)) as client:
        with pytest.raises(WriteUnconfirmed) as caught:
            await settled(client.put("k", 1, request_id="mine"))
        assert caught.value.request_id == "mine"
        with pytest.raises(DeadlineExceeded) as read:
            await settled(client.get("k"))
        assert not isinstance(read.value, OutcomeUnknown)


async def test_nothing_was_applied_where_nobody_listens(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with entered(make_client(kind, node, timeout_s=0.3)) as client:
        with pytest.raises(Unavailable, match=r"http://a:1, .*: cannot be reached: refused"):
            await settled(client.put("k", 1))
        with pytest.raises(Unavailable):
            await settled(client.put("k", 1, timeout_s=0.05))


async def test_an_answer_that_trickles_in_does_not_outlast_its_time(kind: str) -> None:
    """Each piece comes in time; all of them together do not."""
    never = threading.Event()

    class Trickle(Pieces):
        def __iter__(self) -> Any:
            while True:
                never.wait(0.05)
                yield b" "

        async def __aiter__(self) -> Any:
            while True:
                await asyncio.to_thread(never.wait, 0.05)
                yield b" "

    def node(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Trickle(()))

    async with entered(make_client(kind, node, timeout_s=0.4)) as client:
        with pytest.raises(DeadlineExceeded):
            await settled(client.get("k"))


async def test_the_leader_is_followed(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        leads = request.url.host == "c"
        return ok(isLeader=leads, leaderId="C", revision=1, requestId="r")

    log = Log(node)
    async with entered(make_client(kind, log)) as client:
        for _ in range(5):
            await settled(client.put("k", 1))
    assert log.hosts == ["a", "b", "c", "c", "c"]


async def test_refusals_have_their_own_errors(kind: str) -> None:
    cases: list[tuple[httpx.Response, type[ClientError]]] = [
        (refusal(404, "key-not-found", revision=4), NotFound),
        (refusal(412, "precondition-failed", modRevision=12), PreconditionFailed),
        (refusal(410, "compacted", oldestRevision=30), Compacted),
        (refusal(413, "too-large"), TooLarge),
        (refusal(400, "malformed-json"), InvalidRequest),
        (refusal(404, "unknown-route"), InvalidRequest),
        (httpx.Response(404, text="<html>nginx"), UnexpectedAnswer),
        (httpx.Response(200, text="<html>nginx"), UnexpectedAnswer),
        (httpx.Response(200, json={"some": "thing"}), UnexpectedAnswer),
        (httpx.Response(302, headers={"location": "/login"}), UnexpectedAnswer),
    ]
    for response, error in cases:
        async with entered(make_client(kind, Log(partial(_always, response)))) as client:
            with pytest.raises(error) as caught:
                await settled(client.delete("k"))
            assert getattr(caught.value, "mod_revision", 12) == 12
            assert getattr(caught.value, "oldest_revision", 30) == 30


def _always(response: httpx.Response, _request: httpx.Request) -> httpx.Response:
    return response


async def test_deleting_what_is_not_there_can_be_fine(kind: str) -> None:
    node = Log(lambda _: refusal(404, "key-not-found", revision=4, requestId="r"))
    async with entered(make_client(kind, node)) as client:
        result = await settled(client.delete("k", missing_ok=True))
        assert (result.changed, result.revision, result.request_id) == (False, 4, "r")
    other = Log(lambda _: refusal(412, "precondition-failed"))
    async with entered(make_client(kind, other)) as client:
        with pytest.raises(PreconditionFailed):
            await settled(client.delete("k", missing_ok=True, if_revision=1))


async def test_compare_and_set(kind: str) -> None:
    log = Log(lambda _: written())
    async with entered(make_client(kind, log)) as client:
        await settled(client.cas("k", {"a": 1}, None))
    assert log.requests[0].method == "PATCH"
    assert json.loads(log.requests[0].content) == {"oldValue": {"a": 1}, "newValue": None}


async def test_a_range_is_read_page_by_page_at_one_revision(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        if "cursor" not in query:
            items = [kv("a", 1), kv("b", 2)]
            return ok(items=items, more=True, cursor="next", revision=9)
        assert query["cursor"] == "next"
        return ok(items=[kv("c", 3)], more=False, revision=9)

    log = Log(node)
    async with entered(make_client(kind, log)) as client:
        items = client.range(prefix="x/", reverse=True, page_size=2)
        before = items.revision
        assert before is None
        assert [(item.key, item.value) for item in await listed(items)] == [
            ("a", 1),
            ("b", 2),
            ("c", 3),
        ]
        assert items.revision == 9
    assert dict(log.requests[0].url.params) == {"prefix": "x/", "reverse": "true", "limit": "2"}
    assert dict(log.requests[1].url.params) == {"cursor": "next", "limit": "2"}


async def test_a_limit_ends_a_range(kind: str) -> None:
    log = Log(lambda _: ok(items=[kv("a", 1), kv("b", 2)], more=True, cursor="next", revision=9))
    async with entered(make_client(kind, log)) as client:
        assert len(await listed(client.range(limit=2))) == 2
        assert len(log.requests) == 1
        assert await listed(client.range(limit=0)) == []
        assert len(log.requests) == 1


async def test_keys_alone_have_no_value(kind: str) -> None:
    item = {"key": "a", "createRevision": 1, "modRevision": 2, "version": 2}
    async with entered(
        make_client(kind, lambda _: ok(items=[item], more=False, revision=2))
    ) as client:
        (found,) = await listed(client.range(keys_only=True))
        assert (found.key, found.mod_revision) == ("a", 2)
        with pytest.raises(ValueError, match="keys_only"):
            found.value  # noqa: B018  # reading it is the point


async def test_deleting_everything_has_to_be_said(kind: str) -> None:
    log = Log(lambda _: ok(deleted=3, more=False, revision=5, requestId="r"))
    async with entered(make_client(kind, log)) as client:
        for arguments in ({}, {"prefix": ""}, {"prefix": "x", "everything": True}):
            with pytest.raises(InvalidRequest):
                await settled(client.delete_range(**arguments))
        assert log.requests == []
        result = await settled(client.delete_range(everything=True))
        assert (result.deleted, result.more) == (3, False)
        await settled(client.delete_range(start="a", end="b", limit=10))
    assert [request.url.query for request in log.requests] == [
        b"all=true",
        b"start=a&end=b&limit=10",
    ]


async def test_counting(kind: str) -> None:
    log = Log(lambda _: ok(count=3, revision=5))
    async with entered(make_client(kind, log)) as client:
        assert await settled(client.count(prefix="x", stale=True)) == 3
    assert dict(log.requests[0].url.params) == {
        "prefix": "x",
        "countOnly": "true",
        "consistency": "stale",
    }


async def test_a_transaction(kind: str) -> None:
    results = [{"put": {}}, {"delete": {"deleted": 2}}, {"get": {"items": [kv("g", 1)]}}]
    log = Log(lambda _: ok(succeeded=True, revision=4, requestId="r", results=results))
    async with entered(make_client(kind, log)) as client:
        result = await settled(
            client.txn(
                when=[key("a").version == 0, key("b").value > 3],
                then=[put("a", 1, ttl_s=5), delete("b"), get("g")],
                otherwise=get("a"),
            )
        )
    assert result
    assert result.revision == 4
    assert result.results[1].deleted == 2
    assert result.results[2].item.value == 1
    assert json.loads(log.requests[0].content) == {
        "compare": [
            {"key": "a", "target": "version", "op": "=", "value": 0},
            {"key": "b", "target": "value", "op": ">", "value": 3},
        ],
        "then": [
            {"put": {"key": "a", "value": 1, "ttlSeconds": 5}},
            {"delete": {"key": "b"}},
            {"get": {"key": "g"}},
        ],
        "else": [{"get": {"key": "a"}}],
    }


async def test_a_batch(kind: str) -> None:
    log = Log(lambda _: ok(revision=4, changed=2, requestId="r"))
    async with entered(make_client(kind, log)) as client:
        result = await settled(client.batch([put("a", b"x"), delete("b")]))
        assert (result.changed, result.revision) == (2, 4)
    assert log.requests[0].url.path == "/batch"


async def test_a_lock_that_is_taken_says_so(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/leases":
            return ok(id=json.loads(request.content)["id"], ttlSeconds=10, revision=1)
        if request.method == "DELETE":
            return ok(deleted=0, revision=1)
        return refusal(409, "conflict", detail="lease abc holds it")

    log = Log(node)
    async with entered(make_client(kind, log)) as client:
        with pytest.raises(Taken, match="lease abc"):
            await settled(client.lock("l", wait_s=0).acquire())
    assert log.requests[-1].method == "DELETE"
    assert log.requests[-1].url.path.startswith("/leases/")


async def test_status_asks_each_endpoint_and_tells_who_is_silent(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        if request.url.host == "b":
            raise httpx.ConnectError("refused", request=request)
        return ok(isLeader=request.url.host == "c", info={"nodeId": request.url.host, "store": {}})

    async with entered(make_client(kind, node)) as client:
        first, second, third = await settled(client.cluster.status(timeout_s=0.2))
    assert (first.endpoint, first.info["nodeId"], first.is_leader) == ("http://a:1", "a", False)
    assert not second.is_reachable
    assert "refused" in second.error
    assert third.is_leader


async def test_a_closed_client_says_so(kind: str) -> None:
    client = make_client(kind, lambda _: written())
    await settled(client.close())
    with pytest.raises(ClientClosed):
        await settled(client.put("k", 1))


async def test_a_call_that_the_closing_overtakes_says_so_too(kind: str) -> None:
    client = make_client(kind, lambda _: written())
    http = client._http
    await settled(http.close() if kind == "sync" else http.aclose())
    with pytest.raises(ClientClosed):
        await settled(client.put("k", 1))
    await settled(client.close())


async def test_a_backup_is_a_stream_of_bytes(kind: str) -> None:
    parts = [b"abc", b"def"]
    headers = {
        "content-length": "6",
        "kvorum-revision": "12",
        "content-disposition": 'attachment; filename="x.snap"',
    }

    def node(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=Pieces(parts))

    async with (
        entered(make_client(kind, node)) as client,
        entered(client.cluster.snapshot()) as backup,
    ):
        assert (backup.head.revision, backup.head.name, backup.head.size_bytes) == (12, "x.snap", 6)
        assert b"".join(await listed(backup)) == b"abcdef"


@pytest.mark.parametrize("end", [[b"abc"], [b"abc", httpx.ReadError("cut")]])
async def test_a_backup_that_breaks_off_is_an_error(kind: str, end: list[Any]) -> None:
    def node(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-length": "6"}, stream=Pieces(end))

    async with (
        entered(make_client(kind, node)) as client,
        entered(client.cluster.snapshot()) as backup,
    ):
        with pytest.raises(DeadlineExceeded, match="after 3 bytes"):
            await listed(backup)


def test_a_lazy_package_has_its_names_and_no_others() -> None:
    import kvorum.client as package  # noqa: PLC0415  # the package itself is looked at

    assert package.Client is Client
    assert package.AsyncClient is AsyncClient
    with pytest.raises(AttributeError, match="Klient"):
        package.Klient  # noqa: B018  # reading it is the point
