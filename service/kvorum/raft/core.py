"""The protocol machine: ticks, messages and requests in, ``Ready`` out.

The driver's contract::

    core.tick() / core.step(message) / core.propose(…) / core.read_index(…)   any number of times
    ready = core.ready()          # what to do now
    …send ready.messages, apply ready.committed, start writing ready.save…
    core.advance(save)            # when that save is durable

At most one save is out; everything else goes on meanwhile. A node that has a snapshot on
disk begins with ``core.offer(snapshot, …)``: followers may need it.
"""

from collections.abc import Sequence

from kvorum.raft import election, following, receiving, replication, sending_snapshots
from kvorum.raft import transfer as handing_over
from kvorum.raft.config import CoreOptions, IsIntroduced, RandomTicks, everybody
from kvorum.raft.membership import Membership
from kvorum.raft.messages import Message, Propose, ReadIndex, TransferLeadership
from kvorum.raft.read_only import ReadRequest
from kvorum.raft.ready import ReadState, Ready, Receipt, Save
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.state import State
from kvorum.raft.types import (
    ORIGIN,
    Entry,
    EntryId,
    EntryKind,
    HardState,
    Index,
    NodeId,
    Role,
    Ticket,
)

COMMITTED_MAX = 512
COMMITTED_BYTES_MAX = 256 << 10
"""What one ``ready()`` hands out at most, so that applying yields to other work."""


