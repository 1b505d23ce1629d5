"""Spans of writes until they stand in the log: ``kvorum.propose``, by request and by ticket."""

from asyncio import Future
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from kvorum.node.tracing.limits import AGE_NS_MAX, OPEN_MAX
from kvorum.raft.types import EntryId, Ticket
from kvorum.telemetry.spans import LINKS_MAX, Span, SpanContext, Spans


class TakenBatch:
    """Sampled writes that share a log entry."""

    __slots__ = ("at_ns", "commands", "size_bytes", "spans")

    def __init__(self, spans: list[Span], commands: int, size_bytes: int, at_ns: int) -> None:
        self.spans = spans
        self.commands = commands
        self.size_bytes = size_bytes
        self.at_ns = at_ns

    @property
    def contexts(self) -> list[SpanContext]:
        return [span.context for span in self.spans[: LINKS_MAX + 1]]

    def placed(self, entry: EntryId) -> None:
        """A receipt says where it stands."""
        for span in self.spans:
            span.set("kvorum.index", entry.index)
            span.set("kvorum.term", entry.term)

    def link_others(self, context: SpanContext) -> None:
        """The batch's spans hang below the first one; the others point at them."""
        for span in self.spans[1:]:
            span.link(context)


class WriteTraces:
    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._open: dict[str, list[Span]] = {}  # by request id
        self._taken: dict[Ticket, TakenBatch] = {}  # oldest first

    @property
    def is_idle(self) -> bool:
        return not self._taken

    @property
    def has_open(self) -> bool:
        """Some sampled write has no outcome yet."""
        return bool(self._open)

    def submitted(self, request_id: str, future: "Future[Any]") -> None:
        """If the caller's request is sampled, a span until ``future`` is done."""
        request = self._spans.current()
        if request is None or len(self._open) >= OPEN_MAX:
            return
        span = self._spans.start("kvorum.propose", request.context, self._spans.now_ns())
        self._open.setdefault(request_id, []).append(span)
        future.add_done_callback(partial(self._on_done, request_id, span))

    def _on_done(self, request_id: str, span: Span, future: "Future[Any]") -> None:
        span.end(self._spans.now_ns(), failure_of(future))
        spans = self._open.get(request_id, [])
        if span in spans:
            spans.remove(span)
        if not spans:
            self._open.pop(request_id, None)

    def taken(self, ticket: Ticket, request_ids: Sequence[str], size_bytes: int) -> None:
        """A batch is on its way to the core."""
        if len(self._taken) >= OPEN_MAX:
            return
        spans = [span for each in request_ids for span in self._open.get(each, ())]
        if not spans:
            return
        commands = len(request_ids)
        self._taken[ticket] = TakenBatch(spans, commands, size_bytes, self._spans.now_ns())
        for span in spans:
            span.set("kvorum.batch.commands", commands)
            span.set("kvorum.batch.bytes", size_bytes)

    def find(self, ticket: Ticket) -> TakenBatch | None:
        return self._taken.get(ticket)

    def settle(self, ticket: Ticket) -> TakenBatch | None:
        """Its receipt is there: the ticket is of no more use."""
        return self._taken.pop(ticket, None)

    def expire(self, at_ns: int) -> None:
        """Tickets without a receipt: those writes are proposed again under others."""
        for ticket in overdue(self._taken.items(), at_ns):
            del self._taken[ticket]


def overdue(items: Iterable[tuple[Any, Any]], at_ns: int) -> list[Any]:
    """Keys of what is too old; ``items`` come oldest first, and values have ``at_ns``."""
    found = []
    for key, value in items:
        if at_ns - value.at_ns <= AGE_NS_MAX:
            break
        found.append(key)
    return found


def failure_of(future: "Future[Any]") -> str:
    """What kind of failure it ended with; empty: none."""
    if future.cancelled():
        return "cancelled"
    error = future.exception()
    return "" if error is None else type(error).__qualname__
