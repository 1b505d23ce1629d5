"""Spans of entries on their way to each peer: ``kvorum.replicate``, on the leader."""

from collections import deque
from collections.abc import Callable

from kvorum.node.tracing.limits import AGE_NS_MAX, OPEN_MAX, TIMEOUT
from kvorum.raft.messages import AppendResponse
from kvorum.raft.types import EntryId, NodeId
from kvorum.telemetry.spans import Kind, Span, SpanContext, Spans


class _Sent:
    __slots__ = ("at_ns", "id", "span")

    def __init__(self, entry: EntryId, span: Span, at_ns: int) -> None:
        self.id = entry
        self.span = span
        self.at_ns = at_ns


class ReplicationTraces:
    """From the first sending of an entry until its acknowledgement."""

    def __init__(self, spans: Spans, name_of: Callable[[str], str]) -> None:
        self._spans = spans
        self._name_of = name_of
        self._waiting: dict[NodeId, deque[_Sent]] = {}  # by index
        self._contexts: dict[tuple[NodeId, EntryId], SpanContext] = {}

    @property
    def is_idle(self) -> bool:
        return not self._waiting

    def sent(self, peer: NodeId, entry: EntryId, append: SpanContext, at_ns: int) -> None:
        if (peer, entry) in self._contexts or len(self._contexts) >= OPEN_MAX:
            return
        span = self._spans.start(
            "kvorum.replicate",
            append,
            at_ns,
            kind=Kind.CLIENT,
            attributes={"kvorum.peer": self._name_of(peer)},
        )
        self._contexts[peer, entry] = span.context
        self._waiting.setdefault(peer, deque()).append(_Sent(entry, span, at_ns))

    def context(self, peer: NodeId, entry: EntryId) -> SpanContext | None:
        """What travels with the entry to ``peer``."""
        return self._contexts.get((peer, entry))

    def acknowledged(self, response: AppendResponse, at_ns: int) -> None:
        """By a follower of this term: what it stores agrees up to ``match``."""
        peer = response.sender
        waiting = self._waiting.get(peer)
        while waiting and waiting[0].id <= EntryId(response.term, response.match):
            self._end_first(peer, at_ns)
            waiting = self._waiting.get(peer)

    def end_all(self, at_ns: int, error: str) -> None:
        for peer in list(self._waiting):
            while peer in self._waiting:
                self._end_first(peer, at_ns, error)

    def expire(self, at_ns: int) -> None:
        """Peers that are away do not answer, and those removed never will."""
        for peer in list(self._waiting):
            while peer in self._waiting and at_ns - self._waiting[peer][0].at_ns > AGE_NS_MAX:
                self._end_first(peer, at_ns, TIMEOUT)

    def _end_first(self, peer: NodeId, at_ns: int, error: str = "") -> None:
        waiting = self._waiting[peer]
        sent = waiting.popleft()
        sent.span.end(at_ns, error)
        del self._contexts[peer, sent.id]
        if not waiting:
            del self._waiting[peer]
