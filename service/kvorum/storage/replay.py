"""What the batches of a log add up to, behind a snapshot.

Later batches replace what earlier ones said. Only what stands behind the snapshot is
kept; of what is before, the terms, to see whether log and snapshot are of one history.
"""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from kvorum.errors import CorruptLog
from kvorum.raft.types import Entry, EntryId, HardState, Index, Term
from kvorum.storage.record import Batch
from kvorum.storage.usage import Usage


class Replay:
    """The state machine of a log; ``entries`` are those behind the snapshot."""

    def __init__(self, snapshot: EntryId, *, whole: bool) -> None:
        """``snapshot``: the last entry it covers. ``whole``: nothing of the log was released."""
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        self.usage = Usage()
        self._snapshot = snapshot
        self._whole = whole
        # What is stored begins behind ``start``: the base that the log names, or whatever
        # precedes its first entry, of unknown term then.
        self._start: Index | None = Index(0) if whole else None
        self._start_term: Term | None = Term(0) if whole else None
        self._end = Index(0)  # the last entry stored, or the start
        self._runs: list[tuple[Index, Term]] = []  # first entry of each term
        self._has_state = False

    def apply(self, path: Path, size_bytes: int, batches: Iterator[tuple[int, Batch]]) -> None:
        """All batches of one segment of that size, each with its offset."""
        self.usage.begin(path, size_bytes)
        for offset, batch in batches:
            if batch.hard_state is not None:
                if batch.hard_state.term < self.hard_state.term:
                    raise CorruptLog(str(path), offset, "the current term goes back")
                self.hard_state = batch.hard_state
                self._has_state = True
            if batch.base is not None:
                self._begin_behind(batch.base.index, batch.base.term)
            if batch.entries:
                self._append(path, offset, batch.entries)
            self.usage.note(batch.highest, batch.hard_state is not None, batch.base is not None)

    def _begin_behind(self, index: Index, term: Term | None) -> None:
        self._start = self._end = index
        self._start_term = term
        self._runs.clear()
        self.entries.clear()

    def _append(self, path: Path, offset: int, new: list[Entry]) -> None:
        first = new[0].index
        if self._start is None or (self._start_term is None and first <= self._start):
            # What precedes it was released, or is replaced together with all that is known.
            self._begin_behind(Index(max(0, first - 1)), None)
        if self._start is None or not self._start < first <= self._end + 1:
            reason = f"entry {first} follows entry {self._end}"
            raise CorruptLog(str(path), offset, reason)
        self._truncate(first)
        term = self._runs[-1][1] if self._runs else self._start_term or Term(0)
        for entry in new:
            if entry.term != term:
                if entry.term < term:
                    reason = f"entry {entry.index} is of term {entry.term}, the one before of "
                    raise CorruptLog(str(path), offset, f"{reason}{term}")
                term = entry.term
                self._runs.append((entry.index, term))
        self._end = new[-1].index
        covered = max(0, self._snapshot.index + 1 - first)
        self.entries += new[covered:] if covered else new

    def _truncate(self, first: Index) -> None:
        """Entries from ``first`` on are replaced."""
        if first > self._end:
            return
        while self._runs and self._runs[-1][0] >= first:
            del self._runs[-1]
        if self.entries:
            del self.entries[max(0, first - self.entries[0].index) :]

    # --- the end ---------------------------------------------------------------------------

    def settle(self, path: Path, offset: int) -> bool:
        """Judge the whole; whether the log is void, being older than the snapshot.

        Then a crash came between the snapshot and the record that names it as base, or the
        snapshot covers entries that were committed elsewhere before they were stored here.
        """
        snapshot = self._snapshot
        reason = self._impossible()
        if reason is not None:
            raise CorruptLog(str(path), offset, reason)
        reason = self._gap()
        if reason is not None:
            raise CorruptLog(str(self.usage.oldest), 0, reason)
        void = not self._holds_snapshot()
        if void:
            self.entries.clear()
        commit = Index(max(self.hard_state.commit, snapshot.index))
        if self.hard_state.term < snapshot.term:
            # That term had not been stored here: so no vote in it was given.
            self.hard_state = HardState(snapshot.term, None, commit)
        else:
            self.hard_state = replace(self.hard_state, commit=commit)
        return void

    def _impossible(self) -> str | None:
        commit, snapshot = self.hard_state.commit, self._snapshot
        if not self._whole and not self._has_state:
            return "no hard state is in the log, but its first segments were released"
        if commit > max(self._end, snapshot.index):
            return f"entry {commit} was committed, but the log ends with entry {self._end}"
        if self._start is None or not self._start <= snapshot.index <= self._end:
            return None
        settled = commit >= snapshot.index or self._start == snapshot.index
        if settled and not self._holds_snapshot():
            return (
                f"its committed entry {snapshot.index} is not of term {snapshot.term} like that "
                "with which the snapshot ends: they are not of one history"
            )
        return None

    def _gap(self) -> str | None:
        start, snapshot = self._start, self._snapshot.index
        if start is None and not snapshot:
            return "what stood before it was released, and the snapshot that covers it is missing"
        if start is None or start <= snapshot:
            return None
        term = "" if self._start_term is None else f" of term {self._start_term}"
        found = f"ends with entry {snapshot}" if snapshot else "does not exist"
        return (
            f"the log continues a snapshot that ends with entry {start}{term}, "
            f"but the newest sound one {found}"
        )

    def _holds_snapshot(self) -> bool:
        """Whether what is stored behind the snapshot continues it."""
        start, snapshot = self._start, self._snapshot
        if start is None or self._end < snapshot.index:
            return False
        if start == snapshot.index:
            return self._start_term in {None, snapshot.term}
        return start > snapshot.index or self._term_at(snapshot.index) == snapshot.term

    def _term_at(self, index: Index) -> Term | None:
        run = bisect_right(self._runs, index, key=lambda run: run[0])
        return self._runs[run - 1][1] if run else self._start_term
