"""Traces by OpenTelemetry: loaded only if tracing is on (see :mod:`kvorum.app.tracing`).

Nothing global is set: every node of a process has a provider of its own.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from time import time_ns
from typing import Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kvorum.telemetry.span_queue import SpanCounts, SpanQueue
from kvorum.telemetry.spans import Attributes, Headers, Kind, Span, SpanContext
from kvorum.telemetry.tracing_options import TracingOptions

STOP_S = 1.0
"""What is left may take so long to be sent when the node stops."""

_KINDS = {
    Kind.INTERNAL: trace.SpanKind.INTERNAL,
    Kind.SERVER: trace.SpanKind.SERVER,
    Kind.CLIENT: trace.SpanKind.CLIENT,
}
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
_ERROR = trace.Status(trace.StatusCode.ERROR)
_LOW_BITS = (1 << 64) - 1
"""Of a trace id, which decide in a sampler by ratio."""
_NO_PARENT: Final = Context()
_W3C = TraceContextTextMapPropagator()
_EXPORTER_LOGGER = "opentelemetry.exporter.otlp.proto.grpc.exporter"


class OtelSpan:
    """One of the SDK's spans; implements :class:`~kvorum.telemetry.spans.Span`."""

    __slots__ = ("context", "span")

    def __init__(self, span: trace.Span) -> None:
        self.span = span
        found = span.get_span_context()
        self.context = SpanContext(found.trace_id, found.span_id)

    def set(self, name: str, value: str | int) -> None:
        if self.span.is_recording():
            self.span.set_attribute(name, value)

    def link(self, context: SpanContext) -> None:
        if self.span.is_recording():
            self.span.add_link(_otel_context(context))

    def fail(self, error: str) -> None:
        if self.span.is_recording():
            self.span.set_attribute("error.type", error)
            self.span.set_status(_ERROR)

    def end(self, at_ns: int, error: str = "") -> None:
        if not self.span.is_recording():
            return
        if error:
            self.fail(error)
        self.span.end(at_ns)


class _Ids(RandomIdGenerator):
    """A trace's id is drawn before its first span, so that most requests cost only that."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._drawn = 0

    def draw(self) -> int:
        return self._random.getrandbits(128)

    def use(self, trace_id: int) -> None:
        """For the next span without a parent."""
        self._drawn = trace_id

    def generate_trace_id(self) -> int:
        drawn, self._drawn = self._drawn, 0
        return drawn or super().generate_trace_id()


class _Admission:
    """A request that is to be sampled: under its own context, or under a new trace id."""

    __slots__ = ("_parent", "_tracing", "trace_id")

    def __init__(self, tracing: "Tracing", parent: Context, trace_id: int = 0) -> None:
        self._tracing = tracing
        self._parent = parent
        self.trace_id = trace_id

    def start(self, name: str, attributes: Attributes) -> Span:
        return self._tracing.start_request(name, self._parent, self.trace_id, attributes)


class Tracing:
    """Implements :class:`~kvorum.telemetry.spans.Spans` and ``RequestSpans``."""

    def __init__(
        self,
        options: TracingOptions,
        exporter: SpanExporter | None = None,
        *,
        random: Random | None = None,
    ) -> None:
        """``exporter``: by default OTLP over gRPC to the endpoint of ``options``."""
        self.counts = SpanCounts()
        self._queue = SpanQueue(exporter or otlp_exporter(options.endpoint), self.counts)
        self._sampler = sampler_of(options)
        self._bound = _bound_of(options)
        self._ids = _Ids(random or Random())  # noqa: S311 - ids, not secrets
        provider = TracerProvider(
            sampler=self._sampler,
            resource=_resource_of(options),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        provider.add_span_processor(self._queue)
        self._tracer = provider.get_tracer("kvorum", options.service_version)

    def close(self) -> None:
        """Send what waits, for at most :data:`STOP_S`."""
        self._queue.close(STOP_S)

    # --- spans of a node ---------------------------------------------------------------

    def now_ns(self) -> int:
        return time_ns()

    def current(self) -> Span | None:
        """That of the request which the caller works for, if it is sampled."""
        span = trace.get_current_span()
        return OtelSpan(span) if span.is_recording() else None

    def accepts(self, context: SpanContext) -> bool:
        """As the sampler decides about a parent in another process."""
        parent = _as_parent(context, is_remote=True)
        return self._samples(parent, context.trace_id)

    def start(
        self,
        name: str,
        parent: SpanContext,
        at_ns: int,
        *,
        kind: Kind = Kind.INTERNAL,
        links: Sequence[SpanContext] = (),
        attributes: Attributes | None = None,
    ) -> Span:
        return OtelSpan(
            self._tracer.start_span(
                name,
                _as_parent(parent, is_remote=kind is Kind.SERVER),
                _KINDS[kind],
                attributes,
                [trace.Link(_otel_context(link)) for link in links],
                at_ns,
            )
        )

    # --- spans of requests -------------------------------------------------------------

    def admit(self, headers: Headers) -> _Admission | None:
        """By the request's own W3C context, or else by a new trace id."""
        for name, _ in headers:
            if name == b"traceparent":
                parent = _extract(headers)
                if parent is not None:
                    sampled = self._samples(parent, _context_in(parent).trace_id)
                    return _Admission(self, parent) if sampled else None
                break
        trace_id = self._ids.draw()
        if trace_id & _LOW_BITS >= self._bound:
            return None
        return _Admission(self, _NO_PARENT, trace_id)

    def _samples(self, parent: Context, trace_id: int) -> bool:
        result = self._sampler.should_sample(parent, trace_id, "")
        return result.decision is Decision.RECORD_AND_SAMPLE

    def start_request(
        self, name: str, parent: Context, trace_id: int, attributes: Attributes
    ) -> Span:
        """The first span of this node; a new trace gets ``trace_id``."""
        self._ids.use(trace_id)
        return OtelSpan(self._tracer.start_span(name, parent, trace.SpanKind.SERVER, attributes))

    @contextmanager
    def activate(self, span: Span) -> Iterator[None]:
        """Makes it the current one meanwhile."""
        assert isinstance(span, OtelSpan), "made by this class"
        token = context_api.attach(trace.set_span_in_context(span.span))
        try:
            yield
        finally:
            context_api.detach(token)


