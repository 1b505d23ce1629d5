"""``/leases…``."""

import re

import pytest
from litestar.types import ASGIApp

from kvorum.errors import NoLeader, OutcomeUnknown
from kvorum.mvcc.command import Compare, Field, Put, Relation, Txn
from kvorum.mvcc.outcome import Status
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.fake_service import FakeService


async def grant(app: ASGIApp, body: bytes = b'{"ttlSeconds":10,"id":"l"}') -> Reply:
    return await call(app, "POST", b"/leases", headers=[JSON], body=body)


def named(request_id: bytes) -> tuple[bytes, bytes]:
    return b"idempotency-key", request_id


async def test_a_lease_is_granted_under_the_id_of_the_client(app: ASGIApp) -> None:
    reply = await grant(app, b'{"ttlSeconds":1.5,"id":"worker-7"}')
    assert reply.status == 201
    assert reply.headers[b"location"] == b"/leases/worker-7"
    assert reply.json == {
        "isLeader": True,
        "leaderId": "Node-1",
        "requestId": "Node-1-1",
        "id": "worker-7",
        "ttlSeconds": 1.5,
        "revision": 0,
    }


async def test_a_lease_gets_an_id_if_it_has_none(app: ASGIApp) -> None:
    ids = [(await grant(app, b'{"ttlSeconds":10}')).json["id"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{16}", lease) for lease in ids)
    assert len(set(ids)) == 2


async def test_a_request_that_is_repeated_gets_the_same_lease(
    app: ASGIApp, service: FakeService
) -> None:
    body = b'{"ttlSeconds":10}'
    first, second = [
        await call(app, "POST", b"/leases", headers=[JSON, named(b"g")], body=body)
        for _ in range(2)
    ]
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] == second.json["id"]
    assert service.machine.lease_count == 1
    service.pass_time(11)
    third = await call(app, "POST", b"/leases", headers=[JSON, named(b"g")], body=body)
    assert (third.status, third.json["type"]) == (404, "urn:kvorum:problem:lease-not-found")


async def test_an_id_that_is_taken_is_a_conflict(app: ASGIApp) -> None:
    await grant(app)
    reply = await grant(app)
    assert reply.status == 409
    assert reply.json["type"] == "urn:kvorum:problem:conflict"
    assert reply.json["error"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"{}", "ttlSeconds"),
        (b'{"ttlSeconds":0.9}', "ttlSeconds"),
        (b'{"ttlSeconds":31536001}', "ttlSeconds"),
        (b'{"ttlSeconds":true}', "ttlSeconds"),
        (b'{"ttlSeconds":"10"}', "ttlSeconds"),
        (b'{"ttlSeconds":1e400}', "ttlSeconds"),
        (b'{"ttlSeconds":10,"id":""}', "id"),
        (b'{"ttlSeconds":10,"id":"a/b"}', "id"),
        (b'{"ttlSeconds":10,"id":7}', "id"),
        (b'{"ttlSeconds":10,"ID":"x"}', "ID"),
        (b"[]", "object"),
        (b"", "JSON"),
    ],
)
async def test_a_wrong_grant_names_the_field(app: ASGIApp, body: bytes, name: str) -> None:
    reply = await grant(app, body)
    assert reply.status == 400
    assert name in reply.json["error"]


async def test_a_lease_is_kept_alive(app: ASGIApp, service: FakeService) -> None:
    await grant(app)
    service.pass_time(9)
    reply = await call(app, "POST", b"/leases/l/keepalive")
    assert reply.status == 200
    assert reply.json["id"] == "l"
    assert reply.json["ttlSeconds"] == 10
    assert reply.json["remainingSeconds"] >= 10
    service.pass_time(9)
    assert (await call(app, "GET", b"/leases/l")).status == 200
    service.pass_time(2)
    late = await call(app, "POST", b"/leases/l/keepalive")
    assert (late.status, late.json["type"]) == (404, "urn:kvorum:problem:lease-not-found")


async def test_a_lease_is_shown_with_its_keys(app: ASGIApp, service: FakeService) -> None:
    await grant(app)
    for key in (b"b", b"a"):
        service.append(Put(service.new_request_id(), key, b"1", lease="l"))
    reply = await call(app, "GET", b"/leases/l?keys=true")
    assert reply.json["keys"] == ["a", "b"]
    assert reply.json["keyCount"] == 2
    assert reply.json["requestId"]
    assert service.caught_up == 1
    without = (await call(app, "GET", b"/leases/l")).json
    assert "keys" not in without
    assert without["keyCount"] == 2


