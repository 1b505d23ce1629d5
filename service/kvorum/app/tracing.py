"""Tracing of a node, if its settings want any."""

import logging
from typing import TYPE_CHECKING

from kvorum.settings import Settings
from kvorum.telemetry.span_metrics import SpanMetrics
from kvorum.telemetry.tracing_options import TracingOptions

if TYPE_CHECKING:
    from kvorum.telemetry.tracing import Tracing


def tracing_options(settings: Settings, version: str) -> TracingOptions:
    return TracingOptions(
        endpoint=settings.otel_exporter_otlp_endpoint,
        sampler=settings.otel_traces_sampler,
        ratio=settings.otel_traces_sampler_arg,
        service_name=settings.otel_service_name,
        service_version=version,
        instance_id=settings.self_id,
        attributes=settings.otel_resource_attributes,
    )


def open_tracing(settings: Settings, version: str, metrics: SpanMetrics) -> "Tracing | None":
    """None if it is off: then OpenTelemetry is not even loaded. Log lines tell their traces."""
    if not settings.otel_exporter_otlp_endpoint:
        return None

    from kvorum.telemetry.trace_ids import TraceIds  # noqa: PLC0415 - only if it is on
    from kvorum.telemetry.tracing import Tracing  # noqa: PLC0415 - only if it is on

    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, TraceIds) for known in handler.filters):
            handler.addFilter(TraceIds())
    tracing = Tracing(tracing_options(settings, version))
    metrics.count_from(tracing.counts.by_result)
    return tracing
