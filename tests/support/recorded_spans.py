"""Spans that are only noted, with times that a test sets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kvorum.telemetry.spans import Admission, Attributes, Headers, Kind, Span, SpanContext

TRACE = 0xABC


class Recorded:
    """Implements ``Span``; ``end_ns`` is None while it is under way."""

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext,
        start_ns: int,
        kind: Kind = Kind.INTERNAL,
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.start_ns = start_ns
        self.kind = kind
        self.end_ns: int | None = None
        self.attributes: dict[str, str | int] = {}
        self.links: list[SpanContext] = []
        self.error = ""

    def set(self, name: str, value: str | int) -> None:
        if self.end_ns is None:
            self.attributes[name] = value

    def link(self, context: SpanContext) -> None:
        if self.end_ns is None:
            self.links.append(context)

    def fail(self, error: str) -> None:
        if self.end_ns is None:
            self.error = error

    def end(self, at_ns: int, error: str = "") -> None:
        if self.end_ns is None:
            self.error = error or self.error
            self.end_ns = at_ns

    def __repr__(self) -> str:
        return f"{self.name} {self.start_ns}-{self.end_ns} {self.error}"


class RecordedSpans:
    """Implements ``Spans`` and ``RequestSpans``; every span is of one trace."""

    def __init__(self) -> None:
        self.made: list[Recorded] = []
        self.time_ns = 0
        self.request: Recorded | None = None
        self.foreign_accepted = True
        self.admits = True

    def named(self, name: str) -> list[Recorded]:
        return [span for span in self.made if span.name == name]

    def one(self, name: str) -> Recorded:
        [span] = self.named(name)
        return span

    @property
    def open(self) -> list[Recorded]:
        return [span for span in self.made if span.end_ns is None]

    def context(self, number: int) -> SpanContext:
        """Of a span elsewhere."""
        return SpanContext(TRACE, 1_000_000 + number)

    @contextmanager
    def of_request(self) -> Iterator[Recorded]:
        """Meanwhile the caller works for a sampled request."""
        self.request = self._made("request", self.context(0), self.time_ns)
        try:
            yield self.request
        finally:
            self.request = None

    def now_ns(self) -> int:
        return self.time_ns

    def current(self) -> Span | None:
        return self.request

    def accepts(self, context: SpanContext) -> bool:
        return self.foreign_accepted

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
        span = self._made(name, parent, at_ns, kind)
        span.links += links
        span.attributes |= attributes or {}
        return span

    def _made(
        self, name: str, parent: SpanContext, at_ns: int, kind: Kind = Kind.INTERNAL
    ) -> Recorded:
        span = Recorded(name, self._new_context(), parent, at_ns, kind)
        self.made.append(span)
        return span

    def _new_context(self) -> SpanContext:
        return SpanContext(TRACE, len(self.made) + 1)

    def admit(self, headers: Headers) -> Admission | None:
        return _Admitted(self) if self.admits else None

    @contextmanager
    def activate(self, span: Span) -> Iterator[None]:
        assert isinstance(span, Recorded)
        self.request = span
        try:
            yield
        finally:
            self.request = None


class _Admitted:
    def __init__(self, spans: RecordedSpans) -> None:
        self._spans = spans

    def start(self, name: str, attributes: Attributes) -> Span:
        return self._spans.start(
            name, self._spans.context(0), self._spans.time_ns, attributes=attributes
        )
