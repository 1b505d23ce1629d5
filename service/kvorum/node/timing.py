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
        for message in messages:
            if type(message) is AppendEntries and message.to in self._state.progress:
                self._round_trips.sent(message, now_s)


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


class _Probe:
    """One append that is timed; whatever of the three is not None tells its answer."""

    __slots__ = ("match", "read_round", "sent_s")

    def __init__(self, sent_s: float, match: Index | None, read_round: int | None) -> None:
        self.sent_s = sent_s
        self.match = match
        self.read_round = read_round

    @property
    def is_plain(self) -> bool:
        """Nothing marks its answer: the next one is taken for it."""
        return self.match is None and self.read_round is None

    def is_answered_by(self, response: AppendResponse) -> bool:
        if self.match is not None:
            return response.match >= self.match
        return self.read_round is None or response.round >= self.read_round


class _Peer:
    """``is_quiet``: whatever was sent is answered, as far as one can know."""

    __slots__ = ("durations", "is_quiet", "probe", "sent_match", "sent_round")

    def __init__(self, durations: Distribution) -> None:
        self.durations = durations
        self.probe: _Probe | None = None
        self.sent_match = Index(0)  # the last entry ever sent to it
        self.sent_round = 0
        self.is_quiet = True


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

    def sent(self, append: AppendEntries, now_s: float) -> None:
        peer = self._peers.get(append.to)
        if peer is None:
            peer = self._peers[append.to] = _Peer(self._metrics.round_trips(append.to))
        end = Index(append.prev.index + len(append.entries))
        if peer.probe is None or peer.probe.is_plain:
            peer.probe = _probe_of(append, peer, end, now_s)
        if append.entries:
            peer.sent_match = max(peer.sent_match, end)
        peer.sent_round = append.round
        peer.is_quiet = False

    def answered(self, response: AppendResponse, now_s: float) -> None:
        peer = self._peers.get(response.sender)
        if peer is None:
            return
        if not response.success:
            peer.probe = None  # it has to be sent something else first
            return
        peer.is_quiet = response.match >= peer.sent_match
        if peer.probe is not None and peer.probe.is_answered_by(response):
            peer.durations.observe(now_s - peer.probe.sent_s)
            peer.probe = None


def _probe_of(append: AppendEntries, peer: _Peer, end: Index, now_s: float) -> _Probe | None:
    if append.entries and end > peer.sent_match:
        return _Probe(now_s, end, None)
    if append.round > peer.sent_round:
        return _Probe(now_s, None, append.round)
    return _Probe(now_s, None, None) if peer.is_quiet and not append.entries else None
