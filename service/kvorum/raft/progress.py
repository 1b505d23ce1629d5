"""What a leader knows of one follower, and how much it may send it.

*Probe*: the follower's log end is unknown; one message, then wait for its answer
or the next heartbeat. *Replicate*: the logs agree up to ``match``; send ahead of
the answers, within bounds on messages and bytes (§10.2.1 pipelining). A refusal
returns to probe. *Snapshot*: the entries it needs are gone; it gets a snapshot, one
chunk at a time, and replication goes on behind that (§5.3).
"""

from collections import deque
from enum import StrEnum

from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, Index

CONTRADICTIONS_MAX = 3


class ProgressState(StrEnum):
    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Progress:
    __slots__ = (
        "_contradictions",
        "_inflight",
        "_inflight_bytes",
        "_inflight_bytes_max",
        "_inflight_max",
        "asked_again",
        "asked_offset",
        "asked_ticks",
        "awaits",
        "commit_sent",
        "due",
        "has_answered",
        "match",
        "next",
        "recent_active",
        "round_acked",
        "round_sent",
        "silent_ticks",
        "snapshot",
        "state",
        "waiting",
    )

    def __init__(self, next_index: Index, *, inflight_max: int, inflight_bytes_max: int) -> None:
        self.match = Index(0)
        self.next = next_index
        self.state = ProgressState.PROBE
        self.waiting = False  # a probe is out
        self.due = True  # a heartbeat must go out even if there is nothing to say
        self.recent_active = True  # heard from since the last quorum check (§6.2)
        self.has_answered = False  # heard from at all
        self.silent_ticks = 0  # since it was heard, or this began
        self.commit_sent = Index(0)
        self.awaits = Index(0)  # clients there wait for this index, of a proposal or of a read
        self.round_sent = 0
        self.round_acked = 0
        self.snapshot: Snapshot | None = None  # what it is being sent
        self.asked_offset = 0  # where the chunk begins that was asked for last
        self.asked_ticks = 0  # and how long ago that was
        self.asked_again = False  # because no answer came
        self._contradictions = 0  # since its last acknowledgement
        self._inflight: deque[tuple[Index, int]] = deque()  # last index and bytes of each append
        self._inflight_bytes = 0
        self._inflight_max = inflight_max
        self._inflight_bytes_max = inflight_bytes_max

    # --- whether it lives --------------------------------------------------------------

    def heard(self) -> None:
        """It answered something in this term."""
        self.recent_active = True
        self.has_answered = True
        self.silent_ticks = 0

    def is_active(self, patience_ticks: int) -> bool:
        return self.has_answered and self.silent_ticks < patience_ticks

    # --- entries -----------------------------------------------------------------------

    @property
    def inflight(self) -> int:
        """AppendEntries with entries that were sent and not answered yet."""
        return len(self._inflight)

    def may_send_entries(self) -> bool:
        if self.state is not ProgressState.REPLICATE:
            return self.state is ProgressState.PROBE and not self.waiting
        return (
            len(self._inflight) < self._inflight_max
            and self._inflight_bytes < self._inflight_bytes_max
        )

    def sent(self, last: Index, size_bytes: int) -> None:
        """Entries up to ``last`` left for the follower."""
        if self.state is ProgressState.PROBE:
            self.waiting = True
            return
        self.next = Index(last + 1)
        self._inflight.append((last, size_bytes))
        self._inflight_bytes += size_bytes

    def accepted(self, match: Index) -> bool:
        """The follower holds everything up to ``match``; true if that is news."""
        while self._inflight and self._inflight[0][0] <= match:
            self._inflight_bytes -= self._inflight.popleft()[1]
        self.next = max(self.next, Index(match + 1))
        self.state = ProgressState.REPLICATE
        self.snapshot = None
        self.waiting = False
        self._contradictions = 0
        if match <= self.match:
            return False
        self.match = match
        return True

    def is_stale_refusal(self, rejected: Index) -> bool:
        """A refusal that says nothing new: delayed, or overtaken by an answer."""
        if self.state is ProgressState.SNAPSHOT:
            return True  # nothing that could be refused was sent since
        if self.state is ProgressState.PROBE:
            return rejected != self.next - 1
        return rejected <= self.match or rejected >= self.next

    def refused(self, next_index: Index) -> None:
        """Start over from ``next_index``, one message at a time."""
        self.next = max(Index(self.match + 1), next_index)
        self.state = ProgressState.PROBE
        self.waiting = False
        self._forget_inflight()

    def _forget_inflight(self) -> None:
        self._inflight.clear()
        self._inflight_bytes = 0

    def is_below_acknowledged(self, conflict: EntryId) -> bool:
        """Whether the follower insists that its log ends before what it acknowledged.

        One such refusal may be late; several without an acknowledgement between them
        say that its disk was lost or replaced.
        """
        if not conflict.term and conflict.index <= self.match:
            self._contradictions += 1
        return self._contradictions >= CONTRADICTIONS_MAX

    def forget(self) -> None:
        """Nothing that the follower ever acknowledged counts: it gets everything again."""
        self.match = Index(0)
        self._contradictions = 0

    def heartbeat(self) -> None:
        """Something must be sent now, however little.

        To a follower that is probed, a heartbeat is a probe without entries: should the
        first one be lost, its answer serves as well, and a dead node costs no bytes.
        """
        self.due = True

    # --- a snapshot ----------------------------------------------------------------------

    def send_snapshot(self, snapshot: Snapshot | None) -> None:
        """From its first byte on; the follower says if it has some already. None: it waits."""
        self.state = ProgressState.SNAPSHOT
        self.snapshot = snapshot
        self.asked_offset = self.asked_ticks = 0
        self.asked_again = False
        self._forget_inflight()

    def has_bytes(self, offset: int) -> bool:
        """The follower has that many of the snapshot; true if it should get the next ones now.

        An answer that brings nothing new counts only after an answer was missing: it may be
        late, and each chunk that one caused would cause the next. When all bytes are there,
        the acknowledgement of the last entry is what remains to come.
        """
        assert self.snapshot is not None, "asked only while one is being sent"
        if offset <= self.asked_offset and not self.asked_again:
            return False
        self.asked_offset, self.asked_ticks, self.asked_again = offset, 0, False
        return offset < self.snapshot.size_bytes

    def must_ask_again(self, patience_ticks: int) -> bool:
        """Whether an answer is missing although the follower was heard since."""
        if self.asked_ticks < patience_ticks or self.silent_ticks >= self.asked_ticks:
            return False
        self.asked_ticks, self.asked_again = 0, True
        return True
