"""Spans of our own, which become OTLP when they end.

The SDK's spans cost four times as much, half of it in the thread that sends them; and while
that one computes, the event loop waits for the interpreter at each of its system calls. So a
span is encoded on the event loop as it ends, and the thread only passes bytes on.
"""

from collections.abc import Callable, Sequence

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import (
    ResourceSpans,
    ScopeSpans,
    Status,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from kvorum.telemetry.spans import LINKS_MAX, Attributes, Kind, SpanContext

_KINDS = {
    Kind.INTERNAL: WireSpan.SPAN_KIND_INTERNAL,
    Kind.SERVER: WireSpan.SPAN_KIND_SERVER,
    Kind.CLIENT: WireSpan.SPAN_KIND_CLIENT,
}
_SAMPLED, _PARENT_IS_KNOWN, _PARENT_IS_REMOTE = 0x01, 0x100, 0x200
_FAILED = Status(code=Status.STATUS_CODE_ERROR)

Sink = Callable[[bytes], None]
"""Takes an encoded span."""


class OtlpSpan:
    """Implements :class:`~kvorum.telemetry.spans.Span`; ``sink`` gets it when it has ended."""

    __slots__ = (
        "_attributes",
        "_error",
        "_links",
        "_sink",
        "context",
        "kind",
        "name",
        "parent_id",
        "start_ns",
        "state",
    )

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent_id: int,
        start_ns: int,
        sink: Sink,
        *,
        kind: Kind = Kind.INTERNAL,
        attributes: Attributes | None = None,
        state: str = "",
    ) -> None:
        """``parent_id`` 0: it begins a trace; ``state`` is a client's ``tracestate``."""
        self.name = name
        self.context = context
        self.parent_id = parent_id
        self.start_ns = start_ns
        self.kind = kind
        self.state = state
        self._sink: Sink | None = sink
        self._attributes: dict[str, str | int] = dict(attributes) if attributes else {}
        self._links: list[SpanContext] = []
        self._error = ""

    @property
    def is_open(self) -> bool:
        return self._sink is not None

    def set(self, name: str, value: str | int) -> None:
        self._attributes[name] = value

    def link(self, context: SpanContext) -> None:
        if len(self._links) < LINKS_MAX:
            self._links.append(context)

    def fail(self, error: str) -> None:
        self._error = error

    def end(self, at_ns: int, error: str = "") -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self._error = error or self._error
            sink(self._encoded(at_ns))

    def _encoded(self, end_ns: int) -> bytes:
        context, attributes = self.context, self._attributes
        if self._error:
            attributes = {**attributes, "error.type": self._error}
        remote = _PARENT_IS_REMOTE if self.kind is Kind.SERVER and self.parent_id else 0
        span = WireSpan(
            trace_id=context.trace_id.to_bytes(16, "big"),
            span_id=context.span_id.to_bytes(8, "big"),
            parent_span_id=self.parent_id.to_bytes(8, "big") if self.parent_id else b"",
            trace_state=self.state,
            flags=_SAMPLED | _PARENT_IS_KNOWN | remote,
            name=self.name,
            kind=_KINDS[self.kind],
            start_time_unix_nano=self.start_ns,
            end_time_unix_nano=end_ns,
            attributes=key_values(attributes),
            links=[_link(link) for link in self._links],
            status=_FAILED if self._error else None,
        )
        return ScopeSpans(spans=[span]).SerializeToString()  # such parts can be joined


def key_values(attributes: Attributes) -> list[KeyValue]:
    return [
        KeyValue(
            key=name,
            value=AnyValue(int_value=value)
            if isinstance(value, int)
            else AnyValue(string_value=value),
        )
        for name, value in attributes.items()
    ]


def _link(context: SpanContext) -> WireSpan.Link:
    return WireSpan.Link(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        flags=_SAMPLED,
    )


class Envelope:
    """What stands around the spans of one node in every message to a collector."""

    def __init__(self, resource: Attributes, scope: str, version: str) -> None:
        self._resource = Resource(attributes=key_values(resource))
        whose = InstrumentationScope(name=scope, version=version)
        self._scope = ScopeSpans(scope=whose).SerializeToString()

    def around(self, spans: Sequence[bytes]) -> ResourceSpans:
        scope_spans = ScopeSpans.FromString(b"".join((self._scope, *spans)))
        return ResourceSpans(resource=self._resource, scope_spans=[scope_spans])
