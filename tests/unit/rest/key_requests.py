"""Requests for ``/key/…`` and the statuses they get, tried on every way into the app."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from kvorum.errors import NoLeader, OutcomeUnknown, Overloaded
from tests.unit.rest.asgi import JSON
from tests.unit.rest.fake_service import FakeService

Prepare = Callable[[FakeService], None]


def nothing(_: FakeService) -> None:
    pass


def failing(error: Exception) -> Prepare:
    return lambda service: setattr(service, "failure", error)


def _holding(service: FakeService) -> None:
    service.held = []


class Case(Struct, frozen=True):
    """One request to a store in which ``colour`` is ``"green"``."""

    method: str
    target: bytes
    status: int
    body: bytes | Sequence[bytes] = b""
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)
    prepare: Prepare = nothing

    @property
    def name(self) -> str:
        shown = self.body if isinstance(self.body, bytes) else b"|".join(self.body)
        return f"{self.method} {self.target[:40]!r} {shown[:40]!r} {self.status}"


_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_ASYNC = (b"prefer", b"respond-async")
_VALUE = b'{"value":1}'
_PNG = (b"content-type", b"image/png")
_BYTES = (b"accept", b"application/octet-stream")
_IF_1 = (b"if-match", b'"1"')
_IF_7 = (b"if-match", b'"7"')
_IF_ANY = (b"if-match", b"*")
_IF_NONE = (b"if-none-match", b"*")
_SWAP = b'{"oldValue":"green","newValue":1}'

CASES = (
    Case("GET", b"/key/colour", 200),
    Case("HEAD", b"/key/colour", 200),
    Case("GET", b"/key/colour?consistency=stale", 200),
    Case("GET", b"/key/colour?consistency=linearizable&other=1", 400),
    Case("GET", b"/key/colour?consistency=strong", 400),
    Case("GET", b"/key/colour?consistency=", 400),
    Case("GET", b"/key/missing", 404),
    Case("GET", b"/key/missing?consistency=stale", 404),
    Case("GET", b"/key/_executed", 403),
    Case("GET", b"/key/%5Fexecuted", 403),
    Case("GET", b"/key/colour", 503, prepare=failing(NoLeader("none"))),
    Case("GET", b"/key/colour", 202, headers=(_ASYNC,), prepare=_holding),
    Case("POST", b"/key/new", 200, _VALUE),
    Case("PUT", b"/key/new", 200, _VALUE),
    Case("PUT", b"/key/new", 200, _VALUE, ()),
    Case("PUT", b"/key/a//b/", 200, _VALUE),
    Case("PUT", b"/key//", 200, _VALUE),
    Case("PUT", b"/key/%2F", 200, _VALUE),
    Case("PUT", b"/key/..", 200, _VALUE),
    Case("PUT", b"/key/a%20b%00%0A", 200, _VALUE),
    Case("PUT", "/key/ключ".encode(), 200, _VALUE),
    Case("PUT", b"/key/new", 200, [b'{"val', b'ue":', b"1}"]),
    Case("PUT", b"/key/", 400, _VALUE),
    Case("PUT", b"/key/%FF", 400, _VALUE),
    Case("PUT", b"/key/%ED%A0%80", 400, _VALUE),
    Case("PUT", b"/key/100%", 400, _VALUE),
    Case("PUT", b"/key/" + b"k" * 64, 200, _VALUE),
    Case("PUT", b"/key/" + b"k" * 65, 413, _VALUE),
    Case("PUT", b"/key/new", 400, b""),
    Case("PUT", b"/key/new", 400, b'{"value":'),
    Case("PUT", b"/key/new", 400, b'{"value":1,"extra":2}'),
    Case("PUT", b"/key/new", 400, b'{"extra":1}":1}'),
    Case("PUT", b"/key/new", 415, _VALUE, (_FORM,)),
    Case("PUT", b"/key/new", 415, _VALUE, (JSON, (b"content-encoding", b"gzip"))),
    Case("PUT", b"/key/new", 200, b'{"value":"' + b"v" * 998 + b'"}'),
    Case("PUT", b"/key/new", 413, b'{"value":"' + b"v" * 999 + b'"}'),
    Case("PUT", b"/key/new", 413, b" " * 10_000),
    Case("PUT", b"/key/new", 413, [b" " * 3000] * 4),
    Case("PUT", b"/key/new", 413, _VALUE + b" " * 6000),
    Case("PATCH", b"/key/colour", 413, _SWAP + b" " * 7000),
    Case("PUT", b"/key/_executed", 403, _VALUE),
    Case("PUT", b"/key/new", 202, _VALUE, (JSON, _ASYNC), _holding),
    Case("PUT", b"/key/new", 200, _VALUE, (JSON, (b"idempotency-key", b'"id-1"'))),
    Case("PUT", b"/key/new", 400, _VALUE, (JSON, (b"idempotency-key", b"a b"))),
    Case("PUT", b"/key/new", 429, _VALUE, prepare=failing(Overloaded("full"))),
    Case("PUT", b"/key/new", 503, _VALUE, prepare=failing(NoLeader("none", retry_after_s=1.2))),
    Case(
        "PUT",
        b"/key/new",
        504,
        _VALUE,
        prepare=failing(OutcomeUnknown("no answer in time", request_id="Node-1-1")),
    ),
    Case("PUT", b"/key/new", 500, _VALUE, prepare=failing(RuntimeError("secret"))),
    Case("PATCH", b"/key/colour", 200, b'{"oldValue":"green","newValue":{"a":[1]}}'),
    Case("PATCH", b"/key/colour", 409, b'{"oldValue":"red","newValue":1}'),
    Case("PATCH", b"/key/missing", 404, b'{"oldValue":1,"newValue":1}'),
    Case("PATCH", b"/key/colour", 400, b'{"oldValue":1}'),
    Case("DELETE", b"/key/colour", 200),
    Case("DELETE", b"/key/missing", 404),
    Case("DELETE", b"/key/_executed", 403),
    Case("OPTIONS", b"/key/colour", 204),
    Case("GET", b"/key/colour", 200, headers=(_BYTES,)),
    Case("GET", b"/key/missing", 404, headers=(_BYTES,)),
    Case("HEAD", b"/key/colour", 200, headers=(_BYTES,)),
    Case("GET", b"/key/colour", 304, headers=((b"if-none-match", b'"1"'),)),
    Case("GET", b"/key/colour", 304, headers=(_IF_NONE,)),
    Case("GET", b"/key/colour", 200, headers=((b"if-none-match", b'"2"'),)),
    Case("GET", b"/key/missing", 404, headers=(_IF_NONE,)),
    Case("GET", b"/key/colour?revision=1", 200),
    Case("GET", b"/key/missing?revision=1", 404),
    Case("GET", b"/key/colour?revision=1&consistency=stale", 200),
    Case("GET", b"/key/colour?revision=2", 400),
    Case("GET", b"/key/colour?revision=0", 400),
    Case("GET", b"/key/colour?revision=x", 400),
    Case("GET", b"/key/colour?previous=true", 400),
    Case("GET", b"/key/_executed?revision=1", 403),
    Case("PUT", b"/key/logo", 200, b"\x89PNG", (_PNG,)),
    Case("PUT", b"/key/logo", 200, b"", (_PNG,)),
    Case("PUT", b"/key/logo", 413, b"x" * 1001, (_PNG,)),
    Case("PUT", b"/key/logo", 200, b"x" * 1000, (_PNG,)),
    Case("PUT", b"/key/logo", 415, b"x", (_PNG, (b"content-encoding", b"gzip"))),
    Case("PUT", b"/key/logo", 400, b"x", ((b"content-type", b"png"),)),
    Case("POST", b"/key/logo", 415, b"x", (_PNG,)),
    Case("PATCH", b"/key/logo", 415, b"x", (_PNG,)),
    Case("PUT", b"/key/new", 415, b"x", ((b"content-type", b"multipart/form-data; boundary=x"),)),
    Case("PUT", b"/key/new", 200, b'{"valueBase64":"iVBO","contentType":"image/png"}'),
    Case("PUT", b"/key/new", 400, b'{"valueBase64":"iVB"}'),
    Case("PUT", b"/key/new", 400, b'{"value":1,"valueBase64":"iVBO"}'),
    Case("PUT", b"/key/new", 404, b'{"value":1,"lease":"none"}'),
    Case("PUT", b"/key/new", 400, b'{"value":1,"lease":"a b"}'),
    Case("PUT", b"/key/new", 200, b'{"value":1,"ttlSeconds":1.5}'),
    Case("PUT", b"/key/new", 400, b'{"value":1,"ttlSeconds":0.5}'),
    Case("PUT", b"/key/new?ttlSeconds=60", 200, b"x", (_PNG,)),
    Case("PUT", b"/key/new?lease=none", 404, b"x", (_PNG,)),
    Case("PUT", b"/key/new?ttlSeconds=1e3", 400, b"x", (_PNG,)),
    Case("PUT", b"/key/new?ttlSeconds=60", 400, b'{"value":1,"ttlSeconds":60}'),
    Case("PUT", b"/key/colour?previous=true", 200, _VALUE),
    Case("PUT", b"/key/new?previous=true", 200, _VALUE),
    Case("PUT", b"/key/new?previous=maybe", 400, _VALUE),
    Case("PUT", b"/key/new?revision=1", 400, _VALUE),
    Case("PUT", b"/key/colour", 200, _VALUE, (JSON, _IF_1)),
    Case("PUT", b"/key/colour", 200, _VALUE, (JSON, _IF_ANY)),
    Case("PUT", b"/key/colour", 412, _VALUE, (JSON, _IF_7)),
    Case("PUT", b"/key/colour", 412, _VALUE, (JSON, _IF_NONE)),
    Case("POST", b"/key/new", 200, _VALUE, (JSON, _IF_NONE)),
    Case("POST", b"/key/new", 412, _VALUE, (JSON, _IF_ANY)),
    Case("PUT", b"/key/colour", 400, _VALUE, (JSON, (b"if-match", b'"abc"'))),
    Case("PUT", b"/key/colour", 400, _VALUE, (JSON, (b"if-match", b'W/"1"'))),
    Case("PUT", b"/key/colour", 202, _VALUE, (JSON, _IF_1, _ASYNC), _holding),
    Case("PATCH", b"/key/colour", 200, _SWAP, (JSON, _IF_1)),
    Case("PATCH", b"/key/colour", 412, _SWAP, (JSON, _IF_7)),
    Case("PATCH", b"/key/colour", 409, b'{"oldValue":1,"newValue":1}', (JSON, _IF_1)),
    Case("PATCH", b"/key/missing", 412, _SWAP, (JSON, _IF_ANY)),
    Case("PATCH", b"/key/missing", 412, _SWAP, (JSON, _IF_1)),
    Case("PATCH", b"/key/missing", 400, _SWAP, (JSON, _IF_NONE)),
    Case("PATCH", b"/key/colour", 200, _SWAP, (JSON, _IF_ANY)),
    Case("PATCH", b"/key/colour?lease=a", 400, _SWAP),
    Case("PATCH", b"/key/colour?previous=true", 200, _SWAP),
    Case("DELETE", b"/key/colour", 200, headers=(_IF_1,)),
    Case("DELETE", b"/key/colour", 412, headers=(_IF_7,)),
    Case("DELETE", b"/key/missing", 412, headers=(_IF_1,)),
    Case("DELETE", b"/key/missing", 404, headers=(_IF_NONE,)),
    Case("DELETE", b"/key/colour?previous=true", 200),
    Case("DELETE", b"/key/_executed", 403, headers=(_IF_1,)),
    Case("DELETE", b"/key/colour", 400, headers=((b"if-match", b'"1", "2"'),)),
)
