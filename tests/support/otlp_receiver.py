"""A collector of traces: OTLP over gRPC, everything kept in memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.wait import eventually

Value = str | int | float | bool


@dataclass
class Received:
    """One span; ids in hexadecimal, times in nanoseconds since 1970."""

    name: str
    node: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    links: list[str]
    failed: bool
    resource: dict[str, Value] = field(repr=False)
    trace_state: str = ""


class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self._spans: list[Received] = []
        self.exports = 0
        self.endpoint = ""

    def Export(  # noqa: N802 - the service's name for it
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource_spans in request.resource_spans:
            resource = _attributes(resource_spans.resource.attributes)
            for scope_spans in resource_spans.scope_spans:
                self._spans += (_received(span, resource) for span in scope_spans.spans)
        self.exports += 1
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Received]:
        return list(self._spans)

    def clear(self) -> None:
        self._spans = []

    def trace(self, trace_id: str) -> list[Received]:
        """So far, by the time at which they began."""
        found = (span for span in self.spans if span.trace_id == trace_id)
        return sorted(found, key=lambda span: span.start_ns)

    def await_trace(self, trace_id: str, names: Sequence[str]) -> list[Received]:
        """Once it has these spans, a name as often as it is there."""

        def complete() -> list[Received] | None:
            trace = self.trace(trace_id)
            there = sorted(span.name for span in trace)
            missing = [name for name in set(names) if there.count(name) < names.count(name)]
            return None if missing else trace

        try:
            return eventually("the trace is complete", complete)
        except AssertionError as error:
            there = [f"{span.node} {span.name}" for span in self.trace(trace_id)]
            raise AssertionError(f"{sorted(names)} expected, {there} there") from error


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Listening on a free port meanwhile."""
    receiver = OtlpReceiver()
    server = grpc.server(ThreadPoolExecutor(2))
    add_to = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add_to(receiver, server)  # type: ignore[no-untyped-call]  # generated without types
    port = server.add_insecure_port("127.0.0.1:0")
    receiver.endpoint = f"http://127.0.0.1:{port}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


def _received(span: trace_pb2.Span, resource: dict[str, Value]) -> Received:
    return Received(
        name=span.name,
        node=str(resource.get("service.instance.id", "")),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        links=[link.span_id.hex() for link in span.links],
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        resource=resource,
        trace_state=span.trace_state,
    )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if kind is not None:
            values[pair.key] = getattr(pair.value, kind)
    return values
