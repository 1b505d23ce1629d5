"""Snapshot files: bytes in, bytes out. The format is specified in the package.

Pure functions; nothing here touches a disk.
"""

from collections.abc import Callable
from struct import Struct as Layout

import google_crc32c
from msgspec import Struct

from kvorum.raft.membership import Membership, decode_membership, encode_membership
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, Index, Term
from kvorum.storage.record import crc32c

extend_crc: Callable[[int, bytes], int] = google_crc32c.extend

HEAD_BYTES = 32
PREFIX_BYTES = 8
TRAILER_BYTES = 24
BLOCK_BYTES_MAX = 1 << 26

_MAGIC = b"KVORUMS1"
_HEAD = Layout("<8sQQII")
_CRC = Layout("<I")
_PREFIX = Layout("<II")
_LINK = Layout("<II")
_TOTALS = Layout("<QQ")
_HEAD_TEXT_BYTES_MAX = 1 << 24


class BadSnapshot(ValueError):
    """Not what was written."""


class ForeignSnapshot(BadSnapshot):
    """Of another cluster or another format: sound perhaps, but not for this node."""


class Head(Struct, frozen=True):
    """Whose state it is, and after which entry."""

    cluster_id: str
    last: EntryId
    membership: Membership


def snapshot_name(snapshot: Snapshot) -> str:
    """Name of its file without the suffix."""
    last = snapshot.last
    return f"{last.index:016x}-{last.term:016x}-{snapshot.checksum:08x}"


def parse_name(name: str) -> tuple[EntryId, int] | None:
    """Last entry and checksum of the file; None if it is not the name of a snapshot."""
    parts = name.split("-")
    if [len(part) for part in parts] != [16, 16, 8] or set("".join(parts)) - _HEX:
        return None
    index, term, checksum = (int(part, 16) for part in parts)
    return EntryId(Term(term), Index(index)), checksum


_HEX = set("0123456789abcdef")


# --- head --------------------------------------------------------------------------------


def encode_head(head: Head) -> bytes:
    cluster, members = head.cluster_id.encode(), encode_membership(head.membership)
    fixed = _HEAD.pack(_MAGIC, head.last.term, head.last.index, len(cluster), len(members))
    content = fixed + cluster + members
    return content + _CRC.pack(crc32c(content))


def head_size_bytes(fixed: bytes) -> int:
    """Size of the whole head, by its first 32 bytes. Raises BadSnapshot."""
    if len(fixed) < HEAD_BYTES:
        raise BadSnapshot("it ends inside its head")
    magic, _, _, cluster, members = _HEAD.unpack(fixed)
    if magic != _MAGIC:
        if magic[:-1] == _MAGIC[:-1] and magic[-1:].isdigit():
            version = magic[-1:].decode()
            raise ForeignSnapshot(
                f"format version {version} is not known to this release, only 1 is"
            )
        raise BadSnapshot("it does not begin like a kvorum snapshot")
    size: int = cluster + members
    if size > _HEAD_TEXT_BYTES_MAX:
        raise BadSnapshot("the head says that it is larger than any head is")
    return HEAD_BYTES + size + _CRC.size


def decode_head(head: bytes) -> tuple[Head, int]:
    """The head, given all of its bytes, and its CRC. Raises BadSnapshot."""
    content = head[: -_CRC.size]
    (crc,) = _CRC.unpack(head[-_CRC.size :])
    if crc != crc32c(content):
        raise BadSnapshot("the checksum of its head is wrong")
    _, term, index, cluster_size, _ = _HEAD.unpack_from(content)
    cluster, members = content[HEAD_BYTES:][:cluster_size], content[HEAD_BYTES + cluster_size :]
    try:
        membership = decode_membership(members)
        return Head(cluster.decode(), EntryId(term, index), membership), crc
    except ValueError as cause:
        raise BadSnapshot(f"its head cannot be decoded: {cause}") from cause


# --- blocks ------------------------------------------------------------------------------


def block_prefix(chain: int, block: bytes) -> tuple[bytes, int]:
    """What goes before a block, and the CRC that the next one is chained to."""
    if not 0 < len(block) <= BLOCK_BYTES_MAX:
        raise ValueError(f"a block of {len(block)} bytes cannot be written")
    crc = chained_crc(chain, len(block), block)
    return _PREFIX.pack(len(block), crc), crc


def chained_crc(chain: int, length: int, content: bytes) -> int:
    return extend_crc(crc32c(_LINK.pack(chain, length)), content)


def decode_prefix(prefix: bytes) -> tuple[int, int]:
    """Length and CRC of the block that follows; length 0: the totals follow."""
    if len(prefix) < PREFIX_BYTES:
        raise BadSnapshot("it ends before its trailer")
    length, crc = _PREFIX.unpack(prefix)
    if length > BLOCK_BYTES_MAX:
        raise BadSnapshot(f"a block of {length} bytes is larger than any block is")
    return length, crc


def encode_trailer(chain: int, blocks: int, size_bytes: int) -> bytes:
    totals = _TOTALS.pack(blocks, size_bytes)
    return _PREFIX.pack(0, chained_crc(chain, 0, totals)) + totals
