"""What the parts of a node say about traces, without OpenTelemetry.

Only what is sampled ever becomes a :class:`Span`; of everything else the other parts hear
nothing. :mod:`kvorum.telemetry.tracing` implements this, and is loaded only if tracing is on.
Neither keys nor values may be told to a span.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum, IntEnum
from typing import Protocol

from msgspec import Struct

from kvorum.raft.messages import Message
from kvorum.raft.types import NodeId

Attributes = Mapping[str, str | int]
Headers = Iterable[tuple[bytes, bytes]]

LINKS_MAX = 128
"""Of one span, as the SDK has it; a batch of more sampled requests names the first ones."""

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")


class SpanContext(Struct, frozen=True, gc=False):
    """A span's place in its trace, which is sampled; both numbers are positive."""

    trace_id: int  # 128 bits
    span_id: int  # 64 bits

    @property
    def traceparent(self) -> str:
        """As W3C Trace Context writes it (§3.2)."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def parse_traceparent(text: str) -> SpanContext | None:
    """What a peer wrote; None for anything else than a sampled context of version 0."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    return SpanContext(trace_id, span_id) if trace_id and span_id else None


class Kind(Enum):
    """A span's relation to its parent."""

    INTERNAL = "internal"
    SERVER = "server"  # what another process asked for
    CLIENT = "client"  # asks another process


class Span(Protocol):
    """Something under way. What is told after its end is ignored."""

    @property
    def context(self) -> SpanContext: ...

    def set(self, name: str, value: str | int) -> None: ...

    def link(self, context: SpanContext) -> None:
        """Another span has to do with this one without being its parent."""
        ...

    def fail(self, error: str) -> None:
        """It has failed; ``error`` is how (``error.type``)."""
        ...

    def end(self, at_ns: int, error: str = "") -> None:
        """``error``: as for :meth:`fail`; empty: not now."""
        ...


class Spans(Protocol):
    """Makes spans. Times are nanoseconds since 1970."""

    def now_ns(self) -> int: ...

    def current(self) -> Span | None:
        """That of the request which the caller works for, if it is sampled."""
        ...

    def accepts(self, context: SpanContext) -> bool:
        """Whether this node adds spans to a trace that another one began."""
        ...

    def start(
        self,
        name: str,
        parent: SpanContext,
        at_ns: int,
        *,
        kind: Kind = Kind.INTERNAL,
        links: Sequence[SpanContext] = (),
        attributes: Attributes | None = None,
    ) -> Span: ...


class Admission(Protocol):
    """A request that is sampled."""

    def start(self, name: str, attributes: Attributes) -> Span: ...


class RequestSpans(Protocol):
    """Spans of requests from clients."""

    def now_ns(self) -> int: ...

    def admit(self, headers: Headers) -> Admission | None:
        """None if the request, by its W3C context or else by chance, is not sampled."""
        ...

    def activate(self, span: Span) -> AbstractContextManager[None]:
        """Makes it the current one meanwhile."""
        ...


class Subject(IntEnum):
    """What a note between peers is about; numbers as in ``proto/raft.proto``."""

    ENTRY = 1  # the entry with this index and term, on its way to a follower
    PROPOSAL = 2  # the Propose with this ticket; its first note names the parent, others links
    RECEIPT = 3  # the ProposeResponse with this ticket: the span that appended the batch
    READ = 4  # the ReadIndex with this ticket


class TraceNote(Struct, frozen=True, gc=False):
    """To which span something in the same frame belongs."""

    subject: Subject
    number: int
    term: int
    context: SpanContext


class FrameTraces(Protocol):
    """What travels beside the messages between nodes."""

    def outgoing(self, peer: NodeId, messages: Sequence[Message]) -> Sequence[TraceNote]:
        """Notes about ``messages``, which leave for ``peer`` now."""
        ...

    def incoming(self, peer: NodeId, notes: Sequence[TraceNote]) -> None:
        """Notes of a frame; its messages are delivered right after."""
        ...
