"""One member, put together from its parts: everything but front ends, network and disk.

The process and the simulator run exactly this; only the ports differ.
"""

import asyncio
import logging
from asyncio import Future, TaskGroup
from collections.abc import Callable, Sequence

from msgspec import Struct

from kvorum.errors import Conflict, Rejected
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.applier import Applier
from kvorum.node.driver import Driver
from kvorum.node.fence import Fence
from kvorum.node.gathering import Gathering
from kvorum.node.handover import Handover
from kvorum.node.housekeeping import Housekeeping, Stamps
from kvorum.node.introduction import Introductions, uids_in
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.loading import Origin
from kvorum.node.log_time import LogTime
from kvorum.node.members import Members
from kvorum.node.observer import NodeObserver
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock, LogStore, Peers, SnapshotStore
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Reads
from kvorum.node.service import KvService
from kvorum.node.snapshot_exchange import SnapshotCollector, SnapshotSender
from kvorum.node.snapshotting import SnapshotTaker
from kvorum.node.stall import StallWatch
from kvorum.node.state_check import StateCheck
from kvorum.node.timing import Timing
from kvorum.node.tracing.hub import NodeTracing
from kvorum.node.tracing.parts import (
    TracedApplier,
    TracedProposals,
    TracedReads,
    either,
    log_store,
)
from kvorum.node.turns import Turns
from kvorum.node.upkeep import Upkeep
from kvorum.node.watch_hub import WatchHub
from kvorum.raft.config import CoreOptions, RandomTicks
from kvorum.raft.core import Core
from kvorum.raft.messages import Message
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Index, NodeId, Role
from kvorum.telemetry.metrics import MemberMetrics

_log = logging.getLogger("kvorum.node")


class Ports(Struct, frozen=True):
    """The world of a member."""

    log: LogStore
    snapshots: SnapshotStore
    peers: Peers
    clock: Clock
    random_ticks: RandomTicks
    name_of: Callable[[str], str]  # SELF_ID of a member, its id until it is known
    tracing: NodeTracing | None = None


