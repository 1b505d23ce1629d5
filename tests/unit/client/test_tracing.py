"""One span a call, and what is in it."""

import sys
from subprocess import run
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from kvorum.client.errors import DeadlineExceeded, NotFound
from tests.unit.client.scripted import (
    Handler,
    entered,
    first_of,
    frame,
    make_client,
    refusal,
    settled,
    streamed,
    written,
)


class Traced:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def client(self, kind: str, handler: Handler, **options: Any) -> Any:
        return make_client(kind, handler, tracer_provider=self.provider, **options)

    def span(self) -> ReadableSpan:
        (span,) = self._exporter.get_finished_spans()
        return span


@pytest.fixture
def traced() -> Traced:
    return Traced()


async def test_a_call_is_one_span_whatever_it_took(kind: str, traced: Traced) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        return refusal(503, "no-leader") if request.url.host == "a" else written()

    async with entered(traced.client(kind, node)) as client:
        await settled(client.put("secret-key", "secret-value"))
    span = traced.span()
    assert (span.name, span.kind) == ("put", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "db.system.name": "kvorum",
        "db.operation.name": "put",
        "server.address": "b",
        "server.port": 2,
    }
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("problem", "error", "error_type"),
    [
        ((404, "key-not-found"), NotFound, "key-not-found"),
        ((503, "no-leader"), DeadlineExceeded, ""),
    ],
)
async def test_a_failure_is_told_by_its_kind_alone(
    kind: str, traced: Traced, problem: tuple[int, str], error: type[Exception], error_type: str
) -> None:
    def node(_: httpx.Request) -> httpx.Response:
        return refusal(*problem, "about secret-key")

    async with entered(traced.client(kind, node, timeout_s=0.1)) as client:
        with pytest.raises(error) as caught:
            await settled(client.get("secret-key"))
    span = traced.span()
    # Unavailable, unless the machine stood still and the last attempt had no time left.
    assert (span.attributes or {})["error.type"] == (error_type or type(caught.value).__name__)
    assert span.status.status_code is StatusCode.ERROR
    assert "secret" not in span.to_json()


async def test_opening_a_watch_is_a_span(kind: str, traced: Traced) -> None:
    opened = frame("opened", last_id=1, revision=1)
    change = frame("change", last_id=2, revision=2, events=[])
    async with (
        entered(traced.client(kind, lambda _: streamed(opened, change))) as client,
        entered(client.watch("secret-key")) as watch,
    ):
        assert (await first_of(watch)).revision == 2
    assert traced.span().name == "watch"


async def test_a_node_is_told_of_the_callers_span(kind: str, traced: Traced) -> None:
    told: list[httpx.Headers] = []

    def node(request: httpx.Request) -> httpx.Response:
        told.append(request.headers)
        return written()

    tracer = traced.provider.get_tracer("caller")
    async with entered(make_client(kind, node)) as client:
        await settled(client.put("a", 1))
        with tracer.start_as_current_span("caller") as span:
            await settled(client.put("a", 1))
    context = span.get_span_context()
    assert "traceparent" not in told[0]
    assert told[1]["traceparent"].startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")


async def test_a_node_is_told_of_the_calls_own_span(kind: str, traced: Traced) -> None:
    told: list[str] = []

    def node(request: httpx.Request) -> httpx.Response:
        told.append(request.headers["traceparent"])
        return written()

    async with entered(traced.client(kind, node)) as client:
        await settled(client.put("a", 1))
    context = traced.span().context
    assert context
    assert told[0].startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")


async def test_a_watch_tells_too(kind: str, traced: Traced) -> None:
    told: list[httpx.Headers] = []

    def node(request: httpx.Request) -> httpx.Response:
        told.append(request.headers)
        return streamed(frame("opened", last_id=1, revision=1))

    async with entered(traced.client(kind, node)) as client, entered(client.watch("a")):
        pass
    assert told
    assert all("traceparent" in headers for headers in told)


def test_without_a_provider_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; from kvorum.client import Client; Client('a:1').close(); "
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0
