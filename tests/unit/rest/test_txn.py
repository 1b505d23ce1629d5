"""``/txn`` and ``/batch``: what they do, and how they say what is wrong."""

from typing import Any

import msgspec
import pytest
from litestar.types import ASGIApp

from kvorum.errors import NoLeader, OutcomeUnknown
from kvorum.mvcc.charge import KEY_BYTES
from kvorum.mvcc.command import Compact, LeaseGrant
from kvorum.rest.openapi.document import openapi_document
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.fake_service import FakeService

DOCUMENT = openapi_document()


async def post(app: ASGIApp, path: bytes, body: Any, *headers: tuple[bytes, bytes]) -> Reply:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await call(app, "POST", path, headers=[JSON, *headers], body=encoded)


async def txn(app: ASGIApp, body: Any, *headers: tuple[bytes, bytes]) -> Reply:
    return await post(app, b"/txn", body, *headers)


async def fill(app: ASGIApp, **values: Any) -> None:
    for key, value in values.items():
        body = msgspec.json.encode({"value": value})
        assert (await call(app, "PUT", b"/key/" + key.encode(), body=body)).status == 200


def put(key: str, value: Any = 1, **more: Any) -> dict[str, Any]:
    return {"put": {"key": key, "value": value, **more}}


# --- what they do ----------------------------------------------------------------------


async def test_the_branch_is_chosen_by_all_comparisons(app: ASGIApp, service: FakeService) -> None:
    await fill(app, a=1, b=2)
    body = {
        "compare": [
            {"key": "a", "target": "value", "op": "=", "value": 1.0},
            {"key": "b", "target": "version", "op": ">", "value": 1},
        ],
        "then": [put("chosen", "then")],
        "else": [put("chosen", "else")],
    }
    reply = await txn(app, body)
    assert reply.json == {
        "isLeader": True,
        "leaderId": "Node-1",
        "requestId": "Node-1-3",
        "succeeded": False,
        "revision": 3,
        "results": [{"put": {}}],
    }
    await fill(app, b=3)
    assert (await txn(app, body)).json["succeeded"] is True
    assert service.value(b"chosen") == b'"then"'


async def test_everything_happens_at_one_revision(app: ASGIApp, service: FakeService) -> None:
    await fill(app, a=1, b=2, c=3)
    reply = await txn(
        app,
        {
            "then": [
                put("d", {"x": [1]}),
                {"delete": {"prefix": "b"}},
                {"put": {"key": "e", "valueBase64": "iQ==", "contentType": "image/png"}},
                {"delete": {"key": "none"}},
                {"delete": {"start": "c", "end": "d", "limit": 1}},
            ]
        },
    )
    assert reply.json["revision"] == 4
    assert reply.json["results"] == [
        {"put": {}},
        {"delete": {"deleted": 1}},
        {"put": {}},
        {"delete": {"deleted": 0}},
        {"delete": {"deleted": 1}},
    ]
    assert [item["key"] for item in (await call(app, "GET", b"/keys")).json["items"]] == [
        "a",
        "d",
        "e",
    ]
    record = service.machine.get(b"e")
    assert record is not None
    assert (record.value, record.content_type, record.mod_revision) == (b"\x89", "image/png", 4)


async def test_reads_show_the_state_before_the_writes(app: ASGIApp) -> None:
    await fill(app, a=1, b=2)
    reply = await txn(
        app,
        {
            "then": [
                put("a", 9),
                {"get": {"key": "a"}},
                {"get": {"prefix": "", "limit": 1}},
                {"get": {"start": "b"}},
                {"get": {"key": "none"}},
            ]
        },
    )
    a = {"key": "a", "value": 1, "createRevision": 1, "modRevision": 1, "version": 1}
    b = {"key": "b", "value": 2, "createRevision": 2, "modRevision": 2, "version": 1}
    assert reply.json["results"] == [
        {"put": {}},
        {"get": {"items": [a], "more": False}},
        {"get": {"items": [a], "more": True}},
        {"get": {"items": [b], "more": False}},
        {"get": {"items": [], "more": False}},
    ]


