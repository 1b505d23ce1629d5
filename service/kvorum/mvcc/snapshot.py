"""A state as blocks of bytes: what a snapshot holds of it.

Version 1, a sequence of MessagePack arrays with a byte before the first::

    u8 version (1), [0, applied_index, revision, time_ms, forgotten_index, key_count,
                     size_bytes, outcome_count, state_hash, {member: [uid, name]}]
    [1, [[request_id, status, message, revision, time_ms, index], ...]]     oldest first
    [2, [[shard, {key: [value, create_revision, mod_revision, version]}], ...]]

Shards come in order of their numbers, keys in order within each. Where a block ends follows
from what is in it. So equal states make equal bytes, on every node. Who keeps the blocks keeps
their lengths too, and sees to it that each comes back as it was.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from kvorum.mvcc.members import Introduction
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.record import Record
from kvorum.mvcc.store import SHARDS, Store, StoreView

VERSION: Final = 1
BLOCK_BYTES: Final = 256 << 10
"""Keys and values of a block, roughly; more if a single value is larger."""
BLOCK_ITEMS: Final = 512
"""Records or outcomes of a block at most, so that small ones take no longer either."""

_Count = Annotated[int, Meta(ge=0)]
_Shard = Annotated[int, Meta(ge=0, lt=SHARDS)]
OutcomeRow = tuple[str, Status, str, _Count, _Count, _Count]
"""Fields of an outcome in their order, and the index of the entry that made it."""


class Head(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0):
    """Opens a snapshot: all counters of the state, and what is to follow."""

    applied_index: _Count
    revision: _Count
    time_ms: _Count
    forgotten_index: _Count
    key_count: _Count
    size_bytes: _Count
    outcome_count: _Count
    state_hash: _Count
    members: dict[str, Introduction]


class OutcomeBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    rows: Sequence[OutcomeRow]


class RecordBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Records by shard; one that is large goes over several blocks."""

    shards: Sequence[tuple[_Shard, dict[bytes, Record]]]


_encode = msgspec.msgpack.Encoder().encode
_head_decoder = msgspec.msgpack.Decoder(Head)
_block_decoder: msgspec.msgpack.Decoder[OutcomeBlock | RecordBlock] = msgspec.msgpack.Decoder(
    OutcomeBlock | RecordBlock
)


def decode_head(block: bytes) -> Head:
    """Raises ``ValueError`` for a version or bytes that this release cannot read."""
    if block[:1] != bytes((VERSION,)):
        found = block[0] if block else "none"
        raise ValueError(f"state version {found}: this release reads version {VERSION}")
    try:
        return _head_decoder.decode(memoryview(block)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not the head of a state: {error}") from error


def decode_block(block: bytes) -> OutcomeBlock | RecordBlock:
    """Raises ``ValueError`` for bytes that this release cannot read."""
    try:
        return _block_decoder.decode(block)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a block of a state: {error}") from error


class FrozenState:
    """A state as it was at ``applied_index``, while the state machine goes on.

    To be closed as soon as it is not needed: until then the state machine keeps aside
    what it changes.
    """

    __slots__ = ("_blocks", "_closed", "_head", "_store", "_view")

    def __init__(self, head: Head, outcomes: Iterator[tuple[Outcome, int]], store: Store) -> None:
        self._head = head
        self._store = store
        self._view = store.freeze()
        self._blocks = _blocks(head, outcomes, self._view)
        self._closed = False

    @property
    def applied_index(self) -> int:
        return self._head.applied_index

    @property
    def state_hash(self) -> int:
        return self._head.state_hash

    def blocks(self) -> Iterator[bytes]:
        """The state, each block made when it is asked for; all are given out once."""
        for block in self._blocks:
            yield block
            assert not self._closed, "a closed state cannot be read to its end"

    def close(self) -> None:
        """Keep nothing aside any more; idempotent."""
        self._closed = True
        self._store.thaw(self._view)


def _blocks(
    head: Head, outcomes: Iterator[tuple[Outcome, int]], view: StoreView
) -> Iterator[bytes]:
    yield bytes((VERSION,)) + _encode(head)
    while rows := [_row(outcome, index) for outcome, index in islice(outcomes, BLOCK_ITEMS)]:
        yield _encode(OutcomeBlock(rows))
    for shards in _packed(view):
        yield _encode(RecordBlock(shards))


def _row(outcome: Outcome, index: int) -> OutcomeRow:
    return (
        outcome.request_id,
        outcome.status,
        outcome.message,
        outcome.revision,
        outcome.time_ms,
        index,
    )


def _packed(view: StoreView) -> Iterator[list[tuple[int, dict[bytes, Record]]]]:
    """Shards, or pieces of them, that fill one block each."""
    block: list[tuple[int, dict[bytes, Record]]] = []
    size_bytes = items = 0
    for number, shard in view.shards():
        piece: dict[bytes, Record] = {}
        for key, record in shard.items():
            piece[key] = record
            size_bytes += len(key) + len(record.value)
            items += 1
            if size_bytes >= BLOCK_BYTES or items == BLOCK_ITEMS:
                yield [*block, (number, piece)]
                block, piece, size_bytes, items = [], {}, 0, 0
        if piece:
            block.append((number, piece))
    if block:
        yield block
