"""A one-node ``KvService`` in memory, on the real state machine; answers can be held or failed."""

import asyncio
from asyncio import Future
from typing import TypeVar, cast

import msgspec
from prometheus_client import CollectorRegistry

from kvorum.errors import Conflict
from kvorum.mvcc.command import Command, Stamp, decode_batch, encode_batch, encode_command
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.claims import Claims
from kvorum.node.fence import Fence
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.log_time import LogTime
from kvorum.node.proposals import Proposals
from kvorum.node.reading import Reading
from kvorum.node.reads import Read, Reads
from kvorum.node.service import KvService
from kvorum.node.views import (
    ClusterInfo,
    Leadership,
    LogEntry,
    LogPage,
    MembersView,
    MemberView,
    PeerProgress,
    ReadResult,
    Staleness,
    StoreInfo,
)
from kvorum.node.waiter import Waiter
from kvorum.node.watch_hub import WatchHub
from kvorum.node.watching import Watch
from kvorum.node.writing import Writing
from kvorum.raft.core import Core
from kvorum.raft.membership import (
    Change,
    ChangeRefused,
    Membership,
    address_of,
    begin,
    leave_joint,
)
from kvorum.raft.types import Index, NodeId
from kvorum.telemetry.watch_metrics import WatchMetrics
from tests.unit.node.fakes import FakeClock, options

INTERNAL_KEY = b"_executed"
_OPTIONS = options(internal_key=INTERNAL_KEY, key_bytes_max=2000, value_bytes_max=1 << 22)
_STAMP = Stamp(
    time_ms=1,
    outcomes_count_max=1000,
    outcomes_age_s_max=3600,
    history_revisions_max=1000,
    history_age_s_max=3600,
    history_bytes_max=1 << 24,
)

_T = TypeVar("_T")


class FakeFence:
    """Raises what the test wants every call to raise."""

    def __init__(self, service: "FakeService") -> None:
        self._service = service

    def check(self) -> None:
        if self._service.raised is not None:
            raise self._service.raised


class FakeReads:
    """Reads are served at once, unless they are held or fail."""

    def __init__(self, service: "FakeService") -> None:
        self._service = service

    def submit(self, read: Read) -> None:
        self._service.serve(read)


class FakeProposals:
    """Commands are applied at once, unless they are held or fail."""

    def __init__(self, service: "FakeService") -> None:
        self._service = service

    def queue(
        self, _request_id: str, command: bytes, waiter: Waiter[Outcome], weight: int = 1
    ) -> None:
        assert weight >= 1
        self._service.queue(command, waiter)


def _settle(read: Read, turn: "Future[None]") -> None:
    if read.waiter.done():
        return
    failure = turn.exception()
    if failure is None:
        read.serve()
    else:
        read.waiter.set_exception(cast("Exception", failure))  # tests cancel nothing


def _hand_on(future: "Future[_T]", waiter: Waiter[_T]) -> None:
    failure = future.exception()
    if failure is None:
        waiter.set_result(future.result())
    else:
        waiter.set_exception(cast("Exception", failure))


