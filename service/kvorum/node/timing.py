"""How long a leader waits for others: until entries are committed, until peers answer.

Only looks on: it is told what goes out and comes in, and what is in the log after each turn.
"""

from collections import deque
from collections.abc import Sequence

from kvorum.node.ports import Clock
from kvorum.raft.messages import AppendEntries, AppendResponse, Message
from kvorum.raft.state import State
from kvorum.raft.types import Index, NodeId, Role, Term
from kvorum.telemetry.distribution import Distribution
from kvorum.telemetry.replication_metrics import ReplicationMetrics


class Timing:
    """Called by the driver, in each turn."""

    def __init__(self, state: State, metrics: ReplicationMetrics, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._reign: Term | None = None  # the term that this node leads
        self._commits = CommitTimes(metrics.commits)
        self._round_trips = RoundTrips(metrics)
        self.applies = metrics.applies

    def heard(self, messages: Sequence[Message]) -> None:
        """They came from peers."""
        if self._reign is None:
            return
        now_s = self._clock.monotonic_s()
        for message in messages:
            if type(message) is AppendResponse and message.term == self._reign:
                self._round_trips.answered(message, now_s)

    def look(self) -> None:
        """Everything of this turn is in the log; nothing of it was sent yet."""
        state = self._state
        if state.role is not Role.LEADER:
            self._reign = None
        elif state.term == self._reign:
            self._commits.look(state.log.last_index, state.log.commit, self._clock)
        else:
            self._reign = state.term
            self._commits.begin(state.log.last_index)
            self._round_trips.begin()

    def sent(self, messages: Sequence[Message]) -> None:
        """They go to peers now."""
        if self._reign is None:
            return
        now_s = self._clock.monotonic_s()
        patience_ticks = self._state.options.election_ticks_max
        for message in messages:
            if type(message) is not AppendEntries:
                continue
            progress = self._state.progress.get(message.to)
            if progress is not None:
                is_silent = progress.silent_ticks >= patience_ticks
                self._round_trips.sent(message, now_s, is_silent=is_silent)


class CommitTimes:
    """From append to commit, for each entry of one reign: bounded by what is undecided.

    Those that a leader begins with are left out: nobody waits for the first, and who knows
    when the others were appended.
    """

    def __init__(self, durations: Distribution) -> None:
        self._durations = durations
        self._appended: deque[tuple[Index, float]] = deque()  # the last of each turn's, and when
        self._last = self._counted = Index(0)

    def begin(self, last: Index) -> None:
        """Another reign; the log ends with ``last``."""
        self._appended.clear()
        self._last = self._counted = last

    def look(self, last: Index, commit: Index, clock: Clock) -> None:
        """The log ends with ``last`` and is decided up to ``commit``."""
        if last == self._last and commit <= self._counted:
            return
        now_s = clock.monotonic_s()
        if last != self._last:
            self._appended.append((last, now_s))
            self._last = last
        appended = self._appended
        while appended and commit > self._counted:
            end, appended_s = appended[0]
            decided = min(end, commit)
            self._durations.observe_alike(now_s - appended_s, decided - self._counted)
            self._counted = decided
            if decided == end:
                appended.popleft()


_NOTHING = -1
"""No append is timed, or nothing marks its answer in that way."""


class _Peer:
    """Of the append that is timed, when it was sent and what marks its answer.

    ``is_quiet``: whatever was sent is answered, as far as one can know.
    """

    __slots__ = ("durations", "is_quiet", "match", "round", "sent_match", "sent_round", "sent_s")

    def __init__(self, durations: Distribution) -> None:
        self.durations = durations
        self.sent_s: float = _NOTHING
        self.match = self.round = _NOTHING
        self.sent_match = 0  # the last entry ever sent to it
        self.sent_round = 0
        self.is_quiet = True

    def sent(self, end: int, entries: int, read_round: int, now_s: float) -> None:
        """An append whose last entry, or what precedes it, is ``end``."""
        if self.match == self.round:  # nothing marks an answer: then the next one counts
            self._choose(end, entries, read_round, now_s)
        if entries and end > self.sent_match:
            self.sent_match = end
        self.sent_round = read_round
        self.is_quiet = False

    def _choose(self, end: int, entries: int, read_round: int, now_s: float) -> None:
        """Whether this append is to be timed."""
        self.sent_s = now_s
        if entries and end > self.sent_match:
            self.match = end
        elif read_round > self.sent_round:
            self.round = read_round
        elif entries or not self.is_quiet:
            self.sent_s = _NOTHING

    def answered(self, response: AppendResponse, now_s: float) -> None:
        if not response.success:
            self.forget()  # it has to be sent something else first
            return
        self.is_quiet = response.match >= self.sent_match
        is_it = response.match >= self.match and response.round >= self.round
        if is_it and self.sent_s != _NOTHING:
            self.durations.observe(now_s - self.sent_s)
            self.forget()

    def forget(self) -> None:
        """Nothing is timed until the next append."""
        self.sent_s = self.match = self.round = _NOTHING


class RoundTrips:
    """Times one append at a time for each peer.

    Answers do not name what they answer. New entries are answered by an acknowledgement of the
    last of them, a new round of leadership checks by its number. A plain heartbeat is timed
    only if everything before was answered and nothing else is sent before the answer; so one
    that gets lost spoils no later one.
    """

    def __init__(self, metrics: ReplicationMetrics) -> None:
        self._metrics = metrics
        self._peers: dict[NodeId, _Peer] = {}

    def begin(self) -> None:
        """Another reign: who is a peer, and what was sent, begins anew."""
        self._peers.clear()

    def sent(self, append: AppendEntries, now_s: float, *, is_silent: bool = False) -> None:
        """``is_silent``: the peer seems to be away, and an answer would time its absence."""
        peer = self._peers.get(append.to)
        if peer is None:
            peer = self._peers[append.to] = _Peer(self._metrics.round_trips(append.to))
        entries = len(append.entries)
        peer.sent(append.prev.index + entries, entries, append.round, now_s)
        if is_silent:
            peer.forget()

    def answered(self, response: AppendResponse, now_s: float) -> None:
        peer = self._peers.get(response.sender)
        if peer is not None:
            peer.answered(response, now_s)
