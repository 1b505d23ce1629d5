"""``/keys``: pages of one state, counts, deletions."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import ASGIApp

from kvorum.errors import InvalidRequest, NoLeader, OutcomeUnknown, Rejected
from kvorum.mvcc.command import Command, Compact, DeleteOp, LeaseGrant
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.query import KeyRange
from kvorum.rest.cursor import new_cursor, parse_cursor
from kvorum.rest.openapi.document import openapi_document
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.fake_service import FakeService

DOCUMENT = openapi_document()


async def fill(app: ASGIApp, *keys: str) -> None:
    for key in keys:
        path = b"/key/" + quote(key, safe="").encode()
        reply = await call(app, "PUT", path, headers=[JSON], body=b'{"value":"%b"}' % key.encode())
        assert reply.status == 200


async def keys(app: ASGIApp, query: bytes = b"") -> Reply:
    return await call(app, "GET", b"/keys" + query)


async def names(app: ASGIApp, query: bytes = b"") -> list[str]:
    reply = await keys(app, query)
    assert reply.status == 200, reply.body
    return [item["key"] for item in reply.json["items"]]


async def pages(app: ASGIApp, query: bytes) -> AsyncIterator[dict[str, Any]]:
    page = (await keys(app, query)).json
    yield page
    while page["more"]:
        page = (await keys(app, query + b"&cursor=" + page["cursor"].encode())).json
        yield page


async def test_keys_come_in_order_with_their_values(app: ASGIApp, service: FakeService) -> None:
    service.append(LeaseGrant("grant", "worker", 60_000))
    await fill(app, "b", "a")
    headers = [(b"content-type", b"image/png")]
    await call(app, "PUT", b"/key/c?lease=worker", headers=headers, body=b"\x89")
    reply = await keys(app)
    assert reply.json == {
        "isLeader": True,
        "leaderId": "Node-1",
        "requestId": "Node-1-4",
        "items": [
            {"key": "a", "value": "a", "createRevision": 2, "modRevision": 2, "version": 1},
            {"key": "b", "value": "b", "createRevision": 1, "modRevision": 1, "version": 1},
            {
                "key": "c",
                "valueBase64": "iQ==",
                "contentType": "image/png",
                "createRevision": 3,
                "modRevision": 3,
                "version": 1,
                "lease": "worker",
            },
        ],
        "more": False,
        "revision": 3,
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", ["a", "a/b", "a/c", "b", "ж", "ж/2"]),
        (b"?prefix=", ["a", "a/b", "a/c", "b", "ж", "ж/2"]),
        (b"?prefix=a", ["a", "a/b", "a/c"]),
        (b"?prefix=a/", ["a/b", "a/c"]),
        (b"?prefix=a%2F", ["a/b", "a/c"]),
        (b"?prefix=%D0%B6", ["ж", "ж/2"]),
        (b"?prefix=zz", []),
        (b"?key=a", ["a"]),
        (b"?key=zz", []),
        (b"?start=a/c", ["a/c", "b", "ж", "ж/2"]),
        (b"?end=a/c", ["a", "a/b"]),
        (b"?start=a/b&end=b", ["a/b", "a/c"]),
        (b"?start=&end=", ["a", "a/b", "a/c", "b", "ж", "ж/2"]),
        (b"?reverse=true", ["ж/2", "ж", "b", "a/c", "a/b", "a"]),
        (b"?prefix=a&reverse", ["a/c", "a/b", "a"]),
        (b"?prefix=a&reverse=false&limit=2", ["a", "a/b"]),
        (b"?revision=2", ["a", "b"]),
        (b"?consistency=stale", ["a", "a/b", "a/c", "b", "ж", "ж/2"]),
    ],
)
async def test_a_range_is_a_key_a_prefix_or_two_bounds(
    app: ASGIApp, query: bytes, found: list[str]
) -> None:
    await fill(app, "b", "a", "a/c", "a/b", "ж/2", "ж")
    assert await names(app, query) == found


async def test_a_space_is_written_in_two_ways(app: ASGIApp) -> None:
    await fill(app, "a b", "a+b")
    assert await names(app, b"?prefix=a+") == ["a b"]
    assert await names(app, b"?prefix=a%20") == ["a b"]
    assert await names(app, b"?prefix=a%2B") == ["a+b"]


@pytest.mark.parametrize("reverse", [False, True])
async def test_all_pages_show_one_revision(app: ASGIApp, reverse: bool) -> None:
    wanted = [f"k{number}" for number in range(7)]
    await fill(app, *wanted, "other")
    query = b"?prefix=k&limit=2&reverse=" + (b"true" if reverse else b"false")
    found: list[str] = []
    revisions = set()
    async for page in pages(app, query):
        found += [item["key"] for item in page["items"]]
        revisions.add(page["revision"])
        await fill(app, f"k{len(found)}x", wanted[-1], wanted[0])  # seen by nobody
        await call(app, "DELETE", b"/key/k3")
        assert (page["more"]) == ("cursor" in page)
    assert found == sorted(wanted, reverse=reverse)
    assert revisions == {8}


async def test_a_cursor_fixes_keys_direction_and_revision(app: ASGIApp) -> None:
    await fill(app, "a1", "a2", "a3")
    cursor = (await keys(app, b"?prefix=a&limit=1")).json["cursor"].encode()
    await fill(app, "a4")
    assert await names(app, b"?cursor=" + cursor) == ["a2", "a3"]
    assert await names(app, b"?prefix=a&revision=3&reverse=false&cursor=" + cursor) == ["a2", "a3"]
    assert await names(app, b"?keysOnly&limit=1&cursor=" + cursor) == ["a2"]
    for contradiction in (b"prefix=b", b"key=a1", b"revision=4", b"reverse=true"):
        reply = await keys(app, b"?cursor=" + cursor + b"&" + contradiction)
        assert (reply.status, "another listing" in reply.json["detail"]) == (400, True)


async def test_an_empty_cursor_begins(app: ASGIApp) -> None:
    await fill(app, "a")
    assert await names(app, b"?cursor=") == ["a"]


async def test_a_listing_can_outlive_its_revision(app: ASGIApp, service: FakeService) -> None:
    await fill(app, "a", "b", "c")
    cursor = (await keys(app, b"?limit=1")).json["cursor"].encode()
    await fill(app, "d")
    service.append(Compact("compact", 4))
    reply = await keys(app, b"?cursor=" + cursor)
    assert (reply.status, reply.json["oldestRevision"]) == (410, 4)


async def test_values_can_be_left_out(app: ASGIApp) -> None:
    await fill(app, "a")
    assert (await keys(app, b"?keysOnly=true")).json["items"] == [
        {"key": "a", "createRevision": 1, "modRevision": 1, "version": 1}
    ]


async def test_keys_can_be_counted(app: ASGIApp) -> None:
    await fill(app, "a1", "a2", "b")
    counted = (await keys(app, b"?prefix=a&countOnly=true")).json
    assert (counted["count"], counted["revision"]) == (2, 3)
    assert "items" not in counted
    past = (await keys(app, b"?countOnly=true&revision=1&consistency=stale")).json
    assert (past["count"], past["revision"], past["lastContactMs"]) == (1, 1, 0)


async def test_a_stale_listing_says_how_old_it_may_be(app: ASGIApp, service: FakeService) -> None:
    await fill(app, "a")
    service.leads, service.leader_id = False, ""
    page = (await keys(app, b"?consistency=stale")).json
    assert (page["appliedIndex"], page["lastContactMs"]) == (2, None)
    assert "appliedIndex" not in (await keys(app)).json


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (b"limit=0", "limit"),
        (b"limit=10001", "limit"),
        (b"limit=x", "limit"),
        (b"limit=1&limit=2", "limit is given twice"),
        (b"prefx=a", "'prefx' is no parameter"),
        (b"key=", "key is empty"),
        (b"key=a&prefix=a", "in several ways"),
        (b"prefix=a&start=a", "in several ways"),
        (b"start=b&end=a", "start is not before end"),
        (b"start=a&end=a", "start is not before end"),
        (b"prefix=%FF", "prefix is not UTF-8"),
        (b"prefix=%4", "prefix has a %"),
        (b"reverse=maybe", "reverse"),
        (b"countOnly&limit=5", "limit"),
        (b"countOnly&keysOnly", "keysOnly"),
        (b"revision=0", "revision"),
        (b"consistency=strong", "consistency"),
        (b"cursor=x", "cursor"),
        (b"cursor=%FF", "cursor"),
        (b"&".join(b"a%d=1" % number for number in range(21)), "more than 20"),
    ],
)
async def test_a_wrong_parameter_is_named(app: ASGIApp, query: bytes, named: str) -> None:
    await fill(app, "a")
    reply = await keys(app, b"?" + query)
    assert reply.status == 400
    assert named in reply.json["detail"]
    assert reply.json["instance"] == "/keys"


@pytest.mark.parametrize("name", [b"key", b"prefix", b"start", b"end"])
async def test_a_bound_is_no_longer_than_a_key(app: ASGIApp, name: bytes) -> None:
    for method in ("GET", "DELETE"):
        reply = await call(app, method, b"/keys?%b=%b" % (name, b"k" * 65))
        assert reply.status == 413
        assert name.decode() in reply.json["detail"]


async def test_an_error_names_the_request(app: ASGIApp, service: FakeService) -> None:
    service.failure = NoLeader("none")
    for method in ("GET", "DELETE"):
        reply = await call(app, method, b"/keys?prefix=a", headers=[(b"idempotency-key", b"id")])
        assert (reply.status, reply.json["requestId"]) == (503, "id")
        assert b"retry-after" in reply.headers
    service.failure = OutcomeUnknown("no answer in time", request_id="id")
    assert (await call(app, "DELETE", b"/keys?prefix=a")).status == 504


# --- deletions -------------------------------------------------------------------------


async def delete(app: ASGIApp, query: bytes) -> Reply:
    return await call(app, "DELETE", b"/keys" + query)


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"?prefix=a", ["b"]),
        (b"?key=a", ["a1", "a2", "b"]),
        (b"?start=a1&end=a2", ["a", "a2", "b"]),
        (b"?start=a1", ["a"]),
        (b"?prefix=a&limit=2", ["a2", "b"]),
        (b"?all=true", []),
        (b"?prefix=&all=true", []),
        (b"?prefix=x", ["a", "a1", "a2", "b"]),
    ],
)
async def test_a_range_is_deleted_at_one_revision(
    app: ASGIApp, query: bytes, left: list[str]
) -> None:
    await fill(app, "a", "a1", "a2", "b")
    reply = await delete(app, query)
    deleted = 4 - len(left)
    assert reply.status == 200
    assert reply.json["deleted"] == deleted
    assert reply.json["revision"] == (5 if deleted else 4)
    assert await names(app) == left


async def test_a_limited_deletion_tells_whether_keys_are_left(app: ASGIApp) -> None:
    await fill(app, "a1", "a2", "a3", "a4", "b")
    told = [(await delete(app, b"?prefix=a&limit=2")).json for _ in range(3)]
    assert [(answer["deleted"], answer["more"]) for answer in told] == [
        (2, True),
        (2, False),
        (0, False),
    ]


async def test_what_was_deleted_is_told_by_a_node_that_serves_no_more(
    app: ASGIApp, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(app, "a1", "a2")
    append = service.append

    def append_and_stop(*commands: Command) -> list[Outcome]:
        outcomes = append(*commands)
        service.raised = Rejected("this node stopped serving")
        return outcomes

    monkeypatch.setattr(service, "append", append_and_stop)
    reply = await delete(app, b"?prefix=a&limit=2")
    assert (reply.status, reply.json["deleted"], reply.json["more"]) == (200, 2, True)


@pytest.mark.parametrize("query", [b"", b"?prefix=", b"?start=&end=", b"?all=false", b"?limit=1"])
async def test_the_whole_store_is_not_deleted_by_mistake(app: ASGIApp, query: bytes) -> None:
    await fill(app, "a")
    reply = await delete(app, query)
    assert reply.status == 400
    assert "all=true" in reply.json["detail"]
    assert await names(app) == ["a"]


async def test_all_and_some_contradict_each_other(app: ASGIApp) -> None:
    assert (await delete(app, b"?all=true&prefix=a")).status == 400
    assert (await delete(app, b"?prefix=a&reverse=true")).status == 400


async def test_too_many_keys_are_not_deleted_at_once(app: ASGIApp, service: FakeService) -> None:
    many = [b"k%05d" % number for number in range(10_001)]
    for first in range(0, len(many), 500):
        part = many[first : first + 500]
        body = msgspec.json.encode(
            {"operations": [{"put": {"key": key.decode(), "value": 1}} for key in part]}
        )
        assert (await call(app, "POST", b"/batch", body=body)).status == 200
    reply = await delete(app, b"?prefix=k")
    assert (reply.status, reply.json["type"]) == (400, "urn:kvorum:problem:too-many-keys")
    assert "limit=10000" in reply.json["detail"]
    assert service.machine.key_count == 10_001
    assert (await delete(app, b"?prefix=k&limit=10000")).json["more"] is True
    assert (await delete(app, b"?prefix=k&limit=10000")).json["more"] is False


async def test_a_repeated_deletion_gets_the_first_outcome(app: ASGIApp) -> None:
    await fill(app, "a", "b")
    headers = [(b"idempotency-key", b"once")]
    first = await call(app, "DELETE", b"/keys?prefix=a", headers=headers)
    await fill(app, "a")
    again = await call(app, "DELETE", b"/keys?prefix=a", headers=headers)
    assert again == first
    assert await names(app) == ["a", "b"]


async def test_the_store_itself_hears_of_the_range(app: ASGIApp, service: FakeService) -> None:
    await delete(app, b"?start=a&limit=3")
    assert service.log[-1].commands[0].then == (DeleteOp(b"a", b"", 3),)  # type: ignore[union-attr] # a Txn


# --- documents and cursors -------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("GET", b"", 200),
        ("GET", b"?countOnly", 200),
        ("GET", b"?limit=0", 400),
        ("GET", b"?revision=9", 400),
        ("DELETE", b"?prefix=a", 200),
        ("DELETE", b"", 400),
    ],
)
async def test_every_answer_is_documented(
    app: ASGIApp, method: str, query: bytes, status: int
) -> None:
    await fill(app, "a")
    reply = await call(app, method, b"/keys" + query)
    assert reply.status == status
    documented = DOCUMENT["paths"]["/keys"][method.lower()]["responses"][str(status)]
    schema = documented["content"][reply.headers[b"content-type"].decode()]["schema"]
    possible = [part["$ref"].rpartition("/")[2] for part in schema.get("anyOf", [schema])]
    described = [DOCUMENT["components"]["schemas"][name] for name in possible]
    assert any(
        set(one["required"]) <= set(reply.json) <= set(one["properties"]) for one in described
    )


ranges = st.builds(KeyRange, st.just(b""), st.none()) | st.builds(
    lambda start, rest: KeyRange(start, start + rest),
    st.binary(max_size=5),
    st.binary(min_size=1, max_size=5),
)


@given(ranges, st.integers(1, 1 << 62), st.booleans(), st.binary(max_size=8))
def test_a_cursor_is_understood_again(
    keys: KeyRange, revision: int, reverse: bool, last: bytes
) -> None:
    text = new_cursor(revision, keys, last, reverse=reverse).encode()
    if last not in keys:
        with pytest.raises(InvalidRequest):
            parse_cursor(text)
        return
    cursor = parse_cursor(text)
    assert (cursor.revision, cursor.keys, cursor.reverse) == (revision, keys, reverse)
    assert last not in cursor.rest


@pytest.mark.parametrize("change", [b"%b!", b"%b=", b"!%b", b"%b\n", b"%b%%"])
def test_only_the_very_text_is_a_cursor(change: bytes) -> None:
    """A decoder of base64 passes over characters that are none."""
    text = new_cursor(7, KeyRange(b"a", b"z"), b"k", reverse=False).encode()
    parse_cursor(text)
    with pytest.raises(InvalidRequest, match="cursor"):
        parse_cursor(change % text)


@given(st.binary(max_size=40))
def test_no_other_text_is_a_cursor(text: bytes) -> None:
    try:
        cursor = parse_cursor(text)
    except InvalidRequest:
        return
    again = new_cursor(cursor.revision, cursor.keys, cursor.last, reverse=cursor.reverse)
    assert again.encode() == text


@given(st.data())
def test_a_damaged_cursor_is_refused_or_another_one(data: st.DataObject) -> None:
    text = bytearray(new_cursor(7, KeyRange(b"a", b"z"), b"k", reverse=False).encode())
    position = data.draw(st.integers(0, len(text) - 1))
    text[position] = data.draw(st.integers(0, 255))
    try:
        cursor = parse_cursor(bytes(text))
    except InvalidRequest:
        return
    assert cursor.last in cursor.keys
