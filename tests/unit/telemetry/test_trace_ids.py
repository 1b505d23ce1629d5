"""Log lines of a traced request say which trace they belong to."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    use_span,
)

from kvorum.telemetry.logs import configure_logs
from kvorum.telemetry.trace_ids import TraceIds

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CURRENT = NonRecordingSpan(
    SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=False, trace_flags=TraceFlags(1))
)

log = logging.getLogger("kvorum.rest")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines_of(log_format: str) -> list[str]:
    stream = io.StringIO()
    configure_logs("info", log_format, stream)  # type: ignore[arg-type]  # one of its formats
    for handler in logging.getLogger().handlers:
        handler.addFilter(TraceIds())
    log.info("before", extra={"a": 1})
    with use_span(CURRENT):
        log.info("within", extra={"a": 1})
    return stream.getvalue().splitlines()


def test_json_has_both_ids() -> None:
    before, within = (json.loads(line) for line in lines_of("json"))
    assert (within["trace_id"], within["span_id"], within["a"]) == (TRACE, SPAN, 1)
    assert "trace_id" not in before


def test_people_get_the_trace() -> None:
    before, within = lines_of("human")
    assert within.endswith(f"a=1 trace_id={TRACE}")
    assert before.endswith("a=1")