async def test_the_first_transaction_of_a_store_meets_nothing(app: ASGIApp) -> None:
    body = {"then": [put("a"), {"get": {"prefix": ""}}, {"delete": {"prefix": "b"}}]}
    assert (await txn(app, body)).json["results"] == [
        {"put": {}},
        {"get": {"items": [], "more": False}},
        {"delete": {"deleted": 0}},
    ]


@pytest.mark.parametrize(
    ("compare", "holds"),
    [
        ({"key": "a", "target": "exists"}, True),
        ({"key": "a", "target": "exists", "value": False}, False),
        ({"key": "a", "target": "exists", "op": "!=", "value": False}, True),
        ({"key": "none", "target": "exists"}, False),
        ({"key": "none", "target": "exists", "value": False}, True),
        ({"prefix": "a", "target": "exists", "value": False}, False),
        ({"prefix": "none", "target": "exists", "value": False}, True),
        ({"prefix": "a", "target": "exists", "op": "!="}, False),
        ({"key": "a", "target": "value", "value": 5}, True),
        ({"key": "a", "target": "value", "op": "!=", "value": 5}, False),
        ({"key": "a", "target": "value", "op": "<", "value": 5.5}, True),
        ({"key": "a", "target": "value", "op": ">", "value": "5"}, False),
        ({"key": "none", "target": "value", "value": None}, False),
        ({"key": "raw", "target": "value", "valueBase64": "iQ=="}, True),
        ({"key": "raw", "target": "value", "op": ">", "valueBase64": "iA=="}, True),
        ({"key": "a", "target": "version", "value": 1}, True),
        ({"key": "none", "target": "version", "value": 0}, True),
        ({"key": "a", "target": "createRevision", "value": 1}, True),
        ({"key": "a", "target": "modRevision", "op": "<", "value": 2}, True),
        ({"key": "leased", "target": "lease", "value": "worker"}, True),
        ({"key": "leased", "target": "lease", "op": "!=", "value": ""}, True),
        ({"key": "a", "target": "lease", "value": ""}, True),
        ({"prefix": "", "target": "modRevision", "op": "<", "value": 4}, True),
        ({"start": "a", "end": "b", "target": "version", "value": 1}, True),
        ({"start": "a", "target": "version", "op": ">", "value": 1}, False),
    ],
)
async def test_every_target_and_relation(
    app: ASGIApp, service: FakeService, compare: dict[str, Any], holds: bool
) -> None:
    await fill(app, a=5)
    service.append(LeaseGrant("grant", "worker", 60_000))
    await call(app, "PUT", b"/key/leased", body=b'{"value":1,"lease":"worker"}')
    headers = [(b"content-type", b"image/png")]
    await call(app, "PUT", b"/key/raw", headers=headers, body=b"\x89")
    reply = await txn(app, {"compare": [compare]})
    assert reply.status == 200, reply.body
    assert reply.json["succeeded"] is holds
    assert reply.json["results"] == []


async def test_a_lease_and_a_time_to_live(app: ASGIApp, service: FakeService) -> None:
    service.append(LeaseGrant("grant", "worker", 60_000))
    operations = [put("a", lease="worker"), put("b", ttlSeconds=2.5)]
    reply = await post(app, b"/batch", {"operations": operations})
    assert (reply.status, reply.json["changed"]) == (200, 2)
    a, b = service.machine.get(b"a"), service.machine.get(b"b")
    assert a is not None
    assert b is not None
    assert a.lease == "worker"
    assert service.lease(b.lease).ttl_ms == 2500
    gone = await post(app, b"/batch", {"operations": [put("c", lease="gone"), put("d")]})
    assert (gone.status, gone.json["type"]) == (404, "urn:kvorum:problem:lease-not-found")
    assert service.value(b"d") is None


async def test_a_batch_writes_all_at_one_revision(app: ASGIApp) -> None:
    await fill(app, a=1, b=2)
    operations = [put("c"), {"delete": {"prefix": "a"}}, {"delete": {"key": "none"}}]
    reply = await post(app, b"/batch", {"operations": operations})
    assert reply.json == {
        "isLeader": True,
        "leaderId": "Node-1",
        "requestId": "Node-1-3",
        "revision": 3,
        "changed": 2,
    }


