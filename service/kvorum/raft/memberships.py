"""The memberships that a log holds, each with the entry from which on it is in force (§4.1)."""

from collections.abc import Iterable

from kvorum.raft.membership import Membership, decode_membership
from kvorum.raft.types import Entry, EntryKind, Index


class Memberships:
    """In the order of the log; the first one is in force at the log's base."""

    def __init__(self, base: Index, membership: Membership, entries: Iterable[Entry]) -> None:
        """``ValueError`` for a membership that this release cannot read."""
        self._known = [(base, membership)]
        for entry in entries:
            if entry.kind is EntryKind.MEMBERSHIP:
                self.add(entry)

    @property
    def latest(self) -> Membership:
        return self._known[-1][1]

    @property
    def latest_index(self) -> Index:
        """The entry that put the latest in force; the base if no entry here did."""
        return self._known[-1][0]

    def at(self, index: Index) -> Membership:
        """The one in force at ``index``, which is not below the log's base."""
        assert index >= self._known[0][0], "what was in force there is forgotten"
        return next(known for begin, known in reversed(self._known) if begin <= index)

    def since(self, index: Index) -> tuple[Membership, ...]:
        """The one in force at ``index`` and those that follow it."""
        return (self.at(index), *(known for begin, known in self._known if begin > index))

    def after(self, index: Index) -> Index | None:
        """Where the next one behind ``index`` begins."""
        return next((begin for begin, _ in self._known if begin > index), None)

    # --- changing with the log -----------------------------------------------------------

    def add(self, entry: Entry) -> bool:
        """An entry of the kind MEMBERSHIP; false if it is known already."""
        if entry.index <= self.latest_index:
            return False
        self._known.append((entry.index, decode_membership(entry.data)))
        return True

    def truncate(self, first: Index) -> None:
        """The log lost its entries from ``first`` on, and what they had put in force."""
        while self.latest_index >= first:
            self._known.pop()

    def compact(self, base: Index) -> None:
        """The log begins behind ``base`` now."""
        self._known = [
            (base, self.at(base)),
            *((begin, known) for begin, known in self._known if begin > base),
        ]

    def restart(self, base: Index, membership: Membership) -> None:
        """A snapshot took the log's place."""
        self._known = [(base, membership)]
