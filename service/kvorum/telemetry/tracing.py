"""Traces as OpenTelemetry has them: loaded only if tracing is on (see :mod:`kvorum.app.tracing`).

Contexts, samplers and the exporter are OpenTelemetry's, the spans are our own
(:mod:`kvorum.telemetry.otlp_spans`). Nothing global is set: every node of a process has its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from time import time_ns
from typing import Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kvorum.telemetry.otlp_exporter import OtlpExporter
from kvorum.telemetry.otlp_spans import Envelope, OtlpSpan
from kvorum.telemetry.span_queue import Exporter, SpanCounts, SpanQueue
from kvorum.telemetry.spans import Attributes, Headers, Kind, Span, SpanContext
from kvorum.telemetry.tracing_options import TracingOptions

STOP_S = 1.0
"""What is left may take so long to be sent when the node stops."""

_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
_LOW_BITS = (1 << 64) - 1
"""Of a trace id, which decide in a sampler by ratio."""
_NOWHERE: Final = Context()
_CURRENT = "kvorum-span"
_W3C = TraceContextTextMapPropagator()


class _Admission:
    """A request that is sampled: the first span of this node comes into its place."""

    __slots__ = ("_tracing", "parent_id", "state", "trace_id")

    def __init__(
        self, tracing: "Tracing", trace_id: int, parent_id: int = 0, state: str = ""
    ) -> None:
        self._tracing = tracing
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.state = state

    def start(self, name: str, attributes: Attributes) -> Span:
        return self._tracing.start_request(name, self, attributes)


class Tracing:
    """Implements :class:`~kvorum.telemetry.spans.Spans` and ``RequestSpans``."""

    def __init__(
        self,
        options: TracingOptions,
        exporter: Exporter | None = None,
        *,
        random: Random | None = None,
    ) -> None:
        """``exporter``: by default OTLP over gRPC to the endpoint of ``options``."""
        self.counts = SpanCounts()
        exporter = exporter or OtlpExporter(options.endpoint, envelope_of(options))
        self._queue = SpanQueue(exporter, self.counts)
        self._sampler = sampler_of(options)
        self._bound = _bound_of(options)
        self._random = random or Random()  # noqa: S311 - ids, not secrets

    def close(self) -> None:
        """Send what waits, for at most :data:`STOP_S`."""
        self._queue.close(STOP_S)

    # --- spans of a node ---------------------------------------------------------------

    def now_ns(self) -> int:
        return time_ns()

    def current(self) -> Span | None:
        """That of the request which the caller works for, if it is sampled."""
        span = context_api.get_value(_CURRENT)
        return span if isinstance(span, OtlpSpan) and span.is_open else None

    def accepts(self, context: SpanContext) -> bool:
        """As the sampler decides about a parent in another process."""
        return self._samples(trace.set_span_in_context(_shown(context), _NOWHERE))

    def _samples(self, parent: Context) -> bool:
        trace_id = trace.get_current_span(parent).get_span_context().trace_id
        result = self._sampler.should_sample(parent, trace_id, "")
        return result.decision is Decision.RECORD_AND_SAMPLE

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
        span = OtlpSpan(
            name,
            SpanContext(parent.trace_id, self._new_id(64)),
            parent.span_id,
            at_ns,
            self._queue.put,
            kind=kind,
            attributes=attributes,
        )
        for link in links:
            span.link(link)
        return span

    def _new_id(self, bits: int) -> int:
        return self._random.getrandbits(bits) or 1  # 0 is none

    # --- spans of requests -------------------------------------------------------------

    def admit(self, headers: Headers) -> _Admission | None:
        """By the request's own W3C context, or else by a new trace id."""
        for name, _ in headers:
            if name == b"traceparent":
                parent = _extract(headers)
                if parent is not None:
                    return self._admit_below(parent)
                break
        trace_id = self._new_id(128)
        return _Admission(self, trace_id) if trace_id & _LOW_BITS < self._bound else None

    def _admit_below(self, parent: Context) -> _Admission | None:
        if not self._samples(parent):
            return None
        found = trace.get_current_span(parent).get_span_context()
        state = found.trace_state.to_header()
        return _Admission(self, found.trace_id, found.span_id, state)

    def start_request(self, name: str, admission: _Admission, attributes: Attributes) -> Span:
        """The first span of this node."""
        return OtlpSpan(
            name,
            SpanContext(admission.trace_id, self._new_id(64)),
            admission.parent_id,
            time_ns(),
            self._queue.put,
            kind=Kind.SERVER,
            attributes=attributes,
            state=admission.state,
        )

    @contextmanager
    def activate(self, span: Span) -> Iterator[None]:
        """Makes it the current one meanwhile, for OpenTelemetry's API too."""
        context = trace.set_span_in_context(_shown(span.context))
        token = context_api.attach(context_api.set_value(_CURRENT, span, context))
        try:
            yield
        finally:
            context_api.detach(token)


def envelope_of(options: TracingOptions) -> Envelope:
    """The resource: what every span tells of this node."""
    return Envelope(
        {
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "kvorum",
            "telemetry.sdk.version": options.service_version,
            **options.attributes,
            "service.name": options.service_name,
            "service.version": options.service_version,
            "service.instance.id": options.instance_id,
        },
        scope="kvorum",
        version=options.service_version,
    )


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
    context = _W3C.extract(carrier, _NOWHERE)
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def _shown(context: SpanContext) -> trace.Span:
    """As OpenTelemetry's API knows a span that somebody else makes."""
    remote = trace.SpanContext(context.trace_id, context.span_id, True, _SAMPLED)
    return trace.NonRecordingSpan(remote)
