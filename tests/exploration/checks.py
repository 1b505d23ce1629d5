"""What must hold in every state of the cluster (Raft paper, Figure 3).

Durable before said, one step at a time and no way back are checked where a node takes the
step; here is what only somebody can see who sees all nodes at once.
"""

from collections.abc import Sequence

from kvorum.raft.membership import Membership, decode_membership
from kvorum.raft.types import ORIGIN, Entry, EntryId, EntryKind, NodeId, Term
from tests.exploration.local import Facts
from tests.exploration.numbering import Numbers
from tests.support.raft_invariants import require

Log = tuple[Entry, ...]


def wins_alone(leaders: Sequence[int], term: Term, node: int) -> None:
    """Election safety: a term is won once, by one node."""
    earlier = leaders[term]
    require(earlier < 0, "election safety: two winners", f"term {term}", node + 1, earlier + 1)


def same_decision(decided: Log, handed_out: Log) -> Log:
    """State-machine safety; returns all that is decided now."""
    for entry in handed_out:
        if entry.index <= len(decided):
            known = decided[entry.index - 1]
            require(known == entry, "state-machine safety", known, entry)
        else:
            decided = (*decided, entry)
    return decided


class Checks:
    """Checks of several logs, each done once."""

    def __init__(self, logs: Numbers[Log], ids: Sequence[NodeId], base: Membership) -> None:
        """``base``: the membership in force where all logs begin."""
        self._logs = logs
        self._ids = ids
        self._base = base
        self._done: set[tuple[object, ...]] = set()

    def cluster(self, nodes: Sequence[Facts], decided_number: int, last_won: int) -> None:
        """``last_won``: the latest term that anyone ever led."""
        leads = [facts.log for facts in nodes if facts.leads and facts.term == last_won]
        logs = tuple(facts.log for facts in nodes)
        disks = tuple(facts.disk for facts in nodes)
        key = (logs, disks, decided_number, *leads)
        if key in self._done:
            return
        self._done.add(key)
        decided = self._logs[decided_number]
        self._matching(logs)
        self._matching(disks)
        for candidates in (logs, disks):
            self._electable([self._logs[number] for number in candidates], decided)
        for log in leads:
            self._complete(self._logs[log], decided)

    def decided(self, new: Log, disks: Sequence[int]) -> None:
        """A joint membership is decided by a majority of each set of voters (§4.3).

        Called when ``new`` entries were decided that nobody had decided before.
        """
        for entry in new:
            if entry.kind is not EntryKind.MEMBERSHIP:
                continue
            holders = [n for n, at in zip(self._ids, disks, strict=True) if entry in self._logs[at]]
            for majority in decode_membership(entry.data).majorities:
                enough = sum(one in holders for one in majority) * 2 > len(majority)
                require(enough, "decided by each majority", entry.id, majority, holders)

    def acknowledged(self, disk: int, leader: int, match: int) -> None:
        """An acknowledgement to the leader of its term speaks of that leader's entries."""
        stored, meant = self._logs[disk][:match], self._logs[leader][:match]
        require(stored == meant, "acknowledged what is stored", stored, meant)

    def _matching(self, numbers: Sequence[int]) -> None:
        for at, one in enumerate(numbers):
            for other in numbers[at + 1 :]:
                log_matching(self._logs[one], self._logs[other])

    def _complete(self, log: Log, decided: Log) -> None:
        """Leader completeness: the leader of the last term has all that is decided."""
        require(log[: len(decided)] == decided, "leader completeness", log, decided)

    def _electable(self, logs: Sequence[Log], decided: Log) -> None:
        """The same for leaders to come: whoever lacks a decision cannot win (§3.6.3).

        It holds before any election takes place, so a mistake is found many steps earlier.
        """
        for node, log in zip(self._ids, logs, strict=True):
            if log[: len(decided)] == decided:
                continue
            membership = membership_of(log, self._base)
            voters = [n for n, other in zip(self._ids, logs, strict=True) if _grants(other, log)]
            won = all(
                sum(one in voters for one in majority) * 2 > len(majority)
                for majority in membership.majorities
            )
            require(
                not won or not membership.is_voter(node),
                "one that lacks a decision may win",
                node,
                log,
                decided,
            )


def _grants(voter: Log, candidate: Log) -> bool:
    """The restriction of §3.6.1."""
    return last_of(voter) <= last_of(candidate)


def membership_of(log: Log, base: Membership) -> Membership:
    """The latest in the log (§4.1)."""
    found = (entry for entry in reversed(log) if entry.kind is EntryKind.MEMBERSHIP)
    latest = next(found, None)
    return base if latest is None else decode_membership(latest.data)


def log_matching(one: Log, other: Log) -> None:
    """Two logs with the same term at an index are the same up to it."""
    agreed = [at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a.term == b.term]
    if agreed:
        end = agreed[-1] + 1
        require(one[:end] == other[:end], "log matching", one[:end], other[:end])


def last_of(log: Log) -> EntryId:
    return log[-1].id if log else ORIGIN
