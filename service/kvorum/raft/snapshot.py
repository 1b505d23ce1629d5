"""What stands for a prefix of the log once its entries are gone (§5.1)."""

from msgspec import Struct

from kvorum.raft.membership import Membership
from kvorum.raft.types import EntryId


class Snapshot(Struct, frozen=True):
    """A complete snapshot file, by what consensus must know of it.

    ``last`` is the last entry it covers, ``membership`` the one in force there.
    ``size_bytes`` and ``checksum`` (CRC-32C of the whole file) identify the bytes: two nodes'
    snapshots of one index may differ in them.
    """

    last: EntryId
    membership: Membership
    size_bytes: int
    checksum: int
