"""The log as consensus sees it: entries in memory and three cursors over them.

``applied`` ≤ ``commit`` ≤ ``last``: what was handed to the state machine, what is
decided, what is here. ``stable`` ≤ ``last``: what this node's disk holds. The
cursors ``commit`` and ``stable`` are independent: a majority of others may decide
an entry before our own disk has it (§10.2.1).

Entry ``i`` stands at ``_entries[i - 1]``. The log begins at index 1 until
compaction gives it a later beginning.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from kvorum.raft.types import ORIGIN, Entry, EntryId, Index, Term

_term_of = attrgetter("term")

ENTRY_OVERHEAD_BYTES = 32
"""Roughly what an entry takes on the wire or on disk beside its data."""


class RaftLog:
    def __init__(self, entries: Sequence[Entry], commit: Index) -> None:
        """``entries`` are those found on disk, from index 1 on."""
        self._entries = list(entries)
        assert commit <= len(self._entries), "recovery verifies the commit hint"
        self.commit = commit
        self.applied = Index(0)
        self.stable = Index(len(self._entries))

    @property
    def last_index(self) -> Index:
        return Index(len(self._entries))

    @property
    def last(self) -> EntryId:
        return self._entries[-1].id if self._entries else ORIGIN

    def term_at(self, index: Index) -> Term | None:
        """Term of an entry; 0 before the first; None if there is no such entry."""
        if index == 0:
            return Term(0)
        return self._entries[index - 1].term if index <= len(self._entries) else None

    def contains(self, entry: EntryId) -> bool:
        """The consistency check of AppendEntries (§3.5)."""
        return self.term_at(entry.index) == entry.term

    def slice(self, first: Index, bytes_max: int) -> tuple[Entry, ...]:
        """Entries from ``first`` on: at least one if there is one, then up to ``bytes_max``."""
        end, size = first - 1, 0
        while end < len(self._entries):
            size += len(self._entries[end].data) + ENTRY_OVERHEAD_BYTES
            if size > bytes_max and end >= first:
                break
            end += 1
        return tuple(self._entries[first - 1 : end])

    def page(self, first: Index, limit: int) -> Sequence[Entry]:
        """At most ``limit`` entries from ``first`` on, for people to look at."""
        return self._entries[first - 1 : first - 1 + limit]

    # --- changing it -----------------------------------------------------------------

    def append(self, entry: Entry) -> None:
        """A leader's own new entry."""
        assert entry.index == self.last_index + 1, "a leader only appends (§3.6.3)"
        self._entries.append(entry)

    def splice(self, prev: Index, entries: Sequence[Entry]) -> Index | None:
        """Make the log agree with a leader's entries after ``prev`` (§3.5).

        Entries already here are kept: only a real conflict truncates, so that a
        delayed message cannot remove what a later one brought. Returns the index
        of the first entry removed, None if none was.
        """
        for offset, entry in enumerate(entries):
            at = prev + offset
            if at < len(self._entries):
                if self._entries[at].term == entry.term:
                    continue
                assert at >= self.commit, "a committed entry is never replaced (§3.6.3)"
                del self._entries[at:]
                self.stable = min(self.stable, Index(at))
                self._entries.extend(entries[offset:])
                return Index(at + 1)
            self._entries.extend(entries[offset:])
            break
        return None

    # --- conflict back-up (§3.5, "roll back quickly") -----------------------------------

    def conflict_at(self, prev: EntryId) -> EntryId:
        """Why ``prev`` is not here: our term there and where that term begins.

        Term 0 with our end + 1 says that the log is too short.
        """
        term = self.term_at(prev.index)
        if term is None:
            return EntryId(Term(0), Index(self.last_index + 1))
        return EntryId(term, Index(bisect_left(self._entries, term, key=_term_of) + 1))

    def next_to_try(self, conflict: EntryId) -> Index:
        """Where a leader should probe next, given a follower's conflict."""
        if not conflict.term:
            return conflict.index  # their log is too short: its end
        end = bisect_right(self._entries, conflict.term, key=_term_of)
        if end and self._entries[end - 1].term == conflict.term:
            return Index(end + 1)  # our last entry of that term may agree with theirs
        # All of ours after ``end`` are of later terms than anything theirs up to there.
        return min(Index(end + 1), conflict.index)

    # --- cursors ---------------------------------------------------------------------

    def unstable(self, bytes_max: int) -> tuple[Entry, ...]:
        """The next entries that this node's disk does not hold yet; see ``slice``."""
        return self.slice(Index(self.stable + 1), bytes_max)

    def uncommitted_bytes(self) -> int:
        """What is in the log without being decided."""
        return sum(len(entry.data) for entry in self._entries[self.commit :])

    def saved(self, last: EntryId) -> None:
        """The disk holds everything up to ``last``, unless it was replaced meanwhile."""
        if self.contains(last):
            self.stable = max(self.stable, last.index)

    def take_committed(self, limit: int, bytes_max: int) -> tuple[Entry, ...]:
        """The next committed entries for the state machine, each exactly once.

        At most ``limit``, and those after the first only within ``bytes_max``.
        """
        end, size = self.applied, 0
        while end < min(self.commit, self.applied + limit):
            size += len(self._entries[end].data)
            if size > bytes_max and end > self.applied:
                break
            end = Index(end + 1)
        committed = tuple(self._entries[self.applied : end])
        self.applied = end
        return committed
