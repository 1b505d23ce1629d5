"""Spans of log entries: ``kvorum.append`` or ``kvorum.follow``, and all that hangs below them.

On the leader ``kvorum.append`` lasts until the entry is committed and durable here, on a
follower ``kvorum.follow`` until its acknowledgement leaves. Both have ``kvorum.fsync`` and
``kvorum.apply`` as children, the former ``kvorum.commit`` (the wait for a majority) and one
``kvorum.replicate`` per peer as well.
"""

from collections import deque
from collections.abc import Sequence

from kvorum.node.tracing.limits import ABANDONED, AGE_NS_MAX, LEADERSHIP_LOST, OPEN_MAX, TIMEOUT
from kvorum.node.tracing.replication import ReplicationTraces
from kvorum.node.tracing.writes import overdue
from kvorum.raft.messages import AppendEntries, AppendResponse
from kvorum.raft.types import Entry, EntryId, Index, Term
from kvorum.telemetry.spans import Attributes, Kind, Span, SpanContext, Spans


class TracedEntry:
    """An entry of sampled writes on its way; ``commit`` only on the leader."""

    __slots__ = ("at_ns", "commit", "id", "is_committed", "is_durable", "span")

    def __init__(self, entry: EntryId, span: Span, at_ns: int, commit: Span | None = None) -> None:
        self.id = entry
        self.span = span
        self.commit = commit
        self.at_ns = at_ns
        self.is_durable = self.is_committed = False

    @property
    def is_led(self) -> bool:
        return self.commit is not None

    def settle(self, at_ns: int) -> None:
        """The leader's part is done once a majority and its own disk have it."""
        if self.is_led and self.is_durable and self.is_committed:
            self.span.end(at_ns)

    def fail(self, at_ns: int, error: str) -> None:
        for span in (self.span, self.commit):
            if span is not None:
                span.end(at_ns, error)