async def test_what_changes_nothing_makes_no_revision(app: ASGIApp) -> None:
    await fill(app, a=1)
    reply = await post(app, b"/batch", {"operations": [{"delete": {"key": "none"}}]})
    assert (reply.json["revision"], reply.json["changed"]) == (1, 0)
    assert (await txn(app, {"then": [{"get": {"key": "a"}}]})).json["revision"] == 1


async def test_a_repeated_transaction_gets_its_first_outcome(app: ASGIApp) -> None:
    ident = (b"idempotency-key", b"once")
    body = {
        "compare": [{"key": "a", "target": "exists", "value": False}],
        "then": [put("a", 1), {"get": {"prefix": ""}}],
        "else": [put("a", 2)],
    }
    first = await txn(app, body, ident)
    await fill(app, a=3)
    assert (await txn(app, body, ident)) == first
    assert first.json["requestId"] == "once"


async def test_a_repeated_transaction_may_have_forgotten_what_it_read(
    app: ASGIApp, service: FakeService
) -> None:
    ident = (b"idempotency-key", b"once")
    body = {"then": [put("a", 1), {"get": {"key": "a"}}]}
    await fill(app, a=0)
    assert (await txn(app, body, ident)).json["results"]
    await fill(app, a=2)
    service.append(Compact("compact", 3))
    again = await txn(app, body, ident)
    assert (again.status, again.json["succeeded"], again.json["revision"]) == (200, True, 2)
    assert "results" not in again.json


async def test_an_error_names_the_request(app: ASGIApp, service: FakeService) -> None:
    ident = (b"idempotency-key", b"id")
    for failure, status in (
        (NoLeader("none"), 503),
        (OutcomeUnknown("no answer in time", request_id="id"), 504),
    ):
        service.failure = failure
        for path, body in (
            (b"/txn", {"then": [put("a")]}),
            (b"/batch", {"operations": [put("a")]}),
        ):
            reply = await post(app, path, body, ident)
            assert (reply.status, reply.json["requestId"]) == (status, "id")


async def test_a_full_store_takes_no_transaction_that_lets_it_grow(
    app: ASGIApp, service: FakeService
) -> None:
    service.quota_bytes = KEY_BYTES + 60
    assert (await txn(app, {"then": [put("a", "x" * 40)]})).status == 200
    full = await txn(app, {"then": [put("b", "x" * 40)]})
    assert (full.status, full.json["type"]) == (507, "urn:kvorum:problem:full")
    assert full.json["detail"].startswith("the store is full: 299 of 316 bytes are used")
    swap = {"then": [{"delete": {"key": "a"}}, put("b", "x" * 30)]}
    assert (await txn(app, swap)).status == 200


async def test_the_stores_own_key_is_nobodys(app: ASGIApp) -> None:
    for body in (
        {"then": [put("_executed")]},
        {"else": [{"delete": {"key": "_executed"}}]},
        {"compare": [{"key": "_executed", "target": "exists"}]},
    ):
        assert (await txn(app, body)).status == 403


# --- what is wrong ---------------------------------------------------------------------

DELETE_A = {"delete": {"key": "a"}}