class FakeService(KvService):
    """Leads itself; reading and writing are the real ones, on a log that is applied at once.

    Tests set the attributes to make it follow, fail or wait.
    """

    def __init__(self) -> None:
        self.machine = StateMachine()
        self._use(self.machine)
        self.log: list[LogEntry] = [LogEntry(1, 1, committed=True, commands=())]
        self.machine.apply_noop(1)
        self.quota_bytes = 0
        self.leads = True
        self.leader_id = "Node-1"
        self.failure: Exception | None = None  # of every future made from now on
        self.raised: Exception | None = None  # by every call from now on
        self.held: list[Future[None]] | None = None  # not None: futures wait in here
        self.ready = (True, "")
        self.hidden: set[str] = set()  # outcomes that only catching up brings here
        self.caught_up = 0
        self.ids = 0
        self.membership = Membership(
            tuple(NodeId(f"localhost:800{number}") for number in (1, 2, 3))
        )
        self.membership_index = 0
        self.names = {f"localhost:800{number}": f"Node-{number}" for number in (1, 2, 3)}
        self.transfers: list[NodeId | None] = []
        self.first_index = 1  # entries before it are gone
        self.watchers_max = 10_000
        self.buffer_events_max = 10_000
        self.time_ms = 1

    @property
    def hub(self) -> WatchHub:
        """Made when it is first needed: inside the event loop."""
        if not hasattr(self, "_hub"):
            self._hub = WatchHub(
                self.machine,
                watchers_max=self.watchers_max,
                buffer_events_max=self.buffer_events_max,
                metrics=WatchMetrics(CollectorRegistry()),
            )
        return self._hub

    def _use(self, machine: StateMachine) -> None:
        """What reading and writing need of a node."""
        proposals = cast("Proposals", FakeProposals(self))  # the rest is submitted here
        fence = cast("Fence", FakeFence(self))
        Writing.__init__(self, _OPTIONS, machine, proposals, fence)
        Reading.__init__(
            self,
            _OPTIONS,
            cast("Core", None),
            machine,
            cast("Reads", FakeReads(self)),
            leadership=cast("LeadershipWatch", None),
            fence=fence,
            log_time=LogTime(FakeClock()),
        )
        self.locks = Claims(b"_locks/", self)
        self.elections = Claims(b"_elections/", self)

    def value(self, key: bytes) -> bytes | None:
        record = self.machine.get(key)
        return record.value if record else None

    def release(self) -> None:
        """Let all held futures go on."""
        held, self.held = self.held or [], None
        for gate in held:
            gate.set_result(None)

    def new_request_id(self) -> str:
        self.ids += 1
        return f"Node-1-{self.ids}"

    def find_command(self, request_id: str) -> Outcome | ReadResult | None:
        if request_id in self.hidden:
            return None
        return super().find_command(request_id)

    def catch_up(self) -> "Future[None]":
        self.caught_up += 1
        self.hidden.clear()
        return super().catch_up()

    def leadership(self) -> Leadership:
        return Leadership(self.leads, self.leader_id)

    def staleness(self) -> Staleness:
        index = self.machine.applied_index
        return Staleness(0 if self.leads else None, index, index)

    def cluster_info(self) -> ClusterInfo:
        members = ("localhost:8001", "localhost:8002", "localhost:8003")
        last = len(self.log)
        peers = (
            PeerProgress("Node-3", members[2], last, last - 1),
            PeerProgress("Node-2", members[1], last + 1, last),
        )
        return ClusterInfo(
            node_id="Node-1",
            cluster_id="test",
            role="leader" if self.leads else "follower",
            current_term=1,
            commit_index=last,
            last_applied=self.machine.applied_index,
            last_index=last,
            revision=self.machine.revision,
            members=members,
            peers=peers if self.leads else (),
        )

    def cluster_log(self, first_index: int, limit: int) -> LogPage:
        first_index = max(first_index, self.first_index)
        entries = tuple(self.log[first_index - 1 : first_index - 1 + limit])
        following = first_index + len(entries)
        more = bool(entries) and following <= len(self.log)
        return LogPage(entries, len(self.log), following if more else None, self.first_index)

    def watch(
        self,
        keys: KeyRange,
        *,
        from_revision: int | None = None,
        puts: bool = True,
        deletes: bool = True,
    ) -> Watch:
        assert self.hub is not None
        return super().watch(keys, from_revision=from_revision, puts=puts, deletes=deletes)

    def store_info(self) -> StoreInfo:
        assert self.hub is not None
        return msgspec.structs.replace(super().store_info(), quota_bytes=self.quota_bytes)

    def members(self) -> MembersView:
        if self.raised is not None:
            raise self.raised
        membership = self.membership
        members = tuple(self._member(member) for member in membership.members)
        return MembersView("test", self.membership_index, membership.is_joint, members)

    async def change_members(self, change: Change) -> MembersView:
        if self.failure is None:
            try:
                self.change(change)
            except ChangeRefused as refusal:
                raise Conflict(str(refusal)) from refusal
        return await self._future(self.members())

    def change(self, change: Change) -> None:
        """Begun, committed and completed at once."""
        index = len(self.log) + 1
        changed = begin(self.membership, change, Index(index))
        self.log.append(LogEntry(index, 1, committed=True, commands=(), membership=changed))
        self.machine.apply_noop(index)
        self.membership = leave_joint(changed) if changed.is_joint else changed
        self.membership_index = index

    def _member(self, member: NodeId) -> MemberView:
        name = self.names.get(member, "")
        known = self.leads
        return MemberView(
            member=member,
            name=name,
            address=address_of(member),
            role="voter" if self.membership.is_voter(member) else "learner",
            is_leader=bool(name) and name == self.leader_id,
            active=bool(name) if known else None,
            match_index=len(self.log) if known else None,
            lag=0 if known else None,
        )

    async def transfer_leadership(self, target: NodeId | None) -> Leadership:
        self.transfers.append(target)
        if self.failure is None:
            self.leads, self.leader_id = False, self.names[target] if target else "Node-2"
        return await self._future(self.leadership())

    def is_ready(self) -> tuple[bool, str]:
        return self.ready

    def append(self, *commands: Command) -> list[Outcome]:
        """One log entry, applied at once."""
        index = len(self.log) + 1
        self.log.append(LogEntry(index, 1, committed=True, commands=commands))
        stamp = msgspec.structs.replace(_STAMP, time_ms=self.time_ms, quota_bytes=self.quota_bytes)
        data = encode_batch([encode_command(command) for command in commands], stamp)
        outcomes = self.machine.apply(index, data)
        if hasattr(self, "_hub"):
            self._hub.applied(index, len(data))
        return outcomes

    def pass_time(self, seconds: float) -> None:
        """In the log: leases may end."""
        self.time_ms += round(seconds * 1000)
        self.append()

    def _submit(self, command: Command) -> "Future[Outcome]":
        self._fence.check()
        if self.failure is not None:
            return self._future(None)  # type: ignore[arg-type] # it fails before it has a result
        return self._future(self.append(command)[0])

    def queue(self, encoded: bytes, waiter: Waiter[Outcome]) -> None:
        """What a front end waits for by itself."""
        (command,) = decode_batch(encode_batch((encoded,)))[1]
        future = self._submit(command)
        if future.done():
            _hand_on(future, waiter)
        else:
            future.add_done_callback(lambda done: _hand_on(done, waiter))

    def serve(self, read: Read) -> None:
        """Let a read have its turn, as ``held`` and ``failure`` say."""
        turn = self._future(None)
        if not turn.done():
            turn.add_done_callback(lambda _: _settle(read, turn))
        else:
            _settle(read, turn)

    def _future(self, result: _T) -> "Future[_T]":
        future: Future[_T] = asyncio.get_running_loop().create_future()
        failure = self.failure

        def settle(_: object = None) -> None:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

        if self.held is None:
            settle()
        else:
            gate: Future[None] = asyncio.get_running_loop().create_future()
            gate.add_done_callback(settle)
            self.held.append(gate)
        return future
