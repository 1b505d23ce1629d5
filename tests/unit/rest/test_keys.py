"""What requests for ``/key/…`` do, beyond their status."""

import asyncio
import logging

import pytest
from litestar.types import ASGIApp, Message, ReceiveMessage

from kvorum.errors import NoLeader, OutcomeUnknown, Overloaded, Rejected
from tests.unit.rest.asgi import JSON, Reply, call, http_scope
from tests.unit.rest.fake_service import FakeService

PREFER = (b"prefer", b"wait=5, respond-async")


async def put(app: ASGIApp, key: bytes, value: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    body = b'{"value":%b}' % value
    return await call(app, "PUT", b"/key/" + key, headers=[JSON, *headers], body=body)


async def test_a_write_answers_with_the_contracts_fields_and_its_outcome(app: ASGIApp) -> None:
    reply = await put(app, b"colour", b'"green"')
    assert reply.headers[b"content-type"] == b"application/json"
    assert reply.json == {
        "isLeader": True,
        "leaderId": "Node-1",
        "requestId": "Node-1-1",
        "success": True,
        "message": "success",
        "revision": 1,
    }


async def test_a_read_answers_with_the_value_and_its_revisions(app: ASGIApp) -> None:
    for value in (b"1", b"2"):
        await put(app, b"colour", value)
    await put(app, b"other", b"0")
    assert (await call(app, "GET", b"/key/colour")).json == {
        "isLeader": True,
        "leaderId": "Node-1",
        "requestId": "Node-1-4",
        "success": True,
        "message": "success",
        "value": 2,
        "revision": 3,
        "createRevision": 1,
        "modRevision": 2,
        "version": 2,
    }


async def test_a_stale_read_says_how_old_it_may_be(app: ASGIApp, service: FakeService) -> None:
    await put(app, b"colour", b"1")
    service.leads, service.leader_id = False, ""
    reply = await call(app, "GET", b"/key/colour?consistency=stale")
    assert reply.json["value"] == 1
    assert reply.json["isLeader"] is False
    assert reply.json["lastContactMs"] is None
    assert reply.json["appliedIndex"] == reply.json["commitIndex"] == 2
    missing = await call(app, "GET", b"/key/none?consistency=stale")
    assert missing.json["appliedIndex"] == 2


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (b"a/b", b"a/b"),
        (b"a//b/", b"a//b/"),
        (b"a%2Fb", b"a/b"),
        (b"/", b"/"),
        (b"a%25b", b"a%b"),
        (b"a+b", b"a+b"),
        (b"./../x", b"./../x"),
        (b"%D0%BA", "к".encode()),
        ("к".encode(), "к".encode()),
        (b"%00%0A", b"\x00\n"),
    ],
)
async def test_a_key_is_stored_as_it_was_named(
    app: ASGIApp, service: FakeService, path: bytes, key: bytes
) -> None:
    assert (await put(app, path, b"1")).status == 200
    assert service.value(key) == b"1"


@pytest.mark.parametrize(
    "value",
    [b"null", b"[1, 2.50,{ }]", b"1e999999", b'"\\u0041\\/"', '"ключ"'.encode(), b"-0", b"1" * 900],
)
async def test_a_value_is_stored_and_returned_byte_for_byte(
    app: ASGIApp, service: FakeService, value: bytes
) -> None:
    await put(app, b"k", b" \n" + value + b"\t")
    assert service.value(b"k") == value
    assert b'"value":%b,' % value in (await call(app, "GET", b"/key/k")).body


async def test_compare_and_set_compares_values_not_texts(
    app: ASGIApp, service: FakeService
) -> None:
    await put(app, b"k", b'{"a": 1, "b": [2]}')
    body = b'{"oldValue":{"b":[2.0],"a":1e0},"newValue":"done"}'
    assert (await call(app, "PATCH", b"/key/k", body=body)).status == 200
    assert service.value(b"k") == b'"done"'


async def test_a_repeated_idempotency_key_gets_the_first_outcome(
    app: ASGIApp, service: FakeService
) -> None:
    first = await put(app, b"k", b"1", (b"idempotency-key", b'"order 1"'.replace(b" ", b"-")))
    again = await put(app, b"k", b"2", (b"idempotency-key", b"order-1"))
    assert first.json["requestId"] == "order-1"
    assert again == first
    assert service.value(b"k") == b"1"