WRONG: list[tuple[Any, str]] = [
    ({}, "the transaction is empty"),
    ([], "not an object"),
    ({"than": []}, "unknown 'than'"),
    ({"then": 5}, "then must be an array, not a whole number"),
    ({"then": [5]}, "then[0] must be an object, not a whole number"),
    ({"then": [{}]}, "then[0] must hold exactly one of put, delete and get"),
    ({"then": [put("a"), {"put": {}, "get": {}}]}, "then[1].put: the field 'key' is missing"),
    ({"else": [{**put("a"), **DELETE_A}]}, "else[0] must hold exactly one"),
    ({"then": [{"get": {"key": "a"}}, {"Put": {}}]}, "then[1]: there is no field 'Put' here"),
    ({"then": [put("a", color=1)]}, "then[0].put: there is no field 'color' here"),
    ({"then": [put("")]}, "then[0].put.key is empty"),
    ({"then": [{"put": {"key": "a"}}]}, "then[0].put has neither value nor valueBase64"),
    ({"then": [put("a", valueBase64="")]}, "then[0].put.value and then[0].put.valueBase64"),
    ({"then": [put("a"), put("b", ttlSeconds="x")]}, "then[1].put.ttlSeconds must be a number"),
    ({"then": [put("a", ttlSeconds=0.5)]}, "then[0].put.ttlSeconds must be 1 to 31536000"),
    ({"then": [put("a", lease="a b")]}, "then[0].put.lease"),
    ({"then": [put("a", lease="a", ttlSeconds=5)]}, "then[0].put.lease and then[0].put.ttl"),
    ({"then": [{"put": {"key": "a", "valueBase64": "?"}}]}, "then[0].put.valueBase64"),
    ({"then": [{"delete": {}}]}, "then[0].delete does not say which keys"),
    ({"then": [{"delete": {"key": ""}}]}, "then[0].delete.key is empty"),
    ({"then": [{"delete": {"key": "a", "prefix": "a"}}]}, "then[0].delete names its keys in sev"),
    ({"then": [{"delete": {"prefix": "a", "limit": 0}}]}, "then[0].delete.limit must be 1 to"),
    ({"then": [{"get": {"start": "b", "end": "a"}}]}, "then[0].get.start is not before"),
    ({"then": [{"get": {"key": "a", "limit": 10_001}}]}, "then[0].get.limit must be 1 to 10000"),
    ({"then": [{"get": {"key": "a", "limit": 1.5}}]}, "then[0].get.limit must be a whole number"),
    ({"then": [{"get": {"prefix": "a", "limit": 6000}}] * 2}, "then reads up to 12000 keys"),
    ({"then": [put("a"), put("b"), put("a")]}, "then[2] writes a key that then[0] writes"),
    ({"then": [{"delete": {"prefix": "a"}}, put("ab")]}, "then[1] writes a key that then[0]"),
    ({"then": [put("ab"), {"delete": {"prefix": "a"}}]}, "then[1] writes a key that then[0]"),
    ({"else": [{"delete": {"start": "b"}}, put("z")]}, "else[1] writes a key that else[0]"),
    ({"then": [{"delete": {"prefix": ""}}, put("")]}, "then[1].put.key is empty"),
    ({"then": [put(str(number)) for number in range(513)]}, "then has 513 items; at most 512"),
    ({"compare": [{}]}, "compare[0]: the field 'target' is missing"),
    ({"compare": [{"target": "exists"}]}, "compare[0] does not say which keys"),
    ({"compare": [{"key": "a", "target": "size", "value": 1}]}, "compare[0].target must be one"),
    ({"compare": [{"key": "a", "target": "value"}]}, "compare[0] has neither value nor value"),
    ({"compare": [{"key": "a", "target": "value", "op": "=="}]}, "compare[0].op must be one of"),
    ({"compare": [{"key": "a", "target": "version"}]}, "compare[0].value must be a whole number"),
    (
        {"compare": [{"key": "a", "target": "version", "value": -1}]},
        "compare[0].value must be a whole number",
    ),
    (
        {"compare": [{"key": "a", "target": "modRevision", "value": "1"}]},
        "compare[0].value must be a whole number",
    ),
    (
        {"compare": [{"key": "a", "target": "version", "valueBase64": "AA=="}]},
        "compare[0].value must be a whole number",
    ),
    ({"compare": [{"key": "a", "target": "lease", "value": 1}]}, "compare[0].value must be the id"),
    ({"compare": [{"key": "a", "target": "lease", "value": "?"}]}, "compare[0].value '?' is no id"),
    (
        {"compare": [{"key": "a", "target": "lease", "op": "<", "value": ""}]},
        "compare[0].op of target lease",
    ),
    ({"compare": [{"key": "a", "target": "exists", "value": 1}]}, "compare[0].value must be true"),
    ({"compare": [{"key": "a", "target": "exists", "op": "<"}]}, "compare[0].op of target exists"),
    ({"compare": [{"prefix": "a", "target": "exists"}]}, "of a range it can only be asked"),
    ({"compare": [{"key": "a", "target": "exists"}] * 513}, "compare has 513 items; at most 512"),
    (b'{"then":[', "ends too early"),
    (b'{"then":[{"put":{"key":"\xff","value":1}}]}', "not UTF-8"),
    (b'{"then":[{"put":{"key":"a","value":%b}}]}' % (b"[" * 5000), "nested deeper than 100"),
    (b'{"then":[{"put":{"key":"a","value":%b}}]}' % (b"[" * 101 + b"]" * 101), "nested deeper"),
]


