"""A sampled request's span: its name, what it tells, what it must not tell, and its end."""

import pytest
from litestar.types import Receive, Scope, Send

from kvorum.rest.tracing import TracedApp
from tests.support.recorded_spans import Recorded, RecordedSpans
from tests.unit.rest.asgi import call


class App:
    """Answers with ``status``, and notes the span that is current meanwhile."""

    def __init__(self, spans: RecordedSpans, status: int = 200, *, is_stream: bool = False) -> None:
        self._spans = spans
        self._status = status
        self._headers = [] if is_stream else [(b"content-length", b"0")]
        self.calls = 0
        self.current: object = None
        self.open_after_start = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        self.current = self._spans.request
        await send(
            {"type": "http.response.start", "status": self._status, "headers": self._headers}
        )
        self.open_after_start = bool(self._spans.open)
        self._spans.time_ns = 7
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def span_of(method: str, target: bytes, status: int = 200) -> Recorded:
    spans = RecordedSpans()
    spans.time_ns = 5
    await call(TracedApp(App(spans, status), spans), method, target)
    [span] = spans.made
    return span


async def test_it_is_called_by_method_and_route() -> None:
    span = await span_of("PUT", b"/key/some%20secret?previous")
    assert span.name == "PUT /key/{key}"
    assert span.attributes == {
        "http.request.method": "PUT",
        "http.route": "/key/{key}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "localhost",
        "server.port": 8081,
    }
    assert (span.start_ns, span.end_ns, span.error) == (5, 7, "")
    assert "secret" not in repr(span.attributes)


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", b"/keys?prefix=a", "GET /keys"),
        ("POST", b"/locks/secret", "POST /locks/{name}"),
        ("GET", b"/watch?prefix=secret", "GET /watch"),
        ("GET", b"/elections/secret/observe", "GET /elections/{name}/observe"),
        ("GET", b"/nowhere", "GET"),
        ("BREW", b"/nowhere", "HTTP"),
        ("BREW", b"/key/a", "HTTP /key/{key}"),
    ],
)
async def test_names_are_few(method: str, target: bytes, name: str) -> None:
    assert (await span_of(method, target)).name == name


async def test_an_unknown_method_is_not_told() -> None:
    span = await span_of("BREW", b"/key/a")
    assert span.attributes["http.request.method"] == "_OTHER"


@pytest.mark.parametrize(("status", "error"), [(200, ""), (404, ""), (429, ""), (503, "503")])
async def test_only_failures_of_the_node_are_errors(status: int, error: str) -> None:
    span = await span_of("GET", b"/key/a", status)
    assert span.attributes["http.response.status_code"] == status
    assert span.error == error


@pytest.mark.parametrize(
    "path", [b"/livez", b"/readyz", b"/metrics", b"/", b"/swagger", b"/swagger/index.html"]
)
async def test_probes_and_pages_are_not_traced(path: bytes) -> None:
    spans = RecordedSpans()
    app = App(spans)
    await call(TracedApp(app, spans), "GET", path)
    assert app.calls == 1
    assert not spans.made


async def test_what_is_not_sampled_is_passed_on() -> None:
    spans = RecordedSpans()
    spans.admits = False
    app = App(spans)
    reply = await call(TracedApp(app, spans), "GET", b"/key/a")
    assert (reply.status, app.calls, spans.made) == (200, 1, [])


async def test_it_is_current_while_the_request_is_handled() -> None:
    spans = RecordedSpans()
    app = App(spans)
    await call(TracedApp(app, spans), "GET", b"/key/a")
    assert app.current is spans.made[0]
    assert app.open_after_start
    assert spans.request is None


async def test_a_stream_is_over_once_it_is_open() -> None:
    spans = RecordedSpans()
    app = App(spans, is_stream=True)
    await call(TracedApp(app, spans), "GET", b"/watch")
    assert not app.open_after_start
    assert spans.made[0].end_ns == 0


async def test_an_exception_ends_it_too() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("secret")

    spans = RecordedSpans()
    with pytest.raises(LookupError):
        await call(TracedApp(broken, spans), "GET", b"/key/a")
    [span] = spans.made
    assert (span.error, span.end_ns) == ("LookupError", 0)
    assert "secret" not in repr(span.attributes)


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        (b"kvorum.example:80", "kvorum.example", 80),
        (b"[::1]:8081", "::1", 8081),
        (b"kvorum", "kvorum", None),
        (b"kvorum:port", "127.0.0.1", 8081),
        (b"[::1", "127.0.0.1", 8081),
    ],
)
async def test_the_server_is_told_as_the_client_named_it(
    host: bytes, address: str, port: int | None
) -> None:
    spans = RecordedSpans()
    app = TracedApp(App(spans), spans)

    async def rehosted(scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"] = [(b"host", host)]
        await app(scope, receive, send)

    await call(rehosted, "GET", b"/key/a")
    [span] = spans.made
    assert span.attributes["server.address"] == address
    assert span.attributes.get("server.port") == port
