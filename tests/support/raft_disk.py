"""What survives a crash of a model node: its log, its snapshot, and the one save under way.

Recovery follows the rule of ``kvorum.storage``: the newest snapshot counts, and the log's
entries behind it only if the log is known to lead there.
"""

from collections.abc import Sequence

from msgspec import Struct

from kvorum.raft.membership import NOBODY, Membership
from kvorum.raft.ready import Save
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import ORIGIN, Entry, EntryId, HardState, Index

CHUNK_BYTES = 2
SNAPSHOT_BYTES = 5
"""So that a snapshot of the model takes three chunks, the last one smaller."""


class Recovered(Struct, frozen=True):
    """What a core resumes from."""

    hard_state: HardState
    membership: Membership
    base: EntryId
    entries: Sequence[Entry]

    @property
    def last_index(self) -> Index:
        return Index(self.base.index + len(self.entries))

    def holds(self, entry: EntryId) -> bool:
        """Whether the entry is here, or a snapshot that covers it."""
        at = entry.index - self.base.index
        return at <= 0 or (at <= len(self.entries) and self.entries[at - 1].id == entry)


class Disk:
    """``founding`` is the membership in force before the first entry."""

    def __init__(
        self, hard_state: HardState, entries: Sequence[Entry], founding: Membership = NOBODY
    ) -> None:
        self.hard_state = hard_state
        self.entries = list(entries)
        self.founding = founding
        self.base = ORIGIN  # what the log says that its entries follow
        self.snapshot: Snapshot | None = None
        self.part: tuple[Snapshot, int] | None = None  # being received, and how much of it
        self.writing: Save | None = None
        self.slow = False

    # --- the log -----------------------------------------------------------------------

    def begin(self, save: Save) -> None:
        assert self.writing is None, "one save at a time"
        self.writing = save

    def finish(self) -> Save:
        save = self.writing
        assert save is not None, "nothing is being written"
        self.store(save, len(save.entries))
        self.writing = None
        return save

    def crash(self, stored: int | None) -> None:
        """Power is lost: of the running save nothing (None) or the first entries are there."""
        if self.writing is not None and stored is not None:
            self.store(self.writing, min(stored, len(self.writing.entries)))
        self.writing = None

    def store(self, save: Save, count: int) -> None:
        entries = save.entries[:count]
        if save.base is not None:
            self.base, self.entries = save.base, []
        if entries:
            at = entries[0].index - self.base.index - 1
            assert 0 <= at <= len(self.entries), "a log has no holes"
            del self.entries[at:]
            self.entries += entries
        last_index = self.base.index + len(self.entries)
        assert save.hard_state.commit <= last_index, "a hint is true of any part of its save"
        self.hard_state = save.hard_state

    # --- starting ------------------------------------------------------------------------

    def recover(self) -> Recovered:
        """What a start finds; changes nothing."""
        if self.snapshot is None:
            assert self.base == ORIGIN, "a log that begins later needs its snapshot"
            return Recovered(self.hard_state, self.founding, ORIGIN, tuple(self.entries))
        last = self.snapshot.last
        behind = last.index - self.base.index
        assert behind >= 0, "a log does not begin behind the newest snapshot"
        leads_there = self.base == last or (
            behind <= len(self.entries) and behind > 0 and self.entries[behind - 1].id == last
        )
        kept = tuple(self.entries[behind:]) if leads_there else ()
        return Recovered(self.hard_state, self.snapshot.membership, last, kept)

    def restart(self) -> Recovered:
        """What a start finds is all that there is from now on."""
        found = self.recover()
        self.base, self.entries = found.base, list(found.entries)
        return found

    # --- snapshots -----------------------------------------------------------------------

    def keep(self, snapshot: Snapshot) -> None:
        """A snapshot is complete: from now on it is the newest one."""
        self.snapshot = snapshot
        self.part = None

    def received(self, snapshot: Snapshot) -> int:
        """How much of it is here."""
        if self.part is None or self.part[0] != snapshot:
            self.part = (snapshot, 0)
        return self.part[1]

    def receive(self, snapshot: Snapshot, offset: int, size_bytes: int) -> int:
        """Store a chunk if it continues what is here; how much there is then."""
        have = self.received(snapshot)
        if offset == have:
            have += size_bytes
            self.part = (snapshot, have)
        return have
