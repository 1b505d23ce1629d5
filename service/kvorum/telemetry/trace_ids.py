"""Which trace a log line belongs to."""

import logging

from opentelemetry import trace


class TraceIds(logging.Filter):
    """Adds ``trace_id`` and ``span_id`` to what is logged while a span is current."""

    def filter(self, record: logging.LogRecord) -> bool:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            record.trace_id = trace.format_trace_id(context.trace_id)
            record.span_id = trace.format_span_id(context.span_id)
        return True