@pytest.mark.parametrize(("body", "named"), WRONG, ids=lambda part: str(part)[:60])
async def test_a_wrong_field_is_named_by_its_place(
    app: ASGIApp, service: FakeService, body: Any, named: str
) -> None:
    reply = await txn(app, body)
    assert reply.status == 400
    assert named in reply.json["detail"]
    assert len(reply.json["detail"]) < 400
    assert service.machine.revision == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "missing 'operations'"),
        ({"operations": []}, "operations is empty"),
        ({"operations": [{"get": {"key": "a"}}]}, "operations[0].get: a batch only writes"),
        ({"operations": [put("a"), DELETE_A]}, "operations[1] writes a key that operations[0]"),
        ({"operations": [put("a", ttlSeconds=[])]}, "operations[0].put.ttlSeconds must be"),
        ({"operations": [put("a")], "then": []}, "unknown 'then'"),
    ],
)
async def test_a_wrong_batch_too(app: ASGIApp, body: Any, named: str) -> None:
    reply = await post(app, b"/batch", body)
    assert reply.status == 400
    assert named in reply.json["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"then": [put("k" * 65)]}, "then[0].put.key has 65 bytes"),
        ({"then": [{"get": {"prefix": "k" * 65}}]}, "then[0].get.prefix has 65 bytes"),
        ({"compare": [{"end": "k" * 65, "target": "exists"}]}, "compare[0].end has 65 bytes"),
        ({"then": [put("a"), put("k", "v" * 999)]}, "then[1].put.value has 1001 bytes"),
        (
            {"compare": [{"key": "a", "target": "value", "value": "v" * 999}]},
            "compare[0].value has 1001 bytes",
        ),
        (
            {"compare": [{"key": "a", "target": "value", "valueBase64": "AAAA" * 334}]},
            "compare[0].valueBase64 has 1002 bytes",
        ),
        (b" " * 1_100_000, "the body is larger than"),
    ],
)
async def test_what_is_too_large_is_named_by_its_place(app: ASGIApp, body: Any, named: str) -> None:
    reply = await txn(app, body)
    assert reply.status == 413
    assert named in reply.json["detail"]


async def test_the_limits_themselves_are_allowed(app: ASGIApp) -> None:
    body = {
        "compare": [{"key": "a", "target": "exists", "value": False}] * 512,
        "then": [put(str(number)) for number in range(512)],
        "else": [{"get": {"key": "a", "limit": 10_000}}],
    }
    assert (await txn(app, body)).status == 200


async def test_the_body_must_be_json(app: ASGIApp) -> None:
    for path in (b"/txn", b"/batch"):
        headers = [(b"content-type", b"text/plain")]
        reply = await call(app, "POST", path, headers=headers, body=b"{}")
        assert reply.status == 415
        assert (await call(app, "GET", path)).status == 405


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (b"/txn", {"then": [put("a"), {"get": {"key": "a"}}, DELETE_A]}, 400),
        (b"/txn", {"then": [put("a"), {"get": {"key": "a"}}, {"delete": {"key": "b"}}]}, 200),
        (b"/txn", {"then": [put("a", lease="gone")]}, 404),
        (b"/batch", {"operations": [put("a")]}, 200),
        (b"/batch", {"operations": [put("_executed")]}, 403),
        (b"/batch", b" " * 2_000_000, 413),
    ],
)
async def test_every_answer_is_documented(
    app: ASGIApp, path: bytes, body: Any, status: int
) -> None:
    reply = await post(app, path, body)
    assert reply.status == status
    documented = DOCUMENT["paths"][path.decode()]["post"]["responses"][str(status)]
    schema = documented["content"][reply.headers[b"content-type"].decode()]["schema"]
    described = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(described["required"]) <= set(reply.json) <= set(described["properties"])


@pytest.mark.parametrize("path", ["/txn", "/batch"])
async def test_the_documents_examples_work(app: ASGIApp, path: str) -> None:
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    await call(app, "PUT", b"/key/stock%2Fnuts", body=b'{"value":12}')
    reply = await post(app, path.encode(), content["example"])
    assert reply.status == 200
    assert reply.json.get("succeeded", True) is True