def otlp_exporter(endpoint: str) -> SpanExporter:
    """Headers, certificates and timeout are those of the other OTEL_EXPORTER_OTLP variables."""
    logging.getLogger(_EXPORTER_LOGGER).setLevel(logging.CRITICAL)  # SpanQueue tells it, once
    return OTLPSpanExporter(endpoint=endpoint)


def sampler_of(options: TracingOptions) -> Sampler:
    """By its name in OTEL_TRACES_SAMPLER."""
    name = options.sampler.removeprefix("parentbased_")
    root: Sampler = {"always_on": ALWAYS_ON, "always_off": ALWAYS_OFF}.get(
        name, TraceIdRatioBased(options.ratio)
    )
    return ParentBased(root) if options.sampler.startswith("parentbased_") else root


def _bound_of(options: TracingOptions) -> int:
    """Below it, the low bits of a new trace's id mean that it is sampled, as samplers have it."""
    if options.sampler.endswith("always_on"):
        return _LOW_BITS + 1
    if options.sampler.endswith("always_off"):
        return 0
    return TraceIdRatioBased.get_bound_for_rate(options.ratio)


def _resource_of(options: TracingOptions) -> Resource:
    return Resource(
        {
            **options.attributes,
            "service.name": options.service_name,
            "service.version": options.service_version,
            "service.instance.id": options.instance_id,
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
        }
    )


def _extract(headers: Headers) -> Context | None:
    """None for a context that is none: it is ignored, as W3C Trace Context §4.3 wants it."""
    parents = [value for name, value in headers if name == b"traceparent"]
    states = [value for name, value in headers if name == b"tracestate"]
    if len(parents) != 1:
        return None
    carrier = {
        "traceparent": parents[0].decode("latin-1"),
        "tracestate": b",".join(states).decode("latin-1"),
    }
    context = _W3C.extract(carrier, _NO_PARENT)
    return context if _context_in(context).is_valid else None


def _context_in(context: Context) -> trace.SpanContext:
    return trace.get_current_span(context).get_span_context()


def _otel_context(context: SpanContext, *, is_remote: bool = False) -> trace.SpanContext:
    return trace.SpanContext(context.trace_id, context.span_id, is_remote, _SAMPLED)


def _as_parent(context: SpanContext, *, is_remote: bool) -> Context:
    otel = _otel_context(context, is_remote=is_remote)
    return trace.set_span_in_context(trace.NonRecordingSpan(otel), _NO_PARENT)
