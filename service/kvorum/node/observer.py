"""The node's story for people: events of the core as log lines and counters.

A quiet cluster logs nothing here; an election tells who asked, who refused and why.
"""

import logging
from collections.abc import Callable

from kvorum.raft.ready import Event, EventKind
from kvorum.raft.types import NodeId, Term
from kvorum.telemetry.raft_metrics import RaftMetrics

_log = logging.getLogger("kvorum.raft")

_STORY = {
    EventKind.PRE_CAMPAIGN: "no leader heard: asking whether a majority would elect this node",
    EventKind.CAMPAIGN: "campaigning",
    EventKind.VOTE: "granted a vote",
    EventKind.REFUSE_VOTE: "refused a vote",
    EventKind.LEADER: "this node leads",
    EventKind.FOLLOW: "following a leader",
    EventKind.STEP_DOWN: "no longer leads",
    EventKind.TRUNCATE: "removed entries that a former leader never committed",
    EventKind.REFUSE_APPEND: "cannot append yet",
    EventKind.LOST_ENTRIES: "a follower has lost what it acknowledged: was its disk replaced?",
    EventKind.MEMBERSHIP: "another membership is in force",
    EventKind.REMOVED: "this node is no member of the cluster any more",
    EventKind.SEND_SNAPSHOT: "a follower needs entries that are gone: sending it a snapshot",
    EventKind.INSTALL_SNAPSHOT: "took over a snapshot from the leader",
    EventKind.TRANSFER: "handing leadership over",
    EventKind.TRANSFER_FAILED: "could not hand leadership over: this node goes on leading",
}
_ROUTINE = {EventKind.REFUSE_APPEND}  # every catch-up begins with some
_ALARMING = {
    EventKind.STEP_DOWN,
    EventKind.LOST_ENTRIES,
    EventKind.REMOVED,
    EventKind.TRANSFER_FAILED,
}


class NodeObserver:
    def __init__(self, metrics: RaftMetrics, name_of: Callable[[str], str]) -> None:
        self._metrics = metrics
        self._name_of = name_of
        self._leaderless_told = False

    def event(self, event: Event) -> None:
        self._metrics.event(event)
        level = self._level(event)
        fields: dict[str, object] = {"term": event.term}
        if event.node is not None:
            fields["peer"] = self._name_of(event.node)
        if event.why:
            fields["why"] = event.why
        _log.log(level, _STORY[event.kind], extra=fields)

    def _level(self, event: Event) -> int:
        kind = event.kind
        if kind in _ROUTINE or event.why.startswith("pre-vote"):
            return logging.DEBUG
        if kind in _ALARMING:
            return logging.WARNING
        if kind is EventKind.PRE_CAMPAIGN:
            # A node that is cut off asks again and again: once is enough for people.
            told, self._leaderless_told = self._leaderless_told, True
            return logging.DEBUG if told else logging.INFO
        return logging.INFO

    def inbox_full(self, dropped: int) -> None:
        self._metrics.inbox_dropped(dropped)

    def leader_changed(self, term: Term, leader: NodeId | None) -> None:
        """``leader`` is None when the one known was lost."""
        self._metrics.leader_changed(term, leader)
        if leader is None:
            _log.warning("no leader is known", extra={"term": term})
        else:
            self._leaderless_told = False
