"""A whole driver on a bench: real core and state machine, everything outside by hand."""

import asyncio
from asyncio import Future, Task
from collections.abc import Sequence
from typing import Self, TypeVar

from prometheus_client import CollectorRegistry

from kvorum.mvcc.outcome import Outcome
from kvorum.node.loading import Origin
from kvorum.node.member import Member, Ports
from kvorum.node.options import NodeOptions
from kvorum.raft.membership import Membership
from kvorum.raft.messages import AppendEntries, AppendResponse, Message, VoteResponse
from kvorum.raft.types import ORIGIN, Entry, EntryId, HardState, Index, NodeId, Term
from kvorum.telemetry.metrics import MemberMetrics
from tests.support.memory_snapshots import MemorySnapshots
from tests.unit.node.fakes import (
    OPTIONS,
    OTHER,
    SELF,
    THIRD,
    FakeClock,
    ManualLog,
    RecordingPeers,
    introduced,
    settle,
)

M = TypeVar("M", bound=Message)

BLANK = HardState()


class DriverBench:
    """Use as a context manager: the driver runs until the end of the block."""

    def __init__(
        self,
        hard_state: HardState = BLANK,
        entries: Sequence[Entry] = (),
        node_options: NodeOptions = OPTIONS,
    ) -> None:
        self.clock = FakeClock()
        self.log, self.peers, self.snapshots = ManualLog(), RecordingPeers(), MemorySnapshots()
        self.options = node_options
        self.registry = CollectorRegistry()
        self.metrics = MemberMetrics(self.registry)
        self.member = Member(
            node_options,
            Origin(Membership((SELF, OTHER, THIRD)), introduced(), hard_state, entries),
            Ports(
                log=self.log,
                snapshots=self.snapshots,
                peers=self.peers,
                clock=self.clock,
                random_ticks=lambda _low, high: high,
                name_of=str,
            ),
            self.metrics,
        )
        member = self.member
        self.core, self.machine, self.turns = member.core, member.machine, member.turns
        self.log_time = member.log_time
        self.leadership, self.proposals, self.reads = (
            member.leadership,
            member.proposals,
            member.reads,
        )
        self.driver, self.service = member.driver, member.service
        self.task: Task[None]

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.driver.run())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        """The test has looked at the task's end if that is what it was about."""
        self.task.cancel()
        await asyncio.wait([self.task])

    # --- inputs ------------------------------------------------------------------------

    async def turn(self) -> None:
        self.turns.ask()
        await settle()

    async def tick(self, ticks: int = 1) -> None:
        """Let time pass in steps that are never too long to be made up."""
        for _ in range(ticks):
            self.clock.advance(self.options.tick_s * 1.000001)
            await self.turn()

    async def deliver(self, *messages: Message) -> None:
        self.driver.deliver(messages)
        await settle()

    async def put(self, request_id: str, value: bytes = b"1") -> "Future[Outcome]":
        """A write that has come as far as it can by itself."""
        writing = self.service.put(request_id, b"k", value)
        await settle()
        return writing

    async def saved(self) -> None:
        """The write that is out becomes durable."""
        self.log.complete()
        await settle()

    def dropped(self) -> float:
        """Messages that found the inbox full."""
        name = "kvorum_inbox_dropped_messages_total"
        return self.registry.get_sample_value(name) or 0.0

    async def lead(self, *, term: int = 1) -> None:
        """Elected by OTHER; the no-op is durable here and committed."""
        await self.tick(self.options.election_ticks_max + 1)
        for pre in (True, False):
            await self.deliver(_vote(term, pre=pre))
            await self.saved()
        assert self.leadership.is_leader
        await self.acknowledge(OTHER, self.core.state.log.last_index)
        self.peers.take()
        self.log.writes.clear()

    async def follow(self, *, term: int = 1) -> None:
        """OTHER leads; its term is durable here."""
        await self.deliver(append_from(OTHER, term=term))
        await self.saved()
        self.peers.take()
        self.log.writes.clear()

    async def acknowledge(self, sender: NodeId, match: int, *, read_round: int = 0) -> None:
        term = self.core.state.term
        await self.deliver(
            AppendResponse(
                to=SELF,
                sender=sender,
                term=term,
                success=True,
                match=Index(match),
                round=read_round,
            )
        )

    # --- outputs -----------------------------------------------------------------------

    def sent(self, kind: type[M]) -> list[M]:
        """Messages of one kind that have left so far."""
        return [message for message in self.peers.sent if isinstance(message, kind)]


def _vote(term: int, *, pre: bool) -> VoteResponse:
    return VoteResponse(to=SELF, sender=OTHER, term=Term(term), granted=True, pre=pre)


def append_from(
    sender: NodeId,
    *entries: Entry,
    term: int,
    prev: EntryId = ORIGIN,
    commit: int = 0,
) -> AppendEntries:
    return AppendEntries(
        to=SELF,
        sender=sender,
        term=Term(term),
        prev=prev,
        entries=entries,
        commit=Index(commit),
    )
