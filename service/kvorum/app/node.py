"""One node, put together from its parts; nothing here decides anything."""

import asyncio
from collections.abc import Sequence
from random import SystemRandom

from prometheus_client import CollectorRegistry

from kvorum.app.clock import SystemClock
from kvorum.app.options import core_options
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.applier import Applier
from kvorum.node.driver import Driver
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.log_time import LogTime
from kvorum.node.observer import NodeObserver
from kvorum.node.options import NodeOptions
from kvorum.node.ports import LogStore
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Reads
from kvorum.node.service import KvService
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership
from kvorum.raft.messages import Message
from kvorum.raft.types import Entry, HardState
from kvorum.telemetry.metrics import NodeCollector, NodeSample, PeerMetrics, RaftMetrics
from kvorum.transport.options import TransportOptions
from kvorum.transport.transport import Transport

_READINESS_INTERVAL_S = 0.1


class Node:
    """A member of a cluster without its front ends: driver, transport, service."""

    def __init__(
        self,
        options: NodeOptions,
        membership: Membership,
        transport_options: TransportOptions,
        *,
        hard_state: HardState,
        entries: Sequence[Entry],
        log: LogStore,
        registry: CollectorRegistry,
    ) -> None:
        """Create it inside the event loop that runs it."""
        clock, wake = SystemClock(), asyncio.Event()
        metrics, log_time = RaftMetrics(registry), LogTime(clock)
        self._machine = StateMachine()
        self._core = Core(
            core_options(options), membership, SystemRandom().randint, hard_state, entries
        )
        self._leadership = LeadershipWatch(options, clock)
        self._proposals = Proposals(options, clock, self._leadership, metrics, wake.set)
        self._reads = Reads(options, clock, self._leadership, metrics, wake.set)
        self.transport = Transport(transport_options, self._deliver, observer=PeerMetrics(registry))
        self.driver = Driver(
            options,
            self._core,
            log=log,
            peers=self.transport,
            applier=Applier(self._machine, self._proposals, log_time),
            proposals=self._proposals,
            reads=self._reads,
            leadership=self._leadership,
            observer=NodeObserver(metrics, self._name_of),
            clock=clock,
            log_time=log_time,
            wake=wake,
        )
        self.service = KvService(
            options,
            self._core,
            self._machine,
            proposals=self._proposals,
            reads=self._reads,
            leadership=self._leadership,
            name_of=self._name_of,
            request_id_prefix=f"{options.incarnation:x}",
        )
        NodeCollector(self._sample, registry)

    def give_up_requests(self) -> None:
        """Answer everyone who waits, and accept nobody any more."""
        self._proposals.close()
        self._reads.close()

    async def report_readiness(self) -> None:
        """Keep the health service's word on this node true, until cancelled.

        Looked at now and then rather than at every change: readiness follows from half a
        dozen things, and only probes ask for it.
        """
        while True:
            self.transport.set_ready(self.service.is_ready()[0])
            await asyncio.sleep(_READINESS_INTERVAL_S)

    def _deliver(self, messages: Sequence[Message]) -> None:
        self.driver.deliver(messages)

    def _name_of(self, address: str) -> str:
        """SELF_ID of a member; its address until it has been met."""
        return self.transport.directory.id_of(address) or address

    def _sample(self) -> NodeSample:
        state, machine, leadership = self._core.state, self._machine, self._leadership
        return NodeSample(
            term=state.term,
            commit_index=state.log.commit,
            applied_index=machine.applied_index,
            last_index=state.log.last_index,
            is_leader=leadership.is_leader,
            has_leader=leadership.leader is not None,
            proposals_pending=self._proposals.pending,
            reads_pending=self._reads.pending,
            keys=machine.key_count,
            store_bytes=machine.size_bytes,
            revision=machine.revision,
            outcomes=machine.outcome_count,
        )
