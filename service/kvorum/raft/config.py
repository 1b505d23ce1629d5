"""How patient and how generous this node is."""

from collections.abc import Callable

from msgspec import Struct

from kvorum.raft.types import NodeId

RandomTicks = Callable[[int, int], int]
"""``f(low, high)`` → a number in ``low..high``, both included: the only randomness."""

IsIntroduced = Callable[[NodeId], bool]
"""Whether it is on record, decided and applied here, which data directory a member has."""


def everybody(_member: NodeId) -> bool:
    """For a core without a state machine that keeps such records."""
    return True


class CoreOptions(Struct, frozen=True, kw_only=True):
    """Timeouts in ticks, limits in messages and bytes."""

    node: NodeId
    heartbeat_ticks: int
    election_ticks_min: int
    election_ticks_max: int
    append_bytes_max: int = 1 << 20  # entries packed into one AppendEntries
    inflight_appends_max: int = 64  # unacknowledged AppendEntries per follower
    inflight_bytes_max: int = 8 << 20  # and their entries' bytes
    save_bytes_max: int = 16 << 20  # entries in one batch for the disk
    uncommitted_bytes_max: int = 256 << 20  # beyond it a leader refuses proposals
    kept_for_snapshot_bytes_max: int = 512 << 20  # of log behind a snapshot that is on its way
