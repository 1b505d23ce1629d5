"""Everything that a front end may ask of a node."""

from collections.abc import Callable

from kvorum.mvcc.command import decode_batch
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.backup import Backup, open_backup
from kvorum.node.claims import Claims
from kvorum.node.fence import Fence
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.log_time import LogTime
from kvorum.node.membership_view import members_view
from kvorum.node.options import NodeOptions
from kvorum.node.ports import SnapshotStore
from kvorum.node.proposals import Proposals
from kvorum.node.reading import Reading
from kvorum.node.reads import Reads
from kvorum.node.snapshotting import SnapshotTaker
from kvorum.node.upkeep import Upkeep
from kvorum.node.views import (
    ClusterInfo,
    Leadership,
    LogEntry,
    LogPage,
    MembersView,
    PeerProgress,
    StoreInfo,
)
from kvorum.node.watch_hub import WatchHub
from kvorum.node.watching import Watch
from kvorum.node.writing import Writing
from kvorum.raft.core import Core
from kvorum.raft.membership import Change, address_of, decode_membership
from kvorum.raft.types import Entry, EntryKind, Index, NodeId

LAG_ENTRIES_MAX = 64
"""A node further behind its leader than this is not ready for clients."""
PAGE_BYTES_MAX = 4 << 20
PAGE_COMMANDS_MAX = 2000
"""A page of the log ends early at either, after one entry at least."""


class KvService(Writing, Reading):
    """The node as REST and gRPC front ends see it.

    Writes and reads return a future that another task resolves; nothing here
    starts a task. Reading and writing are told in the modules of those names.
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
        log_time: LogTime,
        hub: WatchHub,
        taker: SnapshotTaker,
        snapshots: SnapshotStore,
        name_of: Callable[[str], str],
        request_id_prefix: str,
    ) -> None:
        """Front ends share one service.

        ``name_of`` turns a member's address into its SELF_ID; ``request_id_prefix`` must
        be different for every start of every node.
        """
        Writing.__init__(self, options, state_machine, proposals, fence)
        Reading.__init__(
            self,
            options,
            core,
            state_machine,
            reads,
            leadership=leadership,
            fence=fence,
            log_time=log_time,
        )
        self._upkeep = upkeep
        self._hub = hub
        self._taker = taker
        self._snapshots = snapshots
        self._name_of = name_of
        self._request_id_prefix = request_id_prefix
        self._last_request = 0
        self._was_level = False  # has been level with a leader since the start
        self._is_stopping = False
        self._is_leader = Leadership(True, options.node_id)
        self._no_leader = Leadership(False, "")
        self.locks = Claims(b"_locks/", self)
        self.elections = Claims(b"_elections/", self)

    def new_request_id(self) -> str:
        """An id that no other request of any node has."""
        self._last_request += 1
        return f"{self._request_id_prefix}-{self._last_request:x}"

    def watch(
        self,
        keys: KeyRange,
        *,
        from_revision: int | None = None,
        puts: bool = True,
        deletes: bool = True,
    ) -> Watch:
        """Changes of revisions from ``from_revision`` on; None: of those still to come.

        Raises ``Compacted``, ``Overloaded``.
        """
        self._fence.check()
        return self._hub.open(keys, from_revision=from_revision, puts=puts, deletes=deletes)

    async def open_backup(self) -> Backup:
        """Everything acknowledged so far, as a file. Raises ``Rejected``, ``OSError``."""
        await self.catch_up()
        return await open_backup(self._taker, self._snapshots, self._machine)

    def store_info(self) -> StoreInfo:
        """How much the store holds."""
        machine = self._machine
        return StoreInfo(
            keys=machine.key_count,
            size_bytes=machine.size_bytes,
            quota_bytes=self._options.quota_bytes,
            is_full=machine.is_full,
            revision=machine.revision,
            compacted_revision=machine.compacted_revision,
            history_revisions=machine.history_revisions,
            history_bytes=machine.history_bytes,
            leases=machine.lease_count,
            watchers=self._hub.watchers,
        )

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

    def announce_stop(self) -> None:
        """From now on it is not ready: whoever asks serves others who are."""
        self._is_stopping = True

    def is_ready(self) -> tuple[bool, str]:
        """Whether a leader is known and this node is caught up; if not, why not.

        A learner that has caught up is ready like any other member.
        """
        if self._is_stopping:
            return False, "this node is stopping"
        if self._fence.reason is not None:
            return False, f"this node stopped serving: {self._fence.reason}"
        if self._leadership.leader is None:
            refusal = self._leadership.refusal
            return False, f"no leader is known: {refusal}" if refusal else "no leader is known"
        state = self._core.state
        known_commit = max(state.leader_commit, state.log.commit)
        lag = known_commit - self._machine.applied_index
        self._was_level = self._was_level or lag == 0
        if not self._was_level:
            return False, f"catching up since the start: {lag} entries behind the leader"
        if lag > LAG_ENTRIES_MAX:
            return False, f"{lag} entries behind the leader"
        return True, "a leader is known and this node is caught up"

    def cluster_info(self) -> ClusterInfo:
        state, machine = self._core.state, self._machine
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