class EntryTraces:
    def __init__(self, spans: Spans, replication: ReplicationTraces) -> None:
        self._spans = spans
        self._replication = replication
        self._entries: dict[Index, TracedEntry] = {}  # oldest first
        self._uncommitted: deque[TracedEntry] = deque()  # led, by index
        self._unacknowledged: deque[TracedEntry] = deque()  # followed
        self._led_term = Term(0)
        self._applied = Index(0)

    @property
    def is_idle(self) -> bool:
        return not (self._entries or self._uncommitted or self._unacknowledged)

    def find(self, index: Index, term: Term) -> TracedEntry | None:
        entry = self._entries.get(index)
        return entry if entry is not None and entry.id.term == term else None

    # --- beginnings --------------------------------------------------------------------

    def lead(
        self, entry: EntryId, parents: Sequence[SpanContext], at_ns: int, attributes: Attributes
    ) -> SpanContext | None:
        """This leader appended a batch; below the first of ``parents``, linked to the others."""
        if len(self._entries) >= OPEN_MAX:
            return None
        span = self._spans.start(
            "kvorum.append",
            parents[0],
            at_ns,
            links=parents[1:],
            attributes={**_place(entry), **attributes},
        )
        commit = self._spans.start("kvorum.commit", span.context, at_ns)
        traced = TracedEntry(entry, span, at_ns, commit)
        self._replace(traced)
        self._uncommitted.append(traced)
        self._led_term = entry.term
        return span.context

    def follow(self, entry: EntryId, context: SpanContext, at_ns: int) -> None:
        """A leader sends an entry, perhaps not for the first time."""
        if entry.index <= self._applied or self.find(entry.index, entry.term) is not None:
            return
        waiting = self._unacknowledged
        while waiting and waiting[-1].id.index >= entry.index:  # of an earlier term
            waiting.pop().fail(at_ns, ABANDONED)
        if max(len(self._entries), len(waiting)) >= OPEN_MAX:
            return
        span = self._spans.start(
            "kvorum.follow", context, at_ns, kind=Kind.SERVER, attributes=_place(entry)
        )
        traced = TracedEntry(entry, span, at_ns)
        self._replace(traced)
        waiting.append(traced)

    def _replace(self, traced: TracedEntry) -> None:
        former = self._entries.pop(traced.id.index, None)
        if former is not None:  # its place was lost to this one
            former.fail(traced.at_ns, ABANDONED)
        self._entries[traced.id.index] = traced

    # --- the disk ----------------------------------------------------------------------

    def saving(self, entries: Sequence[Entry], at_ns: int) -> list[tuple[TracedEntry, Span]]:
        """One span for each traced entry that the sync begun now makes durable."""
        found = [
            traced
            for entry in entries
            if (traced := self.find(entry.index, entry.term)) is not None
        ]
        return [
            (traced, self._spans.start("kvorum.fsync", traced.span.context, at_ns))
            for traced in found
        ]

    def saved(self, syncs: Sequence[tuple[TracedEntry, Span]], at_ns: int, error: str = "") -> None:
        for traced, sync in syncs:
            sync.end(at_ns, error)
            traced.is_durable = not error
            traced.settle(at_ns)

    # --- the core ----------------------------------------------------------------------

    def sent(self, append: AppendEntries, at_ns: int) -> None:
        """It leaves for a follower."""
        for entry in append.entries:
            traced = self.find(entry.index, entry.term)
            if traced is not None and traced.is_led:
                self._replication.sent(append.to, traced.id, traced.span.context, at_ns)

    def acknowledged(self, response: AppendResponse, at_ns: int) -> None:
        """This follower's acknowledgement leaves."""
        waiting = self._unacknowledged
        while waiting and waiting[0].id.index <= response.match:
            waiting.popleft().span.end(at_ns)

    def committed(self, commit: Index, at_ns: int) -> None:
        waiting = self._uncommitted
        while waiting and waiting[0].id.index <= commit:
            traced = waiting.popleft()
            assert traced.commit is not None, "a led entry has it"
            traced.commit.end(at_ns)
            traced.is_committed = True
            traced.settle(at_ns)

    def reigns(self, term: Term, *, is_leader: bool, at_ns: int) -> None:
        """What this node led is lost, perhaps, with its leadership."""
        if not self._led_term or (is_leader and term == self._led_term):
            return
        self._led_term = Term(0)
        self._uncommitted.clear()
        for index in [index for index, traced in self._entries.items() if traced.is_led]:
            self._entries.pop(index).fail(at_ns, LEADERSHIP_LOST)
        self._replication.end_all(at_ns, LEADERSHIP_LOST)

    # --- the state machine -------------------------------------------------------------

    def applied(self, entry: Entry, began_ns: int, at_ns: int) -> None:
        traced = self._entries.pop(entry.index, None)
        if traced is None:
            return
        if traced.id.term != entry.term:
            traced.fail(at_ns, ABANDONED)
            return
        attributes: dict[str, str | int] = {
            **_place(entry.id),
            "kvorum.batch.bytes": len(entry.data),
        }
        self._spans.start("kvorum.apply", traced.span.context, began_ns, attributes=attributes).end(
            at_ns
        )

    def reached(self, index: Index) -> None:
        """Everything up to there is applied."""
        self._applied = index

    def restored(self, index: Index, at_ns: int) -> None:
        """A snapshot took the place of all entries up to there."""
        self._applied = index
        for each in [each for each in self._entries if each <= index]:
            self._entries.pop(each).fail(at_ns, ABANDONED)

    def expire(self, at_ns: int) -> None:
        for index in overdue(self._entries.items(), at_ns):
            self._entries.pop(index).fail(at_ns, TIMEOUT)
        for waiting in (self._uncommitted, self._unacknowledged):
            while waiting and at_ns - waiting[0].at_ns > AGE_NS_MAX:
                waiting.popleft().fail(at_ns, TIMEOUT)


def _place(entry: EntryId) -> dict[str, int]:
    return {"kvorum.index": entry.index, "kvorum.term": entry.term}
