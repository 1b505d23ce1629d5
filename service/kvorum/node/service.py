"""Everything that a front end may ask of a node."""

import asyncio
from asyncio import Future
from collections.abc import Callable

from kvorum.errors import Forbidden, TooLarge
from kvorum.mvcc.command import Command, CompareAndSet, Delete, Put, decode_batch, encode_command
from kvorum.mvcc.outcome import INTERNAL_KEY_MESSAGE, Outcome
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.fence import Fence
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.membership_view import members_view
from kvorum.node.options import NodeOptions
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Reads
from kvorum.node.recent_reads import RecentReads
from kvorum.node.upkeep import Upkeep
from kvorum.node.views import (
    ClusterInfo,
    Leadership,
    LogEntry,
    LogPage,
    MembersView,
    PeerProgress,
    ReadResult,
    Staleness,
)
from kvorum.raft.core import Core
from kvorum.raft.membership import Change, address_of, decode_membership
from kvorum.raft.types import Entry, EntryKind, Index, NodeId

LAG_ENTRIES_MAX = 64
"""A node further behind its leader than this is not ready for clients."""
PAGE_BYTES_MAX = 4 << 20
PAGE_COMMANDS_MAX = 2000
"""A page of the log ends early at either, after one entry at least."""


class KvService:
    """The node as REST and gRPC front ends see it.

    Writes and reads return a future that another task resolves; nothing here
    starts a task. A write's future fails with :class:`~kvorum.errors.Rejected`
    (certainly not applied) or :class:`~kvorum.errors.OutcomeUnknown`; a read's only
    with ``Rejected``. ``Forbidden``, ``TooLarge`` and some ``Rejected`` are raised at once.
    """

    def __init__(
        self,
        options: NodeOptions,
        core: Core,
        state_machine: StateMachine,
        *,
        proposals: Proposals,
        reads: Reads,
        leadership: LeadershipWatch,
        upkeep: Upkeep,
        fence: Fence,
        name_of: Callable[[str], str],
        request_id_prefix: str,
    ) -> None:
        """Front ends share one service.

        ``name_of`` turns a member's address into its SELF_ID; ``request_id_prefix`` must
        be different for every start of every node.
        """
        self._options = options
        self._core = core
        self._state_machine = state_machine
        self._proposals = proposals
        self._reads = reads
        self._leadership = leadership
        self._upkeep = upkeep
        self._fence = fence
        self._name_of = name_of
        self._request_id_prefix = request_id_prefix
        self._last_request = 0
        self._recent_reads = RecentReads()
        self._was_level = False  # has been level with a leader since the start
        self._is_leader = Leadership(True, options.node_id)
        self._no_leader = Leadership(False, "")

    def new_request_id(self) -> str:
        """An id that no other request of any node has."""
        self._last_request += 1
        return f"{self._request_id_prefix}-{self._last_request:x}"

    # --- writes ------------------------------------------------------------------------

    def put(self, request_id: str, key: bytes, value: bytes) -> "Future[Outcome]":
        """Set ``key`` to ``value`` (JSON text), whatever it was."""
        self._check(key, value)
        return self._submit(Put(request_id, key, value, self._state_machine.applied_index))

    def compare_and_set(
        self, request_id: str, key: bytes, expected: bytes, value: bytes
    ) -> "Future[Outcome]":
        """Set ``key`` to ``value`` if it holds ``expected``, compared as JSON."""
        self._check(key, value, expected)
        after_index = self._state_machine.applied_index
        return self._submit(CompareAndSet(request_id, key, expected, value, after_index))

    def delete(self, request_id: str, key: bytes) -> "Future[Outcome]":
        """Remove ``key``."""
        self._check(key)
        return self._submit(Delete(request_id, key, self._state_machine.applied_index))

    def _submit(self, command: Command) -> "Future[Outcome]":
        """Its ``after_index`` is what is applied now: so far every outcome kept is seen here."""
        self._fence.check()
        first = self._state_machine.outcome(command.request_id)
        if first is None:
            return self._proposals.submit(command.request_id, encode_command(command))
        done: Future[Outcome] = asyncio.get_running_loop().create_future()
        done.set_result(first)
        return done

    def _check(self, key: bytes, *values: bytes) -> None:
        options = self._options
        if key == options.internal_key:
            raise Forbidden(INTERNAL_KEY_MESSAGE)
        if len(key) > options.key_bytes_max:
            raise TooLarge(f"the key has {len(key)} bytes, over the limit of KEY_BYTES_MAX")
        for value in values:
            if len(value) > options.value_bytes_max:
                raise TooLarge(
                    f"the value has {len(value)} bytes, over the limit of VALUE_BYTES_MAX"
                )

    # --- reads -------------------------------------------------------------------------

    def get(self, request_id: str, key: bytes) -> "Future[ReadResult]":
        """Linearizable (§6.4): one quorum round trip, no disk write."""
        self._check(key)
        self._fence.check()
        read = _KeyRead(self._read, request_id, key)
        self._reads.submit(read)
        return read.future

    def get_stale(self, request_id: str, key: bytes) -> ReadResult:
        """This node's own state, however old; ``staleness`` says how old it may be."""
        self._check(key)
        self._fence.check()
        return self._read(request_id, key, self.staleness())

    def _read(self, request_id: str, key: bytes, staleness: Staleness | None = None) -> ReadResult:
        machine = self._state_machine
        result = ReadResult(request_id, machine.get(key), machine.revision, staleness)
        self._recent_reads.add(result)
        return result

    def catch_up(self) -> "Future[None]":
        """Done once everything acknowledged before the call is applied here (§6.4)."""
        self._fence.check()
        barrier = _Barrier()
        self._reads.submit(barrier)
        return barrier.future

    def find_command(self, request_id: str) -> Outcome | ReadResult | None:
        """What this node knows now of a request: an outcome, or a recent read made here."""
        outcome = self._state_machine.outcome(request_id)
        return outcome if outcome is not None else self._recent_reads.find(request_id)

    # --- members -----------------------------------------------------------------------

    def members(self) -> MembersView:
        """The membership in force on this node."""
        return members_view(
            self._core,
            cluster_id=self._options.cluster_id,
            leader=self._leadership.leader,
            name_of=self._name_of,
        )

    async def change_members(self, change: Change) -> MembersView:
        """Done once the change is complete.

        Raises ``Conflict`` (it makes no sense now), ``Rejected``, ``OutcomeUnknown``.
        """
        self._fence.check()
        await self._upkeep.members.change(change)
        return self.members()

    async def transfer_leadership(self, target: NodeId | None) -> Leadership:
        """Hand over to ``target``, or to whoever is best; done once another node leads.

        Raises ``Conflict``, ``NoLeader``; ``Rejected`` if nobody took over in time.
        """
        await self._upkeep.handover.begin(target)
        return self.leadership()

    # --- the node ----------------------------------------------------------------------

    def leadership(self) -> Leadership:
        watch = self._leadership
        if watch.is_leader:
            return self._is_leader
        return Leadership(False, self._name_of(watch.leader)) if watch.leader else self._no_leader

    def staleness(self) -> Staleness:
        log = self._core.state.log
        contact_s = self._leadership.last_contact_s()
        last_contact_ms = None if contact_s is None else round(contact_s * 1000)
        return Staleness(last_contact_ms, log.applied, log.commit)

    def is_ready(self) -> tuple[bool, str]:
        """Whether a leader is known and this node is caught up; if not, why not."""
        if self._fence.reason is not None:
            return False, f"this node stopped serving: {self._fence.reason}"
        if self._leadership.leader is None:
            return False, "no leader is known"
        state = self._core.state
        known_commit = max(state.leader_commit, state.log.commit)
        lag = known_commit - self._state_machine.applied_index
        self._was_level = self._was_level or lag == 0
        if not self._was_level:
            return False, f"catching up since the start: {lag} entries behind the leader"
        if lag > LAG_ENTRIES_MAX:
            return False, f"{lag} entries behind the leader"
        return True, "a leader is known and this node is caught up"

    def cluster_info(self) -> ClusterInfo:
        state, machine = self._core.state, self._state_machine
        peers = tuple(
            PeerProgress(self._name_of(peer), address_of(peer), progress.next, progress.match)
            for peer, progress in state.progress.items()
        )
        return ClusterInfo(
            node_id=self._options.node_id,
            cluster_id=self._options.cluster_id,
            role=state.role,
            current_term=state.term,
            commit_index=state.log.commit,
            last_applied=machine.applied_index,
            last_index=state.log.last_index,
            revision=machine.revision,
            members=tuple(map(address_of, self._core.membership.members)),
            peers=peers,
        )

    def cluster_log(self, first_index: int, limit: int) -> LogPage:
        """At most ``limit`` entries from ``first_index`` on, fewer if they are large.

        It begins with the first entry that is there, if those asked for are gone.
        """
        log = self._core.state.log
        first_index = max(log.first_index, first_index)
        shown: list[LogEntry] = []
        size_bytes = commands = 0
        for entry in log.page(Index(first_index), limit):
            size_bytes += len(entry.data)
            if shown and (size_bytes > PAGE_BYTES_MAX or commands > PAGE_COMMANDS_MAX):
                break
            shown.append(_log_entry(entry, committed=entry.index <= log.commit))
            commands += len(shown[-1].commands)
        after = shown[-1].index + 1 if shown else first_index
        next_index = after if after <= log.last_index else None
        return LogPage(tuple(shown), log.last_index, next_index, log.first_index)


def _log_entry(entry: Entry, *, committed: bool) -> LogEntry:
    commands = decode_batch(entry.data)[1] if entry.kind is EntryKind.COMMANDS else []
    is_membership = entry.kind is EntryKind.MEMBERSHIP
    membership = decode_membership(entry.data) if is_membership else None
    return LogEntry(entry.index, entry.term, committed, tuple(commands), membership)


class _KeyRead:
    """A read of one key, waiting for its batch."""

    __slots__ = ("_key", "_read", "_request_id", "future")

    def __init__(
        self, read: Callable[[str, bytes], ReadResult], request_id: str, key: bytes
    ) -> None:
        self._read = read
        self._request_id = request_id
        self._key = key
        self.future: Future[ReadResult] = asyncio.get_running_loop().create_future()

    def serve(self) -> None:
        self.future.set_result(self._read(self._request_id, self._key))


class _Barrier:
    """A wait for everything acknowledged so far."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: Future[None] = asyncio.get_running_loop().create_future()

    def serve(self) -> None:
        self.future.set_result(None)