class Member:
    """Create it inside the event loop that runs it, then ``run``."""

    def __init__(
        self, options: NodeOptions, origin: Origin, ports: Ports, metrics: MemberMetrics
    ) -> None:
        clock = ports.clock
        turns = self.turns = Turns()
        self.options = options
        self.machine = origin.machine
        self.core = Core(
            core_options(options),
            origin.membership,
            ports.random_ticks,
            origin.hard_state,
            origin.entries,
            origin.base,
            is_introduced=self._is_introduced,
        )
        self._ports = ports
        self._metrics = metrics
        self.fence = Fence()
        self.leadership = LeadershipWatch(options, clock)
        tracing = ports.tracing
        self.proposals = either(tracing, Proposals, TracedProposals)(
            options, clock, self.leadership, metrics.raft, turns.ask_to_write
        )
        self.reads = either(tracing, Reads, TracedReads)(
            options, clock, self.leadership, metrics.raft, Gathering(turns.later, turns.ask)
        )
        self.log_time = LogTime(clock, self._makes_the_time)
        self.log_time.observe(self.machine.time_ms)
        self.stamps = Stamps(options, self.log_time)
        self.hub = WatchHub(
            self.machine,
            watchers_max=options.watchers_max,
            buffer_events_max=options.watch_buffer_events_max,
            metrics=metrics.watches,
        )
        self._freezing = asyncio.Lock()
        self._taker = self._snapshot_taker()
        self._collector = self._snapshot_collector()
        self.state_check = self._state_check()
        self.upkeep = self._upkeep()
        self.driver = self._driver(turns)
        self.service = self._service()
        self.fence.when_raised(self._on_fence)
        newest = ports.snapshots.newest
        if newest is not None:
            self._offer(newest)

    # --- life --------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. Any exception is final: the process ends, the disk remembers."""
        async with TaskGroup() as tasks:
            tasks.create_task(self.driver.run(), name="driver")
            tasks.create_task(self._taker.run(), name="snapshots")
            tasks.create_task(self._collector.run(), name="snapshot collector")
            tasks.create_task(self.upkeep.sender.run(), name="snapshot sender")

    def deliver(self, messages: Sequence[Message]) -> None:
        """Messages from peers."""
        if self._ports.tracing is not None:
            self._ports.tracing.delivered(messages)
        self.driver.deliver(messages)

    def give_up_requests(self) -> None:
        """Answer everyone who waits, and accept nobody any more."""
        self.proposals.close()
        self.reads.close()
        self.upkeep.close()
        self.hub.close()

    async def hand_over(self) -> None:
        """If this node leads, wait until another one does, or until that has failed."""
        if not self.leadership.is_leader:
            return
        try:
            await self.upkeep.handover.begin(None)
        except (Conflict, Rejected) as reason:
            _log.info("stopping as the leader: %s", reason)

    def told_removed(self, why: str) -> None:
        """A peer says that this node is no member any more; believed once nobody leads it."""
        if self.leadership.is_hopeless():
            self.fence.raise_for(f"it was removed from the cluster: {why}")

    def undecided_uids(self, member: NodeId) -> set[str]:
        """With which ``member`` introduces itself in entries that are not applied yet."""
        log = self.core.state.log
        first = Index(self.machine.applied_index + 1)
        return uids_in(log.page(first, log.last_index), member)

    def _is_introduced(self, member: NodeId) -> bool:
        return member in self.machine.members

    def _makes_the_time(self) -> bool:
        state = self.core.state
        return (
            state.role is Role.LEADER
            and state.log.term_at(Index(self.machine.applied_index)) == state.term
        )

    def _on_fence(self) -> None:
        self._set_able(False)
        self.give_up_requests()

    def _set_able(self, able: bool) -> None:
        self.core.set_able(able and self.fence.reason is None)

    # --- parts -------------------------------------------------------------------------

    def _snapshot_taker(self) -> SnapshotTaker:
        return SnapshotTaker(
            self.options,
            self.core,
            self.machine,
            store=self._ports.snapshots,
            clock=self._ports.clock,
            metrics=self._metrics.state,
            taken=self._on_snapshot,
            freezing=self._freezing,
        )

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        """The core keeps some entries for followers, the disk what the older snapshot lacks."""
        self._offer(snapshot)
        oldest = self._ports.snapshots.oldest
        if oldest is not None:
            # A failure shows at the next append: the log reports the first one for ever.
            released = self._ports.log.release(oldest.last.index)
            released.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _offer(self, snapshot: Snapshot) -> None:
        keep_from = snapshot.last.index - self.options.snapshot_keep_entries + 1
        self.driver.offer(snapshot, Index(max(1, keep_from)))

    def _snapshot_collector(self) -> SnapshotCollector:
        return SnapshotCollector(
            self.core,
            self.machine,
            store=self._ports.snapshots,
            peers=self._ports.peers,
            clock=self._ports.clock,
            metrics=self._metrics.state,
            install=self._install,
            freezing=self._freezing,
        )

    def _install(self, snapshot: Snapshot, machine: StateMachine) -> "Future[None]":
        return self.driver.install(snapshot, machine)

    def _state_check(self) -> StateCheck:
        check = StateCheck(
            self.core,
            self.machine,
            peers=self._ports.peers,
            fence=self.fence,
            metrics=self._metrics.state,
            name_of=self._ports.name_of,
            interval_s=self.options.state_check_interval_s,
        )
        check.restored()
        return check

    def _upkeep(self) -> Upkeep:
        options, core, clock = self.options, self.core, self._ports.clock
        return Upkeep(
            core,
            peers=self._ports.peers,
            housekeeping=Housekeeping(
                options,
                self.machine,
                stamps=self.stamps,
                leadership=self.leadership,
                wake=self.turns.ask,
            ),
            stall=StallWatch(options, clock, self._metrics.state, self._set_able),
            members=Members(options, core, clock, self.leadership, self.turns.ask),
            handover=Handover(options, core, clock, self.leadership, self.turns.ask),
            introductions=Introductions(
                options,
                self.machine,
                proposals=self.proposals,
                leadership=self.leadership,
                fence=self.fence,
                clock=clock,
            ),
            sender=SnapshotSender(
                core,
                store=self._ports.snapshots,
                peers=self._ports.peers,
                metrics=self._metrics.state,
                take_another=self._taker.take_another,
            ),
        )

    def _driver(self, turns: Turns) -> Driver:
        return Driver(
            self.options,
            self.core,
            log=log_store(self._ports.tracing, self._ports.log),
            peers=self._ports.peers,
            applier=either(self._ports.tracing, Applier, TracedApplier)(
                self.machine,
                self.proposals,
                self.log_time,
                (self.state_check, self._taker, self.upkeep.housekeeping, self.hub),
            ),
            proposals=self.proposals,
            reads=self.reads,
            leadership=self.leadership,
            collector=self._collector,
            state_check=self.state_check,
            upkeep=self.upkeep,
            fence=self.fence,
            observer=NodeObserver(self._metrics.raft, self._ports.name_of),
            timing=Timing(self.core.state, self._metrics.replication, self._ports.clock),
            clock=self._ports.clock,
            stamps=self.stamps,
            turns=turns,
            tracing=self._ports.tracing,
        )

    def _service(self) -> KvService:
        return KvService(
            self.options,
            self.core,
            self.machine,
            proposals=self.proposals,
            reads=self.reads,
            leadership=self.leadership,
            upkeep=self.upkeep,
            fence=self.fence,
            log_time=self.log_time,
            hub=self.hub,
            taker=self._taker,
            snapshots=self._ports.snapshots,
            name_of=self._ports.name_of,
            request_id_prefix=f"{self.options.incarnation:x}",
        )


def core_options(options: NodeOptions) -> CoreOptions:
    return CoreOptions(
        node=options.member,
        heartbeat_ticks=options.heartbeat_ticks,
        election_ticks_min=options.election_ticks_min,
        election_ticks_max=options.election_ticks_max,
    )