async def test_a_lease_is_revoked_with_its_keys(app: ASGIApp, service: FakeService) -> None:
    await grant(app)
    service.append(Put("p", b"a", b"1", lease="l"), Put("q", b"b", b"1", lease="l"))
    reply = await call(app, "DELETE", b"/leases/l", headers=[named(b"r")])
    assert reply.status == 200
    assert (reply.json["deleted"], reply.json["revision"]) == (2, 3)
    assert service.value(b"a") is None
    again = await call(app, "DELETE", b"/leases/l", headers=[named(b"r")])
    assert (again.status, again.json["deleted"]) == (200, 2)
    other = await call(app, "DELETE", b"/leases/l")
    assert other.status == 404


async def test_leases_are_listed_in_pages(app: ASGIApp) -> None:
    for number in range(5):
        await grant(app, b'{"ttlSeconds":10,"id":"l%d"}' % number)
    first = (await call(app, "GET", b"/leases?limit=3")).json
    assert [lease["id"] for lease in first["leases"]] == ["l0", "l1", "l2"]
    assert first["more"] is True
    rest = (await call(app, "GET", b"/leases?limit=3&after=l2")).json
    assert [lease["id"] for lease in rest["leases"]] == ["l3", "l4"]
    assert rest["more"] is False
    assert set(rest["leases"][0]) == {"id", "ttlSeconds", "remainingSeconds", "keyCount"}


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", b"/leases?limit=0", "limit"),
        ("GET", b"/leases?limit=1001", "limit"),
        ("GET", b"/leases?limt=1", "limt"),
        ("GET", b"/leases/a%20b", "id"),
        ("GET", b"/leases/l?keys=1", "keys"),
        ("POST", b"/leases/a%20b/keepalive", "id"),
        ("DELETE", b"/leases/" + b"x" * 65, "id"),
        ("DELETE", b"/leases/%FF", "id"),
    ],
)
async def test_what_is_wrong_is_named(app: ASGIApp, method: str, target: bytes, name: str) -> None:
    reply = await call(app, method, target)
    assert reply.status == 400
    assert name in reply.json["error"]


async def test_a_wrong_request_id_is_refused(app: ASGIApp, service: FakeService) -> None:
    for method, target in [
        ("POST", b"/leases/l/keepalive"),
        ("DELETE", b"/leases/l"),
        ("DELETE", b"/locks/l?lease=x"),
        ("DELETE", b"/elections/l?lease=x"),
    ]:
        reply = await call(app, method, target, headers=[named(b"a b")])
        assert reply.status == 400
        assert "Idempotency-Key" in reply.json["error"]


@pytest.mark.parametrize(
    ("failure", "status"),
    [(NoLeader("none"), 503), (OutcomeUnknown("no answer", request_id="r"), 504)],
)
async def test_failures_are_problems(
    app: ASGIApp, service: FakeService, failure: Exception, status: int
) -> None:
    service.failure = failure
    requests: list[tuple[str, bytes, bytes]] = [
        ("POST", b"/leases", b'{"ttlSeconds":10}'),
        ("POST", b"/leases/l/keepalive", b""),
        ("DELETE", b"/leases/l", b""),
        ("POST", b"/locks/n", b'{"lease":"l"}'),
        ("POST", b"/locks/n", b'{"ttlSeconds":10}'),
        ("DELETE", b"/elections/n?lease=l", b""),
        ("POST", b"/compact", b'{"revision":1}'),
    ]
    for method, target, body in requests:
        reply = await call(app, method, target, headers=[JSON], body=body)
        assert reply.status == status, target
        assert reply.json["type"].startswith("urn:kvorum:problem:")


async def test_the_id_of_another_request_is_a_conflict(app: ASGIApp, service: FakeService) -> None:
    compare = Compare(b"k", Field.VERSION, Relation.GREATER, 0)
    assert service.append(Txn("used", (compare,), ()))[0].status is Status.OTHERWISE
    await grant(app)
    requests: list[tuple[str, bytes, bytes]] = [
        ("POST", b"/leases", b'{"ttlSeconds":10}'),
        ("DELETE", b"/leases/l", b""),
        ("POST", b"/locks/n", b'{"lease":"l"}'),
        ("POST", b"/elections/n", b'{"ttlSeconds":10}'),
        ("POST", b"/compact", b'{"revision":1}'),
        ("DELETE", b"/keys?prefix=a", b""),
        ("POST", b"/batch", b'{"operations":[{"delete":{"key":"k"}}]}'),
    ]
    for method, target, body in requests:
        reply = await call(app, method, target, headers=[JSON, named(b"used")], body=body)
        assert (reply.status, target) == (409, target)
        assert reply.json["type"] == "urn:kvorum:problem:conflict"
