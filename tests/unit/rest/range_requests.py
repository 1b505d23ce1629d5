"""Requests for several keys and the statuses they get, tried on every way into the app."""

import msgspec

from kvorum.errors import NoLeader, OutcomeUnknown, Overloaded
from kvorum.mvcc.command import Put
from tests.unit.rest.asgi import JSON
from tests.unit.rest.fake_service import FakeService
from tests.unit.rest.key_requests import Case, Prepare, failing, nothing

_EXISTS = {"key": "colour", "target": "exists"}
_ID = (b"idempotency-key", b'"id-1"')


def _full(service: FakeService) -> None:
    service.quota_bytes = 1


def _many(service: FakeService) -> None:
    service.append(*(Put(f"k{number}", b"k%d" % number, b"1") for number in range(3)))


def _body(body: object) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def _put(key: str = "new", value: object = 1, **more: object) -> dict[str, object]:
    return {"put": {"key": key, "value": value, **more}}


def _txn(
    status: int, body: object, *headers: tuple[bytes, bytes], prepare: Prepare = nothing
) -> Case:
    return Case("POST", b"/txn", status, _body(body), (JSON, *headers), prepare)


def _batch(status: int, *operations: object, prepare: Prepare = nothing) -> Case:
    return Case("POST", b"/batch", status, _body({"operations": operations}), prepare=prepare)


def _keys(status: int, query: bytes = b"", prepare: Prepare = nothing) -> Case:
    return Case("GET", b"/keys" + query, status, headers=(), prepare=prepare)


_UNKNOWN = OutcomeUnknown("no answer in time", request_id="Node-1-1")
_WRITES = (_put(), _put("colour", {"a": [1]}), {"get": {"key": "colour"}})
_ELSE = {"compare": [{**_EXISTS, "value": False}], "then": [_put()], "else": list(_WRITES)}

PLAIN = (
    _txn(200, {"compare": [_EXISTS], "then": list(_WRITES)}),
    _txn(200, _ELSE),
    _txn(200, {"then": [{"delete": {"key": "colour"}}, {"delete": {"key": "none"}}]}),
    _txn(200, {"then": [{"get": {"key": "none"}}, {"get": {"key": "colour", "limit": 5}}]}),
    _txn(200, {"then": [{"put": {"key": "é\n", "valueBase64": "iQ==", "contentType": "a/b"}}]}),
    _txn(200, {"then": [_put(ttlSeconds=5)]}),
    _txn(200, {"compare": [_EXISTS]}),
    _txn(404, {"then": [_put(lease="none")]}),
    _txn(507, {"then": [_put()]}, prepare=_full),
    _txn(403, {"then": [_put("_executed")]}),
    _txn(403, {"compare": [{"key": "_executed", "target": "exists"}]}),
    _txn(503, {"then": [_put()]}, prepare=failing(NoLeader("none", retry_after_s=1.2))),
    _txn(504, {"then": [_put()]}, prepare=failing(_UNKNOWN)),
    _txn(429, {"then": [_put()]}, prepare=failing(Overloaded("full"))),
    _txn(500, {"then": [_put()]}, prepare=failing(RuntimeError("secret"))),
    _batch(200, _put(), _put("colour")),
    _batch(200, _put(), {"delete": {"prefix": "col"}}),
    _batch(404, _put(lease="none")),
    _batch(507, _put(), prepare=_full),
    _batch(503, _put(), prepare=failing(NoLeader("none"))),
    _keys(200),
    _keys(200, b"?"),
    _keys(200, b"?prefix=%63ol"),
    _keys(200, b"?start=a&end=k2&limit=2", prepare=_many),
    _keys(200, b"?reverse&keysOnly=true&limit=1000", prepare=_many),
    _keys(200, b"?revision=1", prepare=_many),
    _keys(200, b"?consistency=stale"),
    _keys(400, b"?revision=9"),
    _keys(503, prepare=failing(NoLeader("none"))),
    _keys(500, prepare=failing(RuntimeError("secret"))),
)
"""These ask for nothing special."""

SPECIAL = (
    _txn(200, {"then": [{"get": {"prefix": "c"}}]}),
    _txn(200, {"else": [], "then": [{"delete": {"start": "a", "end": "d"}}]}),
    _txn(200, {"then": [_put()]}, _ID),
    _txn(400, {"then": [_put()]}, (b"idempotency-key", b"a b")),
    _txn(400, {}),
    _txn(400, b""),
    _txn(400, b'{"then":['),
    _txn(400, {"then": [_put(), _put()]}),
    _txn(413, {"then": [_put(value="v" * 1000)]}),
    _txn(413, b" " * (1 << 20) + b" " * 3000),
    Case("POST", b"/txn", 415, b"{}", ((b"content-type", b"text/plain"),)),
    Case("POST", b"/txn?a=1", 200, _body({"compare": [_EXISTS]})),
    _batch(400),
    _batch(400, {"get": {"key": "colour"}}),
    _keys(200, b"?countOnly"),
    _keys(200, b"?limit=1001"),
    _keys(400, b"?limit=0"),
    _keys(400, b"?limits=1"),
    _keys(400, b"?cursor=x"),
    Case("GET", b"/keys", 200, b"{}", ()),
    Case("DELETE", b"/keys?prefix=c", 200, headers=()),
    Case("DELETE", b"/keys", 400, headers=()),
)
"""These go the general way."""
