"""Encoded spans to a collector, by OpenTelemetry's own exporter.

It brings what its other variables ask for: headers, certificates, compression, a timeout, and
repeating what a collector refuses for a moment.
"""

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExportResult

from kvorum.telemetry.otlp_spans import Envelope

_LOGGER = "opentelemetry.exporter.otlp.proto.grpc.exporter"


class OtlpExporter:
    """Implements :class:`~kvorum.telemetry.span_queue.Exporter`: OTLP over gRPC."""

    def __init__(self, endpoint: str, envelope: Envelope) -> None:
        logging.getLogger(_LOGGER).setLevel(logging.CRITICAL)  # our queue tells it, once
        self._exporter = _Exporter(endpoint, envelope)

    def export(self, spans: Sequence[bytes]) -> bool:
        return self._exporter.pass_on(spans) is SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Exporter(OTLPSpanExporter):
    """Takes spans that are encoded already."""

    def __init__(self, endpoint: str, envelope: Envelope) -> None:
        super().__init__(endpoint=endpoint)
        self._envelope = envelope

    def pass_on(self, spans: Sequence[bytes]) -> SpanExportResult:
        result: SpanExportResult = self._export(spans)  # type: ignore[arg-type]  # see below
        return result

    def _translate_data(self, data: Sequence[bytes]) -> ExportTraceServiceRequest:  # type: ignore[override]  # bytes where the SDK's exporter has its spans
        return ExportTraceServiceRequest(resource_spans=[self._envelope.around(data)])

    def _count_data(self, data: Sequence[bytes]) -> int:  # type: ignore[override]  # as above
        return len(data)
