"""A snapshot's blocks into a state machine, and what a disk holds into where a node starts."""

from collections.abc import AsyncIterator, Sequence

from msgspec import Struct

from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.restore import Restore
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.membership import NOBODY, Membership
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import ORIGIN, Entry, EntryId, HardState, NodeId


class Origin(Struct, frozen=True):
    """Where a member starts from: what its disk holds.

    ``membership`` is the one in force at ``base``, the last entry that ``machine`` has
    applied; ``entries`` follow it.
    """

    membership: Membership
    machine: StateMachine
    hard_state: HardState = HardState()
    entries: Sequence[Entry] = ()
    base: EntryId = ORIGIN


async def load_state(snapshot: Snapshot, blocks: AsyncIterator[bytes]) -> StateMachine:
    """The state of ``snapshot``; raises SnapshotDamaged. Other work goes on between blocks."""
    restore = Restore()
    async for block in blocks:
        restore.add(block)
    machine = restore.finish()
    if machine.applied_index != snapshot.last.index:
        raise SnapshotDamaged(
            f"the snapshot of entry {snapshot.last.index} holds the state of "
            f"entry {machine.applied_index}"
        )
    return machine


def origin_of(
    first_members: Sequence[str],
    loaded: tuple[Snapshot, StateMachine] | None,
    hard_state: HardState,
    entries: Sequence[Entry],
) -> Origin:
    """``first_members`` formed the cluster: empty for a node that was told to join.

    They count only while there is no snapshot: from then on it holds the membership.
    """
    if loaded is not None:
        snapshot, machine = loaded
        return Origin(snapshot.membership, machine, hard_state, entries, snapshot.last)
    bootstrap = Membership(tuple(map(NodeId, first_members))) if first_members else NOBODY
    return Origin(bootstrap, StateMachine(), hard_state, entries)
