"""Requests for ``/key/…`` and the statuses they get, tried on every way into the app."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from kvorum.errors import NoLeader, OutcomeUnknown, Overloaded
from tests.unit.rest.asgi import JSON
from tests.unit.rest.fake_service import FakeService

Prepare = Callable[[FakeService], None]


def _nothing(_: FakeService) -> None:
    pass


def _failing(error: Exception) -> Prepare:
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
    prepare: Prepare = _nothing

    @property
    def name(self) -> str:
        shown = self.body if isinstance(self.body, bytes) else b"|".join(self.body)
        return f"{self.method} {self.target[:40]!r} {shown[:40]!r} {self.status}"


_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_ASYNC = (b"prefer", b"respond-async")
_VALUE = b'{"value":1}'

CASES = (
    Case("GET", b"/key/colour", 200),
    Case("HEAD", b"/key/colour", 200),
    Case("GET", b"/key/colour?consistency=stale", 200),
    Case("GET", b"/key/colour?consistency=linearizable&other=1", 200),
    Case("GET", b"/key/colour?consistency=strong", 400),
    Case("GET", b"/key/colour?consistency=", 400),
    Case("GET", b"/key/missing", 404),
    Case("GET", b"/key/missing?consistency=stale", 404),
    Case("GET", b"/key/_executed", 403),
    Case("GET", b"/key/%5Fexecuted", 403),
    Case("GET", b"/key/colour", 503, prepare=_failing(NoLeader("none"))),
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
    Case("PUT", b"/key/new", 415, _VALUE, (_FORM,)),
    Case("PUT", b"/key/new", 415, _VALUE, (JSON, (b"content-encoding", b"gzip"))),
    Case("PUT", b"/key/new", 200, b'{"value":"' + b"v" * 998 + b'"}'),
    Case("PUT", b"/key/new", 413, b'{"value":"' + b"v" * 999 + b'"}'),
    Case("PUT", b"/key/new", 413, b" " * 10_000),
    Case("PUT", b"/key/new", 413, [b" " * 3000] * 4),
    Case("PUT", b"/key/_executed", 403, _VALUE),
    Case("PUT", b"/key/new", 202, _VALUE, (JSON, _ASYNC), _holding),
    Case("PUT", b"/key/new", 200, _VALUE, (JSON, (b"idempotency-key", b'"id-1"'))),
    Case("PUT", b"/key/new", 400, _VALUE, (JSON, (b"idempotency-key", b"a b"))),
    Case("PUT", b"/key/new", 429, _VALUE, prepare=_failing(Overloaded("full"))),
    Case("PUT", b"/key/new", 503, _VALUE, prepare=_failing(NoLeader("none", retry_after_s=1.2))),
    Case(
        "PUT",
        b"/key/new",
        504,
        _VALUE,
        prepare=_failing(OutcomeUnknown("no answer in time", request_id="Node-1-1")),
    ),
    Case("PUT", b"/key/new", 500, _VALUE, prepare=_failing(RuntimeError("secret"))),
    Case("PATCH", b"/key/colour", 200, b'{"oldValue":"green","newValue":{"a":[1]}}'),
    Case("PATCH", b"/key/colour", 409, b'{"oldValue":"red","newValue":1}'),
    Case("PATCH", b"/key/missing", 404, b'{"oldValue":1,"newValue":1}'),
    Case("PATCH", b"/key/colour", 400, b'{"oldValue":1}'),
    Case("DELETE", b"/key/colour", 200),
    Case("DELETE", b"/key/missing", 404),
    Case("DELETE", b"/key/_executed", 403),
    Case("OPTIONS", b"/key/colour", 204),
)
