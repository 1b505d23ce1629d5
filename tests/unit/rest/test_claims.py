"""``/locks…`` and ``/elections…``."""

import asyncio

import pytest
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from kvorum.errors import NoLeader
from kvorum.mvcc.command import Compact, LeaseGrant, LeaseRevoke, Put
from kvorum.rest.app import create_app
from tests.support.virtual_time import in_virtual_time
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.conftest import OPTIONS
from tests.unit.rest.fake_service import FakeService
from tests.unit.rest.stream_client import StreamClient, StreamEvent, streaming

KINDS = pytest.mark.parametrize("kind", [b"locks", b"elections"])


@pytest.fixture
def service() -> FakeService:
    service = FakeService()
    lease(service, "a", "b", "c")
    return service


def lease(service: FakeService, *ids: str) -> None:
    for one in ids:
        assert service.append(LeaseGrant(service.new_request_id(), one, 10_000))[0].success


def end(service: FakeService, one: str) -> None:
    assert service.append(LeaseRevoke(service.new_request_id(), one))[0].success


async def post(app: ASGIApp, target: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    return await call(app, "POST", target, headers=[JSON, *headers], body=body)


def waiting(app: ASGIApp, target: bytes, body: bytes) -> StreamClient:
    return StreamClient(app, "POST", target, headers=[JSON], body=body)


@KINDS
async def test_the_first_claim_holds_and_the_next_one_waits(app: ASGIApp, kind: bytes) -> None:
    first = (await post(app, b"/%b/n" % kind, b'{"lease":"a","value":{"x":1}}')).json
    assert first == {
        "isLeader": True,
        "leaderId": "Node-1",
        "requestId": first["requestId"],
        "name": "n",
        "held": True,
        "lease": "a",
        "token": 1,
        "position": 0,
        "value": {"x": 1},
    }
    second = (await post(app, b"/%b/n" % kind, b'{"lease":"b"}')).json
    assert (second["held"], second["token"], second["position"], second["value"]) == (
        False,
        2,
        1,
        None,
    )
    again = (await post(app, b"/%b/n" % kind, b'{"lease":"a"}')).json
    assert (again["held"], again["token"]) == (True, 1)


async def test_holder_and_queue_are_shown(app: ASGIApp) -> None:
    free = (await call(app, "GET", b"/locks/n")).json
    assert (free["holder"], free["queue"], free["more"]) == (None, [], False)
    for one in (b"b", b"a", b"c"):
        await post(app, b"/locks/n", b'{"lease":"%b","value":"%b"}' % (one, one))
        await post(app, b"/elections/n", b'{"lease":"%b","value":"%b"}' % (one, one))
    lock = (await call(app, "GET", b"/locks/n")).json
    assert lock["holder"] == {"lease": "b", "token": 1, "position": 0, "value": "b"}
    assert [claim["lease"] for claim in lock["queue"]] == ["a", "c"]
    assert [claim["position"] for claim in lock["queue"]] == [1, 2]
    assert lock["more"] is False
    election = (await call(app, "GET", b"/elections/n?limit=1")).json
    assert election["leader"]["lease"] == "b"
    assert [claim["lease"] for claim in election["queue"]] == ["a"]
    assert election["more"] is True


@KINDS
async def test_a_release_lets_the_next_one_in(app: ASGIApp, kind: bytes) -> None:
    for one in (b"a", b"b"):
        await post(app, b"/%b/n" % kind, b'{"lease":"%b"}' % one)
    assert (await call(app, "DELETE", b"/%b/n?lease=a" % kind)).json["released"] is True
    assert (await call(app, "DELETE", b"/%b/n?lease=a" % kind)).json["released"] is False
    claim = (await post(app, b"/%b/n" % kind, b'{"lease":"b"}')).json
    assert (claim["held"], claim["position"]) == (True, 0)


@KINDS
async def test_whoever_waits_is_answered_when_the_claim_holds(
    app: ASGIApp, service: FakeService, kind: bytes
) -> None:
    await post(app, b"/%b/n" % kind, b'{"lease":"a"}')
    client = waiting(app, b"/%b/n" % kind, b'{"lease":"b","waitSeconds":60}')
    while service.hub.watchers == 0:  # noqa: ASYNC110 - nobody tells when a watch is opened
        await asyncio.sleep(0)
    assert client.status == 0, "nothing is said yet"
    end(service, "a")
    assert b'"held":true' in await client.end()
    assert client.headers[b"content-type"] == b"application/json"
    assert service.hub.watchers == 0


@in_virtual_time
async def test_whoever_waited_in_vain_keeps_the_place() -> None:
    service = FakeService()
    lease(service, "a", "b")
    app = create_app(service, OPTIONS, registry=CollectorRegistry())
    await post(app, b"/locks/n", b'{"lease":"a"}')
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    client = waiting(app, b"/locks/n", b'{"lease":"b","waitSeconds":2.5}')
    assert b'"held":false' in await client.end()
    assert loop.time() - begin_s == pytest.approx(2.5, abs=0.2)
    lock = (await call(app, "GET", b"/locks/n")).json
    assert [claim["lease"] for claim in lock["queue"]] == ["b"]


async def test_a_client_that_leaves_waits_no_more(app: ASGIApp, service: FakeService) -> None:
    await post(app, b"/locks/n", b'{"lease":"a"}')
    client = waiting(app, b"/locks/n", b'{"ttlSeconds":10,"waitSeconds":60}')
    while service.hub.watchers == 0:  # noqa: ASYNC110 - nobody tells when a watch is opened
        await asyncio.sleep(0)
    assert service.machine.lease_count == 4
    client.leave()
    await client.done()
    assert service.hub.watchers == 0
    # Nobody knows the lease that was made for it, so nobody could end it.
    assert service.machine.lease_count == 3
    assert (await call(app, "GET", b"/locks/n")).json["queue"] == []


async def test_a_client_that_can_ask_again_keeps_its_lease(
    app: ASGIApp, service: FakeService
) -> None:
    await post(app, b"/locks/n", b'{"lease":"a"}')
    named = (b"idempotency-key", b"mine")
    body = b'{"ttlSeconds":10,"waitSeconds":60}'
    client = StreamClient(app, "POST", b"/locks/n", headers=[JSON, named], body=body)
    while service.hub.watchers == 0:  # noqa: ASYNC110 - nobody tells when a watch is opened
        await asyncio.sleep(0)
    client.leave()
    await client.done()
    assert service.machine.lease_count == 4
    again = (await post(app, b"/locks/n", b'{"ttlSeconds":10}', named)).json
    assert (again["position"], service.machine.lease_count) == (1, 4)


async def test_a_lease_is_made_on_request(app: ASGIApp, service: FakeService) -> None:
    claim = (await post(app, b"/locks/n", b'{"ttlSeconds":5}')).json
    assert claim["held"] is True
    assert (await call(app, "GET", b"/leases/" + claim["lease"].encode())).json["ttlSeconds"] == 5
    service.pass_time(6)
    assert (await call(app, "GET", b"/locks/n")).json["holder"] is None


async def test_a_claim_can_insist_on_holding_at_once(app: ASGIApp, service: FakeService) -> None:
    body = b'{"lease":"%b","queue":false}'
    assert (await post(app, b"/locks/n", body % b"a")).json["held"] is True
    assert (await post(app, b"/locks/n", body % b"a")).json["held"] is True
    reply = await post(app, b"/locks/n", body % b"b")
    assert (reply.status, reply.json["type"]) == (409, "urn:kvorum:problem:conflict")
    assert "a" in reply.json["error"]
    made = await post(app, b"/locks/n", b'{"ttlSeconds":10,"queue":false}')
    assert made.status == 409
    assert service.machine.lease_count == 3, "the lease that was made is gone again"
    assert (await call(app, "GET", b"/locks/n")).json["queue"] == []


async def test_a_claim_that_waits_already_does_not_hold_at_once(app: ASGIApp) -> None:
    for one in (b"a", b"b"):
        await post(app, b"/locks/n", b'{"lease":"%b"}' % one)
    reply = await post(app, b"/locks/n", b'{"lease":"b","queue":false}')
    assert reply.status == 409
    assert len((await call(app, "GET", b"/locks/n")).json["queue"]) == 1


async def test_a_lease_that_does_not_exist_claims_nothing(app: ASGIApp) -> None:
    reply = await post(app, b"/locks/n", b'{"lease":"ghost"}')
    assert (reply.status, reply.json["type"]) == (404, "urn:kvorum:problem:lease-not-found")


@KINDS
async def test_a_full_store_says_as_much_as_to_a_put(
    app: ASGIApp, service: FakeService, kind: bytes
) -> None:
    await post(app, b"/elections/led", b'{"lease":"a"}')
    service.quota_bytes = service.store_info().size_bytes + 1
    put = await call(app, "PUT", b"/key/k", headers=[JSON], body=b'{"value":"%b"}' % (b"x" * 90))
    assert "are used (QUOTA_BYTES); " in put.json["detail"]
    claimed = await post(app, b"/%b/n" % kind, b'{"lease":"a"}')
    assert (claimed.status, claimed.json["type"]) == (put.status, put.json["type"])
    assert claimed.json["detail"] == put.json["detail"]
    led = b'{"lease":"a","value":"%b"}' % (b"x" * 90)
    proclaimed = await call(app, "PUT", b"/elections/led", headers=[JSON], body=led)
    assert (proclaimed.status, proclaimed.json["detail"]) == (507, claimed.json["detail"])


async def test_a_lease_for_a_claim_that_finds_no_room_goes(
    app: ASGIApp, service: FakeService
) -> None:
    service.quota_bytes = 1
    reply = await post(app, b"/locks/n", b'{"ttlSeconds":60}')
    assert reply.status == 507
    assert sorted(view.id for view in service.leases(limit=10)) == ["a", "b", "c"]


async def test_the_leader_proclaims(app: ASGIApp) -> None:
    for one in (b"a", b"b"):
        await post(app, b"/elections/n", b'{"lease":"%b","value":1}' % one)
    body = b'{"lease":"a","value":{"url":"x"}}'
    reply = await call(app, "PUT", b"/elections/n", headers=[JSON], body=body)
    assert (reply.status, reply.json["value"], reply.json["token"]) == (200, {"url": "x"}, 1)
    assert (await call(app, "GET", b"/elections/n")).json["leader"]["value"] == {"url": "x"}
    body = b'{"lease":"b","value":2}'
    reply = await call(app, "PUT", b"/elections/n", headers=[JSON], body=body)
    assert reply.status == 409


@KINDS
async def test_names_may_be_anything(app: ASGIApp, kind: bytes) -> None:
    names = {b"a%2Fb": "a/b", b"%25": "%", b"caf%C3%A9": "café", b"a%20b": "a b", b"..": ".."}
    for path, name in names.items():
        claim = (await post(app, b"/%b/%b" % (kind, path), b'{"lease":"a"}')).json
        assert claim["name"] == name
        assert (await call(app, "GET", b"/%b/%b" % (kind, path))).json["name"] == name
        released = await call(app, "DELETE", b"/%b/%b?lease=a" % (kind, path))
        assert released.json["released"] is True


@KINDS
async def test_names_are_listed_in_pages(app: ASGIApp, kind: bytes) -> None:
    for name in (b"c", b"a", b"b%2Fx"):
        await post(app, b"/%b/%b" % (kind, name), b'{"lease":"a"}')
    first = (await call(app, "GET", b"/%b?limit=2" % kind)).json
    assert (first["names"], first["more"]) == (["a", "b/x"], True)
    rest = (await call(app, "GET", b"/%b?after=b%%2Fx" % kind)).json
    assert (rest["names"], rest["more"]) == (["c"], False)


@KINDS
@pytest.mark.parametrize(
    ("sent", "status", "name"),
    [
        (("POST", b"n", b"{}"), 400, "ttlSeconds"),
        (("POST", b"n", b'{"lease":"a","ttlSeconds":5}'), 400, "ttlSeconds"),
        (("POST", b"n", b'{"lease":"a b"}'), 400, "lease"),
        (("POST", b"n", b'{"ttlSeconds":0}'), 400, "ttlSeconds"),
        (("POST", b"n", b'{"lease":"a","waitSeconds":61}'), 400, "waitSeconds"),
        (("POST", b"n", b'{"lease":"a","waitSeconds":-1}'), 400, "waitSeconds"),
        (("POST", b"n", b'{"lease":"a","waitSeconds":"1"}'), 400, "waitSeconds"),
        (("POST", b"n", b'{"lease":"a","queue":1}'), 400, "queue"),
        (("POST", b"n", b'{"lease":"a","wait":1}'), 400, "wait"),
        (("POST", b"n", b'{"lease":"a","value":"' + b"x" * 1000 + b'"}'), 413, "value"),
        (("POST", b"n", b'{"lease":"a","value":' + b"[" * 101 + b"]" * 101 + b"}"), 400, "value"),
        (("POST", b"x" * 257, b'{"lease":"a"}'), 413, "name"),
        (("POST", b"%FF", b'{"lease":"a"}'), 400, "name"),
        (("POST", b"%2", b'{"lease":"a"}'), 400, "name"),
        (("GET", b"n?limit=0", b""), 400, "limit"),
        (("GET", b"n?limt=1", b""), 400, "limt"),
        (("DELETE", b"n", b""), 400, "lease"),
        (("DELETE", b"n?lease=a%20b", b""), 400, "lease"),
    ],
)
async def test_what_is_wrong_is_named(
    app: ASGIApp, kind: bytes, sent: tuple[str, bytes, bytes], status: int, name: str
) -> None:
    method, path, body = sent
    target = b"/%b/%b" % (kind, path)
    reply = await call(app, method, target, headers=[JSON], body=body)
    assert reply.status == status
    assert name in reply.json["error"]


TOO_DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.mark.parametrize(
    "value",
    [b"\xff", b"{", b"", b'"\xff"', TOO_DEEP],
    ids=["bytes", "cut", "empty", "text", "deep"],
)
async def test_a_claim_that_was_put_as_a_key_does_not_break_answers(
    app: ASGIApp, service: FakeService, value: bytes
) -> None:
    for prefix in (b"_locks", b"_elections"):
        key, text = prefix + b"/n/a", "text/plain"
        put = Put(service.new_request_id(), key, value, lease="a", content_type=text)
        assert service.append(put)[0].success
    holder = (await call(app, "GET", b"/locks/n")).json["holder"]
    assert (holder["lease"], holder["value"]) == ("a", None)
    async with streaming(app, b"/elections/n/observe") as client:
        assert (await client.event()).data["leader"]["value"] is None


async def test_who_puts_a_key_without_the_lease_does_not_lead(
    app: ASGIApp, service: FakeService
) -> None:
    async with streaming(app, b"/elections/n/observe") as client:
        assert (await client.event()).data["leader"] is None
        assert service.append(Put(service.new_request_id(), b"_elections/n/x", b"1"))[0].success
        await post(app, b"/elections/n", b'{"lease":"a"}')
        assert (await client.event()).data["leader"]["lease"] == "a"
    assert (await call(app, "GET", b"/elections/n")).json["leader"]["lease"] == "a"


async def test_keys_that_are_no_claims_have_no_names(app: ASGIApp, service: FakeService) -> None:
    for key in (b"_locks/", b"_locks/x"):
        assert service.append(Put(service.new_request_id(), key, b"1"))[0].success
    for name in (b"-", b"z"):
        await post(app, b"/locks/" + name, b'{"lease":"a"}')
    assert (await call(app, "GET", b"/locks")).json["names"] == ["-", "z"]


async def test_a_name_is_one_segment(app: ASGIApp) -> None:
    for target in (b"/locks/a/b", b"/elections/a/b", b"/elections/a/b/observe"):
        reply = await call(app, "GET", target)
        assert (reply.status, reply.json["type"]) == (404, "urn:kvorum:problem:unknown-route")


# Observing -----------------------------------------------------------------------------------


def told(event: StreamEvent) -> str | None:
    assert event.event == "leader"
    assert event.data["name"] == "n"
    leader = event.data["leader"]
    return f"{leader['lease']} {leader['token']} {leader['value']}" if leader else None


async def test_an_observer_sees_every_leader(app: ASGIApp, service: FakeService) -> None:
    async with streaming(app, b"/elections/n/observe") as client:
        assert client.headers[b"content-type"] == b"text/event-stream"
        assert told(await client.event()) is None
        for one in (b"a", b"b", b"c"):
            await post(app, b"/elections/n", b'{"lease":"%b","value":"%b"}' % (one, one))
        assert told(await client.event()) == "a 1 a"
        body = b'{"lease":"a","value":"A"}'
        await call(app, "PUT", b"/elections/n", headers=[JSON], body=body)
        assert told(await client.event()) == "a 1 A"
        end(service, "b")
        end(service, "a")
        assert told(await client.event()) == "c 3 c"
        await call(app, "DELETE", b"/elections/n?lease=c")
        assert told(await client.event()) is None


async def test_an_observer_begins_with_the_present_leader(app: ASGIApp) -> None:
    for one in (b"a", b"b"):
        await post(app, b"/elections/n", b'{"lease":"%b"}' % one)
    async with streaming(app, b"/elections/n/observe") as client:
        assert told(await client.event()) == "a 1 None"
        await call(app, "DELETE", b"/elections/n?lease=a")
        assert told(await client.event()) == "b 2 None"


async def test_other_elections_are_not_observed(app: ASGIApp) -> None:
    async with streaming(app, b"/elections/n%2Fx/observe") as client:
        first = await client.event()
        assert (first.data["name"], first.data["leader"]) == ("n/x", None)
        await post(app, b"/elections/n", b'{"lease":"a"}')
        await post(app, b"/elections/n%2Fx", b'{"lease":"b"}')
        assert (await client.event()).data["leader"]["lease"] == "b"


async def test_an_election_may_be_called_observe(app: ASGIApp) -> None:
    await post(app, b"/elections/observe", b'{"lease":"a"}')
    assert (await call(app, "GET", b"/elections/observe")).json["leader"]["lease"] == "a"
    async with streaming(app, b"/elections/observe/observe") as client:
        assert (await client.event()).data["leader"]["lease"] == "a"


async def test_observing_begins_after_what_is_compacted(app: ASGIApp, service: FakeService) -> None:
    await post(app, b"/elections/n", b'{"lease":"a"}')
    service.append(Compact("c", 1))
    async with streaming(app, b"/elections/n/observe") as client:
        assert told(await client.event()) == "a 1 None"


async def test_an_observer_is_told_that_the_node_stops(app: ASGIApp, service: FakeService) -> None:
    async with streaming(app, b"/elections/n/observe") as client:
        await client.event()
        service.hub.close()
        assert (await client.event()).event == "cancelled"
        await client.end()


async def test_an_observer_that_leaves_is_forgotten(app: ASGIApp, service: FakeService) -> None:
    async with streaming(app, b"/elections/n/observe") as client:
        await client.event()
        assert service.hub.watchers == 1
    assert service.hub.watchers == 0


@in_virtual_time
async def test_observers_get_heartbeats() -> None:
    app = create_app(FakeService(), OPTIONS, registry=CollectorRegistry())
    async with streaming(app, b"/elections/n/observe?heartbeatSeconds=1") as client:
        await client.event()
        assert (await client.event()).comment == "heartbeat"


async def test_observing_needs_a_leader_of_the_cluster(app: ASGIApp, service: FakeService) -> None:
    service.failure = NoLeader("no leader is known")
    assert (await call(app, "GET", b"/elections/n/observe")).status == 503


@pytest.mark.parametrize("query", [b"heartbeatSeconds=0", b"heartbeat=1"])
async def test_wrong_parameters_of_observing_are_refused(app: ASGIApp, query: bytes) -> None:
    reply = await call(app, "GET", b"/elections/n/observe?" + query)
    assert reply.status == 400
    assert query.partition(b"=")[0].decode() in reply.json["error"]