class Core:
    def __init__(  # noqa: PLR0917 - all that a node begins with, most of it from its disk
        self,
        options: CoreOptions,
        membership: Membership,
        random_ticks: RandomTicks,
        hard_state: HardState,
        entries: Sequence[Entry] = (),
        base: EntryId = ORIGIN,
        *,
        is_introduced: IsIntroduced = everybody,
    ) -> None:
        """Resume from what the disk holds; a new node has an empty state and no entries.

        ``base`` is the last entry that the snapshot on disk covers, ``membership`` the one in
        force there, and ``entries`` follow it. Only learners for which ``is_introduced`` holds
        become voters. ``ValueError`` for an entry that this release cannot read.
        """
        self.state = State(
            options,
            membership,
            hard_state,
            entries,
            random_ticks,
            base=base,
            is_introduced=is_introduced,
        )
        self._saving: Save | None = None

    # --- inputs ----------------------------------------------------------------------

    def tick(self) -> None:
        """One unit of time passed."""
        state = self.state
        state.election_elapsed += 1
        if state.role is Role.LEADER:
            replication.tick(state)
        elif state.election_elapsed >= state.election_timeout:
            election.on_silence(state)

    def step(self, message: Message) -> None:
        """Handle one message from another node.

        ``ValueError`` for an entry that this release cannot read: the node must stop.
        """
        assert message.to == self.state.node, "the transport delivers only our own messages"
        receiving.step(self.state, message)

    def propose(self, ticket: Ticket, data: bytes, kind: EntryKind = EntryKind.COMMANDS) -> None:
        """Append ``data``, or ask the leader to; the receipt comes with a later ``ready``.

        A batch of commands, or with ``MEMBERSHIP`` an encoded change. No receipt comes if
        the leader's answer is lost: the outcome is then unknown.
        """
        state = self.state
        if state.role is Role.LEADER:
            state.receipts.append(Receipt(ticket, *receiving.propose(state, kind, data)))
        elif state.leader is None:
            state.receipts.append(Receipt(ticket, None))
        else:
            state.send(
                Propose(
                    to=state.leader,
                    sender=state.node,
                    term=state.term,
                    ticket=ticket,
                    data=data,
                    kind=kind,
                )
            )

    def read_index(self, ticket: Ticket) -> None:
        """Ask at which index a read is linearizable (§6.4); use each ticket once."""
        state = self.state
        if state.role is Role.LEADER:
            state.reads.add(ReadRequest(state.node, ticket))
        elif state.leader is None:
            state.read_states.append(ReadState(ticket, None))
        else:
            state.send(
                ReadIndex(to=state.leader, sender=state.node, term=state.term, ticket=ticket)
            )

    # --- leadership ------------------------------------------------------------------

    def transfer(self, target: NodeId | None) -> str:
        """Hand leadership to ``target``, None: to the best voter (§3.10); "" or why not.

        A follower asks the leader, and learns nothing of a refusal.
        """
        state = self.state
        if state.role is Role.LEADER:
            return handing_over.begin(state, target)
        if state.leader is None:
            return "no leader is known"
        state.send(
            TransferLeadership(to=state.leader, sender=state.node, term=state.term, target=target)
        )
        return ""

    def step_down(self, why: str) -> None:
        """Stop leading, or running for it."""
        if self.state.role is not Role.FOLLOWER:
            self.state.become_follower(self.state.term, None, why)

    def set_able(self, able: bool) -> None:
        """Whether this node is fit to lead: if not, it neither campaigns nor stays leader."""
        self.state.is_able = able
        if not able:
            self.step_down("it is not fit to lead")

    # --- snapshots and membership ----------------------------------------------------

    def install(self, snapshot: Snapshot) -> bool:
        """The state machine of a snapshot from the leader was loaded: the log restarts there.

        Call it in the turn that puts the state machine in place. False: the log has come as
        far by itself, and the loaded state machine must be dropped.
        """
        return following.install(self.state, snapshot)

    def offer(self, snapshot: Snapshot, keep_from: Index) -> None:
        """``snapshot`` is complete on this node's disk, so followers may be sent it.

        Entries below ``keep_from`` leave memory as far as it covers them and they are
        applied and durable here.
        """
        sending_snapshots.offer(self.state, snapshot, keep_from)

    def withdraw(self, snapshot: Snapshot) -> None:
        """``snapshot``, offered once, turned out to be unreadable: nobody is sent it any more.

        Followers that need one wait until another is offered.
        """
        sending_snapshots.withdraw(self.state, snapshot)

    @property
    def lacks_snapshot(self) -> bool:
        """Entries are gone, and the snapshot that covered them was withdrawn."""
        return self.state.snapshot is None and self.state.log.base.index > 0

    @property
    def sending(self) -> tuple[Snapshot, ...]:
        """Snapshots on their way to followers: their files are still needed."""
        found = (progress.snapshot for progress in self.state.progress.values())
        return tuple(dict.fromkeys(snapshot for snapshot in found if snapshot is not None))

    @property
    def membership(self) -> Membership:
        """The latest one in the log, decided or not: it is in force (§4.1)."""
        return self.state.membership

    def membership_at(self, index: Index) -> Membership:
        """The one in force at ``index``, which is not below the beginning of the log."""
        return self.state.memberships.at(index)

    # --- outputs ---------------------------------------------------------------------

    def ready(self, committed_max: int = COMMITTED_MAX) -> Ready:
        """Take everything that is to be done now, with at most so many committed entries."""
        state = self.state
        if state.role is Role.LEADER:
            replication.flush(state)
        save = None if self._saving else self._next_save()
        committed = self.take_committed(committed_max)
        state.log.give_back()
        ready = Ready(
            tuple(state.messages),
            save,
            committed,
            tuple(state.receipts),
            tuple(state.read_states),
            tuple(state.events),
            tuple(state.chunks),
            tuple(state.chunks_wanted),
        )
        state.clear_outboxes()
        return ready

    def take_committed(self, limit: int) -> tuple[Entry, ...]:
        """Some committed entries by themselves, at most ``limit``: each is handed out once."""
        return self.state.log.take_committed(limit, COMMITTED_BYTES_MAX)

    def _next_save(self) -> Save | None:
        """Collect what the disk lacks; without such, nothing waits for a sync."""
        state = self.state
        entries = state.log.unstable(state.options.save_bytes_max)
        waiting: tuple[Message, ...] = ()
        if not entries or entries[-1].index == state.log.last_index:
            # Otherwise they promise more than this save holds.
            waiting = tuple(state.messages_after_sync)
            state.messages_after_sync.clear()
        changed = (state.term, state.vote) != (state.durable.term, state.durable.vote)
        if not entries and not changed and state.rebase is None:
            state.messages.extend(waiting)
            return None
        # The hint covers only what the disk holds before this save, so that it is true
        # whatever part of the save a crash leaves.
        commit = min(state.log.commit, state.log.stable)
        hard_state = HardState(state.term, state.vote, commit)
        self._saving = Save(hard_state, entries, waiting, state.rebase)
        return self._saving

    def advance(self, save: Save) -> None:
        """``save`` is durable: its promises may leave, and our own ack counts (§10.2.1)."""
        assert save is self._saving, "saves become durable one at a time, in order"
        state = self.state
        self._saving = None
        state.durable = save.hard_state
        election.on_durable(state)
        state.messages.extend(save.messages)
        if save.base == state.rebase:
            state.rebase = None
        # With a snapshot installed meanwhile, the next save makes void what this one wrote.
        if save.entries and state.rebase is None:
            state.log.saved(save.entries[-1].id)
            if state.role is Role.LEADER:
                replication.advance_commit(state)

    def has_more(self) -> bool:
        """Whether committed entries are left over for another ``ready``."""
        return self.state.log.applied < self.state.log.commit
