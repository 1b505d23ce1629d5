"""Do the replicas still hold the same state?

Whenever the log's own time crosses a multiple of the interval, every replica is at the
same entry with what should be the same state. Each tells the others its hash and compares
what it hears. The majority is right: a node that differs from it stops serving, because
whatever it answers may be wrong. Where no majority agrees, everyone only raises the alarm.
"""

import logging
from collections.abc import Callable

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.fence import Fence
from kvorum.node.ports import Peers
from kvorum.raft.core import Core
from kvorum.raft.messages import StateHash
from kvorum.raft.quorum import majority
from kvorum.raft.types import Index, NodeId
from kvorum.telemetry.state_metrics import StateMetrics

_log = logging.getLogger("kvorum.node")

CHECKS_KEPT_MAX = 8


class StateCheck:
    def __init__(
        self,
        core: Core,
        machine: StateMachine,
        *,
        peers: Peers,
        fence: Fence,
        metrics: StateMetrics,
        name_of: Callable[[str], str],
        interval_s: float,
    ) -> None:
        """``interval_s`` in the log's time; 0 turns the check off. Equal on all nodes."""
        self._core = core
        self._machine = machine
        self._peers = peers
        self._fence = fence
        self._metrics = metrics
        self._name_of = name_of
        self._interval_ms = int(interval_s * 1000)
        self._period = 0
        self._hashes: dict[Index, dict[NodeId, int]] = {}  # by index, oldest first
        self._told: set[tuple[Index, NodeId]] = set()

    def applied(self, index: Index, _size_bytes: int) -> None:
        """Costs a division."""
        if not self._interval_ms:
            return
        period = self._machine.time_ms // self._interval_ms
        if period != self._period:
            self._period = period
            self._tell(index)

    def restored(self) -> None:
        """The state was replaced by a snapshot's."""
        if self._interval_ms:
            self._period = self._machine.time_ms // self._interval_ms

    def heard(self, message: StateHash) -> None:
        """Another replica's hash; of entries long gone or far away nothing is kept."""
        oldest = min(self._hashes, default=Index(0))
        if len(self._hashes) >= CHECKS_KEPT_MAX and message.index < oldest:
            return
        self._note(message.index, message.sender, message.hash)

    def _tell(self, index: Index) -> None:
        state = self._core.state
        value = self._machine.state_hash
        self._peers.send(
            [
                StateHash(to=peer, sender=state.node, term=state.term, index=index, hash=value)
                for peer in self._core.membership.peers_of(state.node)
            ]
        )
        self._note(index, state.node, value)

    def _note(self, index: Index, node: NodeId, value: int) -> None:
        self._hashes.setdefault(index, {})[node] = value
        while len(self._hashes) > CHECKS_KEPT_MAX:
            del self._hashes[min(self._hashes)]
        if index in self._hashes:
            self._compare(index)

    def _compare(self, index: Index) -> None:
        """Judge everyone who differs from the hash that a majority of the voters has."""
        by_node = self._hashes[index]
        voters = self._core.membership.voters
        values = [by_node[voter] for voter in voters if voter in by_node]
        right = max(sorted(set(values)), key=values.count, default=None)
        if right is None:
            return
        decided = values.count(right) >= majority(len(voters))
        if decided and self._core.state.node in by_node:
            self._metrics.checked()
        if not decided and (len(values) < len(voters) or len(set(values)) == 1):
            return
        for node, value in by_node.items():
            if value != right and (index, node) not in self._told:
                self._differs(index, node, decided=decided)

    def _differs(self, index: Index, node: NodeId, *, decided: bool) -> None:
        self._told = {told for told in self._told if told[0] in self._hashes} | {(index, node)}
        self._metrics.mismatch()
        _log.critical(
            "replicas differ: the state of a node is not that of the others",
            extra={"peer": self._name_of(node), "index": index, "majority": decided},
        )
        if decided and node == self._core.state.node:
            self._fence.raise_for(
                f"its state at index {index} differs from the majority's. Stop it, keep a copy of "
                "its data directory for the report, and replace it: see docs/membership.md, "
                "'a lost disk'"
            )
