"""The log as consensus sees it: entries in memory and three cursors over them.

``applied`` ≤ ``commit`` ≤ ``last``: what was handed to the state machine, what is
decided, what is here. ``stable`` ≤ ``last``: what this node's disk holds. The
cursors ``commit`` and ``stable`` are independent: a majority of others may decide
an entry before our own disk has it (§10.2.1).

The log begins behind ``base``, the last entry that was compacted away (§5.1): entry ``i``
stands at ``_entries[i - 1 - base.index]``. Whatever a snapshot covers is committed, applied
and on disk, so that no cursor is ever below ``base``.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from kvorum.raft.types import ORIGIN, Entry, EntryId, Index, Term

_term_of = attrgetter("term")

FREED_MAX = 4096
"""Entries whose memory is given back at once, in less than a millisecond."""

ENTRY_OVERHEAD_BYTES = 32
"""Roughly what an entry takes on the wire or on disk beside its data."""


class RaftLog:
    def __init__(self, entries: Sequence[Entry], commit: Index, base: EntryId = ORIGIN) -> None:
        """``entries`` are those found on disk, from behind ``base`` on."""
        self._entries = list(entries)
        self._dropped: list[Entry] = []  # to be freed little by little
        self._set_base(base)
        assert not entries or entries[0].index == base.index + 1, "a log begins behind its base"
        assert commit <= self.last_index, "recovery verifies the commit hint"
        self.commit = max(commit, base.index)
        self.applied = base.index
        self.stable = self.last_index

    def _set_base(self, base: EntryId) -> None:
        self.base = base
        self._gone = base.index  # how many entries: the distance of index and position

    @property
    def first_index(self) -> Index:
        """Of the first entry that is here, or would be."""
        return Index(self._gone + 1)

    @property
    def last_index(self) -> Index:
        return Index(self._gone + len(self._entries))

    @property
    def last(self) -> EntryId:
        return self._entries[-1].id if self._entries else self.base

    def term_at(self, index: Index) -> Term | None:
        """Term of an entry; that of ``base`` is known too; None if there is no such entry."""
        at = index - self._gone
        if at > 0:
            return self._entries[at - 1].term if at <= len(self._entries) else None
        return None if at else self.base.term

    def contains(self, entry: EntryId) -> bool:
        """The consistency check of AppendEntries (§3.5)."""
        return self.term_at(entry.index) == entry.term

    def slice(self, first: Index, bytes_max: int) -> tuple[Entry, ...]:
        """Entries from ``first`` on: at least one if there is one, then up to ``bytes_max``."""
        begin = first - 1 - self._gone
        assert begin >= 0, "those before are gone"
        end, size = begin, 0
        while end < len(self._entries):
            size += len(self._entries[end].data) + ENTRY_OVERHEAD_BYTES
            if size > bytes_max and end > begin:
                break
            end += 1
        return tuple(self._entries[begin:end])

    def page(self, first: Index, limit: int) -> Sequence[Entry]:
        """At most ``limit`` of the entries here from ``first`` on, for people to look at."""
        begin = max(first - 1 - self._gone, 0)
        return self._entries[begin : begin + limit]

    def size_bytes(self, first: Index) -> int:
        """Data of the entries here from ``first`` on."""
        begin = max(first - 1 - self._gone, 0)
        return sum(len(entry.data) for entry in self._entries[begin:])

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
        begin = prev - self._gone
        assert begin >= 0, "what was compacted is not replaced"
        for offset, entry in enumerate(entries):
            at = begin + offset
            if at < len(self._entries):
                if self._entries[at].term == entry.term:
                    continue
                assert entry.index > self.commit, "a committed entry is never replaced (§3.6.3)"
                del self._entries[at:]
                self.stable = min(self.stable, self.last_index)
                self._entries.extend(entries[offset:])
                return entry.index
            self._entries.extend(entries[offset:])
            break
        return None

    # --- its beginning (§5.1) ----------------------------------------------------------

    def compact(self, index: Index) -> None:
        """Drop entries up to ``index``: a snapshot stands for them."""
        assert index <= min(self.applied, self.stable), "only what is done with may go"
        term = self.term_at(index)
        if term is None:
            return  # they are gone already
        count = index - self._gone
        self._dropped += self._entries[:count]
        self._entries = self._entries[count:]
        self._set_base(EntryId(term, index))

    def restart(self, base: EntryId) -> None:
        """A snapshot from elsewhere stands for everything up to ``base``; nothing else is kept."""
        assert base.index > self.commit, "committed entries are not thrown away"
        self._dropped += self._entries
        self._entries = []
        self._set_base(base)
        self.commit = self.applied = self.stable = base.index

    def give_back(self) -> None:
        """Free some of the memory of what was dropped: all of it at once would be a pause."""
        if self._dropped:
            del self._dropped[-FREED_MAX:]

    # --- conflict back-up (§3.5, "roll back quickly") -----------------------------------

    def conflict_at(self, prev: EntryId) -> EntryId:
        """Why ``prev`` is not here: our term there and where that term begins.

        Term 0 with our end + 1 says that the log is too short.
        """
        term = self.term_at(prev.index)
        if term is None:
            return EntryId(Term(0), Index(self.last_index + 1))
        first = bisect_left(self._entries, term, key=_term_of)
        return EntryId(term, Index(self._gone + first + 1))

    def next_to_try(self, conflict: EntryId) -> Index:
        """Where a leader should probe next, given a follower's conflict.

        At or below ``base`` it means that the follower needs entries which are gone.
        """
        if not conflict.term:
            return conflict.index  # their log is too short: its end
        end = Index(self._gone + bisect_right(self._entries, conflict.term, key=_term_of))
        if self.term_at(end) == conflict.term:
            return Index(end + 1)  # our last entry of that term may agree with theirs
        # All of ours after ``end`` are of later terms than anything theirs up to there.
        return min(Index(end + 1), conflict.index)

    # --- cursors ---------------------------------------------------------------------

    def unstable(self, bytes_max: int) -> tuple[Entry, ...]:
        """The next entries that this node's disk does not hold yet; see ``slice``."""
        return self.slice(Index(self.stable + 1), bytes_max)

    def saved(self, last: EntryId) -> None:
        """The disk holds everything up to ``last``, unless it was replaced meanwhile."""
        if self.contains(last):
            self.stable = max(self.stable, last.index)

    def take_committed(self, limit: int, bytes_max: int) -> tuple[Entry, ...]:
        """The next committed entries for the state machine, each exactly once.

        At most ``limit``, and those after the first only within ``bytes_max``.
        """
        begin = end = self.applied - self._gone
        commit, size = self.commit - self._gone, 0
        while end < min(commit, begin + limit):
            size += len(self._entries[end].data)
            if size > bytes_max and end > begin:
                break
            end += 1
        self.applied = Index(self._gone + end)
        return tuple(self._entries[begin:end])
