"""A database client span per call (OpenTelemetry semantic conventions), if it is wanted.

Neither keys nor values are ever recorded. Whatever span is current when a request is sent, the
node is told of it (W3C Trace Context), so that its own spans join the caller's trace. Without a
tracer provider, and in a program that does not use OpenTelemetry, its API is not even imported.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kvorum.client.call import Call
from kvorum.client.errors import ClientError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

OnSend = Callable[[str], None]
"""Is told every endpoint that is asked."""


def nobody(_endpoint: str) -> None:
    """For calls that are not traced."""


class CallTracer:
    """Makes the spans."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    @contextmanager
    def span(self, call: Call[Any]) -> Iterator[OnSend]:
        """Around one call with all its attempts."""
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415  # if wanted

        attributes = {"db.system.name": "kvorum", "db.operation.name": call.operation}
        with self._tracer.start_as_current_span(
            call.operation,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,  # its text may name a key
            set_status_on_exception=False,
        ) as span:

            def on_send(endpoint: str) -> None:
                url = urlsplit(endpoint)
                span.set_attribute("server.address", url.hostname or "")
                span.set_attribute(
                    "server.port", url.port or (443 if url.scheme == "https" else 80)
                )

            try:
                yield on_send
            except BaseException as error:
                span.set_attribute("error.type", _error_type(error))
                span.set_status(Status(StatusCode.ERROR))
                raise


def _error_type(error: BaseException) -> str:
    """The kind of problem that a node named, else the exception's class."""
    if isinstance(error, ClientError) and error.problem and error.problem.kind:
        return error.problem.kind
    return type(error).__qualname__


def call_tracer(provider: "TracerProvider | None") -> CallTracer | None:
    """None unless there is a provider."""
    return None if provider is None else CallTracer(provider.get_tracer("kvorum.client"))


def context_headers() -> tuple[tuple[str, str], ...]:
    """``traceparent`` and ``tracestate`` of the current span; nothing without one."""
    if "opentelemetry.trace" not in sys.modules:  # then nobody can have made a span
        return ()
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  # as above
        TraceContextTextMapPropagator,
    )

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple(carrier.items())
