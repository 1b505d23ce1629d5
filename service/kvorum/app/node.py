"""One node, put together from its parts; nothing here decides anything."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from random import SystemRandom

from kvorum.app.clock import SystemClock
from kvorum.mvcc.query import KeyRange
from kvorum.node.leader_view import labels_of
from kvorum.node.loading import Origin
from kvorum.node.member import Member, Ports
from kvorum.node.options import NodeOptions
from kvorum.node.ports import LogStore, SnapshotStore
from kvorum.node.samples import show_member
from kvorum.node.tracing.hub import NodeTracing
from kvorum.node.watching import Watch
from kvorum.raft.messages import Message
from kvorum.raft.types import Index, NodeId
from kvorum.telemetry.metrics import ServiceMetrics
from kvorum.telemetry.spans import Spans
from kvorum.transport.introduction import Assignment
from kvorum.transport.options import TransportOptions
from kvorum.transport.transport import Transport

_READINESS_INTERVAL_S = 0.1


class Node:
    """A member of a cluster without its front ends: the member and its transport."""

    def __init__(
        self,
        options: NodeOptions,
        origin: Origin,
        transport_options: TransportOptions,
        *,
        log: LogStore,
        snapshots: SnapshotStore,
        metrics: ServiceMetrics,
        assigned: Callable[[Assignment], None],
        spans: Spans | None = None,
    ) -> None:
        """Create it inside the event loop that runs it.

        ``assigned`` is called when the cluster gave this node, which has nothing (yet, or any
        more), another id: it must start anew under that. ``spans``: without, nothing is traced.
        """
        self._assigned = assigned
        tracing = None if spans is None else NodeTracing(spans, self._name_of)
        self.transport = Transport(
            transport_options,
            self._deliver,
            self,
            self._open_watch,
            observer=metrics.peers,
            calls=metrics.grpc,
            traces=tracing,
        )
        self.member = Member(
            options,
            origin,
            Ports(
                log=log,
                snapshots=snapshots,
                peers=self.transport,
                clock=SystemClock(),
                random_ticks=SystemRandom().randint,
                name_of=self._name_of,
                tracing=tracing,
            ),
            metrics.member,
        )
        self.service = self.member.service
        metrics.peers.name_by(lambda members: labels_of(members, self._name_of))
        show_member(self.member, metrics.member, self._name_of)

    def announce_stop(self) -> None:
        """Clients are to go elsewhere from now on; watchers are told where to go on."""
        self.service.announce_stop()
        self.member.hub.close()

    def give_up_requests(self) -> None:
        """Answer everyone who waits, and accept nobody any more."""
        self.member.give_up_requests()

    async def hand_over(self) -> None:
        """Before a leader stops: somebody else leads first, so that nobody waits (§3.10)."""
        await self.member.hand_over()

    async def report_readiness(self) -> None:
        """Keep the health service's word on this node true, until cancelled.

        Looked at now and then rather than at every change: readiness follows from half a
        dozen things, and only probes ask for it.
        """
        while True:
            self.transport.set_ready(self.service.is_ready()[0])
            await asyncio.sleep(_READINESS_INTERVAL_S)  # a poll: nothing tells of readiness

    # --- what the transport asks and tells ------------------------------------------------

    def _deliver(self, messages: Sequence[Message]) -> None:
        self.member.deliver(messages)

    def _open_watch(
        self, keys: KeyRange, *, from_revision: int | None, puts: bool, deletes: bool
    ) -> Watch:
        return self.service.watch(keys, from_revision=from_revision, puts=puts, deletes=deletes)

    def uid_of(self, member: NodeId) -> str | None:
        """The data directory that a member introduced itself with."""
        known = self.member.machine.members.get(member)
        return None if known is None else known.uid

    def is_virgin(self) -> bool:
        """Nothing was promised to anybody yet."""
        return not self.member.core.state.log.last_index

    def commit_index(self) -> Index:
        """Up to here the log is decided."""
        return self.member.core.state.log.commit

    def is_caught_up(self) -> bool:
        """What is decided is applied: it is known who introduced itself."""
        return self.member.machine.applied_index >= self.member.core.state.log.commit

    def undecided_uids(self, member: NodeId) -> Collection[str]:
        """Those with which a member introduces itself in entries not applied yet."""
        return self.member.undecided_uids(member)

    def is_learner(self, member: NodeId) -> bool:
        return member in self.member.core.membership.learners

    def on_lost(self, member: NodeId) -> None:
        self.member.upkeep.members.lost_disk(member)

    def on_assigned(self, assignment: Assignment) -> None:
        if assignment.begins_anew and not self.member.leadership.is_hopeless():
            return  # as with a removal: not while it is led
        self._assigned(assignment)

    def on_refused(self, why: str) -> None:
        self.member.leadership.refused(why)

    def on_removed(self, why: str) -> None:
        self.member.told_removed(why)

    def _name_of(self, member: str) -> str:
        """SELF_ID of a member; its id until it is known."""
        known = self.member.machine.members.get(member)
        return known.name if known else self.transport.directory.id_of(member) or member
