"""Spans of linearizable reads: ``kvorum.read_index``, and ``kvorum.read`` below it.

Each sampled read has its own. One batch asks for the index, so the first one's span is the
parent of what the leader does for it, and links join it with the others.
"""

from asyncio import Future
from typing import Any

from kvorum.node.tracing.limits import AGE_NS_MAX, OPEN_MAX
from kvorum.node.tracing.writes import failure_of
from kvorum.raft.types import Index, NodeId, Ticket
from kvorum.telemetry.spans import LINKS_MAX, Kind, Span, SpanContext, Spans


class TracedRead:
    """One sampled read, until it is served or fails."""

    def __init__(self, spans: Spans, request: SpanContext) -> None:
        self._spans = spans
        self._read: Span | None = None
        self._index = spans.start("kvorum.read_index", request, spans.now_ns())

    @property
    def context(self) -> SpanContext:
        return self._index.context

    def link(self, other: SpanContext) -> None:
        self._index.link(other)

    def confirmed(self, index: Index, at_ns: int) -> None:
        """Leadership is proved: what is left is to apply up to ``index``, and to read."""
        self._index.set("kvorum.index", index)
        self._index.end(at_ns)
        self._read = self._spans.start("kvorum.read", self._index.context, at_ns)

    def on_done(self, future: "Future[Any]") -> None:
        at_ns, error = self._spans.now_ns(), failure_of(future)
        self._index.end(at_ns, error)
        if self._read is not None:
            self._read.end(at_ns, error)


class ReadTraces:
    """Sampled reads of the batch that forms and of the one that asks."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._forming: list[TracedRead] = []
        self._asking: list[TracedRead] = []
        self._ticket: Ticket | None = None

    def submitted(self, future: "Future[Any]") -> None:
        request = self._spans.current()
        if request is None or len(self._forming) >= OPEN_MAX:
            return
        read = TracedRead(self._spans, request.context)
        self._forming.append(read)
        future.add_done_callback(read.on_done)

    def asked(self, ticket: Ticket, *, is_new: bool) -> None:
        """An attempt of a batch that is ``is_new``, or of the one that asks already."""
        if is_new:
            self._asking, self._forming = self._forming, []
            for other in self._asking[1 : LINKS_MAX + 1]:
                self._asking[0].link(other.context)
                other.link(self._asking[0].context)
        self._ticket = ticket

    def context(self, ticket: Ticket) -> SpanContext | None:
        """What travels with the question to the leader."""
        return self._asking[0].context if self._asking and ticket == self._ticket else None

    def confirmed(self, index: Index) -> None:
        if self._asking:
            at_ns = self._spans.now_ns()
            for read in self._asking:
                read.confirmed(index, at_ns)
            self._asking = []


class ConfirmTraces:
    """``kvorum.confirm``: what a leader does to answer a follower's question."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._open: dict[tuple[NodeId, Ticket], tuple[Span, int]] = {}  # oldest first

    @property
    def is_idle(self) -> bool:
        return not self._open

    def asked(self, peer: NodeId, ticket: Ticket, context: SpanContext, at_ns: int) -> None:
        if len(self._open) < OPEN_MAX and (peer, ticket) not in self._open:
            span = self._spans.start("kvorum.confirm", context, at_ns, kind=Kind.SERVER)
            self._open[peer, ticket] = span, at_ns

    def answered(self, peer: NodeId, ticket: Ticket, index: Index | None, at_ns: int) -> None:
        found = self._open.pop((peer, ticket), None)
        if found is None:
            return
        span, _ = found
        if index is not None:
            span.set("kvorum.index", index)
        span.end(at_ns, "not_leader" if index is None else "")

    def expire(self, at_ns: int) -> None:
        """Questions that never reached the core."""
        while self._open:
            key = next(iter(self._open))
            span, began_ns = self._open[key]
            if at_ns - began_ns <= AGE_NS_MAX:
                return
            span.end(at_ns, "timeout")
            del self._open[key]