async def test_respond_async_answers_before_the_outcome(app: ASGIApp, service: FakeService) -> None:
    service.held = []
    reply = await put(app, b"k", b"1", PREFER, (b"idempotency-key", b"a/b?"))
    assert reply.status == 202
    assert reply.headers[b"preference-applied"] == b"respond-async"
    assert reply.headers[b"location"] == b"/command/a%2Fb%3F"
    assert reply.json == {"isLeader": True, "leaderId": "Node-1", "requestId": "a/b?"}
    service.release()
    found = await call(app, "GET", reply.headers[b"location"])
    assert found.json["info"]["success"] is True


async def test_respond_async_says_at_once_what_is_refused_at_once(
    app: ASGIApp, service: FakeService
) -> None:
    service.failure = NoLeader("no leader is known")
    assert (await put(app, b"k", b"1", PREFER)).status == 503


async def test_a_failure_after_202_is_logged_quietly(
    app: ASGIApp, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kvorum.rest.keys")
    service.held = []
    service.failure = Overloaded("full")
    assert (await put(app, b"k", b"1", PREFER)).status == 202
    service.release()
    for _ in range(3):  # the future's callbacks run in the next turns of the loop
        await asyncio.sleep(0)
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


async def test_an_unknown_outcome_says_how_to_find_out(app: ASGIApp, service: FakeService) -> None:
    service.failure = OutcomeUnknown("no answer within 5000 ms", request_id="id-1")
    reply = await put(app, b"k", b"1", (b"idempotency-key", b"id-1"))
    assert reply.status == 504
    assert reply.json["requestId"] == "id-1"
    assert "GET /command/id-1" in reply.json["detail"]
    assert "Idempotency-Key: id-1" in reply.json["detail"]
    assert reply.headers[b"location"] == b"/command/id-1"


async def test_retry_after_is_rounded_up_to_seconds(app: ASGIApp, service: FakeService) -> None:
    service.failure = NoLeader("no leader is known", retry_after_s=1.2)
    reply = await put(app, b"k", b"1")
    assert reply.headers[b"retry-after"] == b"2"
    assert reply.json["requestId"] == "Node-1-1"


@pytest.mark.parametrize(
    ("failure", "closes"),
    [
        (Rejected("this node stopped serving; ask another one"), True),
        (NoLeader("no leader is known"), False),
        (Overloaded("the queue is full"), False),
    ],
)
async def test_a_node_that_sends_clients_elsewhere_closes_their_connection(
    app: ASGIApp, service: FakeService, failure: Rejected, closes: bool
) -> None:
    service.failure = failure
    reply = await put(app, b"k", b"1")
    assert (reply.headers.get(b"connection") == b"close") is closes


async def test_an_unexpected_error_is_logged_and_not_shown(
    app: ASGIApp, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.raised = RuntimeError("secret")
    reply = await put(app, b"k", b"1")
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert "secret" in caplog.text


async def test_curls_default_content_type_gets_the_remedy(app: ASGIApp) -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    reply = await call(app, "POST", b"/key/k", headers=[form], body=b'{"value":1}')
    assert reply.status == 415
    assert "-H 'Content-Type: application/json'" in reply.json["detail"]


async def test_an_unknown_method_is_told_the_known_ones(app: ASGIApp) -> None:
    reply = await call(app, "TRACE", b"/key/k")
    assert reply.status == 405
    assert reply.headers[b"allow"] == b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


async def test_a_huge_body_is_refused_unread_and_the_connection_closed(app: ASGIApp) -> None:
    reply = await call(
        app, "PUT", b"/key/k", headers=[JSON, (b"content-length", b"99999999")], body=[b""] * 2
    )
    assert reply.status == 413
    assert reply.headers[b"connection"] == b"close"


async def test_a_slightly_large_body_keeps_the_connection(app: ASGIApp) -> None:
    reply = await call(app, "PUT", b"/key/k", headers=[JSON], body=b" " * 20_000)
    assert reply.status == 413
    assert b"connection" not in reply.headers


async def test_a_client_that_leaves_amid_its_body_writes_nothing(
    app: ASGIApp, service: FakeService
) -> None:
    pieces = [b'{"value":1}']
    statuses: list[int] = []

    async def receive() -> ReceiveMessage:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(), "more_body": True}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(http_scope("PUT", b"/key/k"), receive, send)
    assert statuses == [400]
    assert service.machine.revision == 0
