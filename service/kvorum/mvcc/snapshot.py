"""A state as blocks of bytes: what a snapshot holds of it.

Version 3, a sequence of MessagePack arrays with a byte before the first::

    u8 version (3), [0, applied_index, revision, compacted_revision, time_ms, forgotten_index,
                     key_count, size_bytes, outcome_count, lease_count, is_full, state_hash,
                     {member: [uid, name]}]
    [1, [[request_id, status, message, revision, time_ms, changed, index], ...]]  oldest first
    [2, [[id, ttl_ms, deadline_ms], ...]]                                         by id
    [3, [key, ...], [record, ...]]                                                by key
    [4, [[revision, time_ms, key, kind, record, previous], ...]]                  oldest first

    record: [value, create_revision, mod_revision, version, lease, content_type]

Events do not repeat what is there already. Kind 1 is a put whose record is the present one of its
key, kind 2 any other put, whose record is told, kind 0 a delete; what is not told is nil. The
previous record is told only if it is no younger than ``compacted_revision``: a younger one was
made by the event of the same key before this one.

Where a block ends follows from what is in it. So equal states make equal bytes, on every node.
Who keeps the blocks keeps their lengths too, and sees to it that each comes back as it was.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import islice
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from kvorum.mvcc.lease_view import LeaseRow
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.members import Introduction
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.record import Event, Record
from kvorum.mvcc.store import Store, StoreView

VERSION: Final = 3
BLOCK_BYTES: Final = 256 << 10
"""Keys and values of a block, roughly; more if a single value is larger."""
BLOCK_ITEMS: Final = 512
"""Records, events, leases or outcomes of a block at most, so that small ones take no longer."""

_Count = Annotated[int, Meta(ge=0)]
_T = TypeVar("_T")
OutcomeRow = tuple[str, Status, str, _Count, _Count, _Count, _Count]
"""Fields of an outcome in their order, and the index of the entry that made it."""


class Kind(IntEnum):
    """Of an event; numbers are part of the format."""

    DELETED = 0
    PRESENT = 1
    REPLACED = 2


_DELETED, _PRESENT, _REPLACED = Kind  # fetching a member of an enum costs more than a name

EventRow = tuple[_Count, _Count, bytes, Kind, Record | None, Record | None]
"""Revision, time_ms, key, kind, record, previous."""


class Head(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0):
    """Opens a snapshot: all counters of the state, and what is to follow."""

    applied_index: _Count
    revision: _Count
    compacted_revision: _Count
    time_ms: _Count
    forgotten_index: _Count
    key_count: _Count
    size_bytes: _Count
    outcome_count: _Count
    lease_count: _Count
    is_full: bool
    state_hash: _Count
    members: dict[str, Introduction]


class OutcomeBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    rows: Sequence[OutcomeRow]


class LeaseBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    rows: Sequence[tuple[str, _Count, _Count]]


class RecordBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    keys: Sequence[bytes]
    records: Sequence[Record]


class EventBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    rows: Sequence[EventRow]


Block = OutcomeBlock | LeaseBlock | RecordBlock | EventBlock

_encode = msgspec.msgpack.Encoder().encode
_head_decoder = msgspec.msgpack.Decoder(Head)
_block_decoder: msgspec.msgpack.Decoder[Block] = msgspec.msgpack.Decoder(Block)


def decode_head(block: bytes) -> Head:
    """Raises ``ValueError`` for a version or bytes that this release cannot read."""
    if block[:1] != bytes((VERSION,)):
        found = block[0] if block else "none"
        raise ValueError(f"state version {found}: this release reads version {VERSION}")
    try:
        return _head_decoder.decode(memoryview(block)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not the head of a state: {error}") from error


def decode_block(block: bytes) -> Block:
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

    __slots__ = ("_blocks", "_closed", "_head", "_leases", "_leases_view", "_store", "_view")

    def __init__(
        self, head: Head, outcomes: Iterator[tuple[Outcome, int]], leases: Leases, store: Store
    ) -> None:
        self._head = head
        self._leases = leases
        self._leases_view = leases.freeze()
        self._store = store
        self._view = store.freeze()
        self._blocks = _blocks(head, outcomes, self._leases_view.rows(), self._view)
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
        self._leases.thaw(self._leases_view)
        self._store.thaw(self._view)


def _blocks(
    head: Head,
    outcomes: Iterator[tuple[Outcome, int]],
    leases: Iterator[LeaseRow],
    view: StoreView,
) -> Iterator[bytes]:
    yield bytes((VERSION,)) + _encode(head)
    while outcome_rows := [_outcome_row(*one) for one in islice(outcomes, BLOCK_ITEMS)]:
        yield _encode(OutcomeBlock(outcome_rows))
    while lease_rows := list(islice(leases, BLOCK_ITEMS)):
        yield _encode(LeaseBlock(lease_rows))
    present: dict[bytes, Record] = {}
    for items in _packed(_sized_records(view)):
        # What the window of history has made of a key; events will refer to it.
        present.update((k, r) for k, r in items if r.mod_revision > view.compacted_revision)
        yield _encode(RecordBlock([key for key, _ in items], [record for _, record in items]))
    for rows in _packed(_sized_events(view, present)):
        yield _encode(EventBlock(rows))


def _outcome_row(outcome: Outcome, index: int) -> OutcomeRow:
    return (
        outcome.request_id,
        outcome.status,
        outcome.message,
        outcome.revision,
        outcome.time_ms,
        outcome.changed,
        index,
    )


def _sized_records(view: StoreView) -> Iterator[tuple[tuple[bytes, Record], int]]:
    """Each key and record, and the bytes they take."""
    while items := view.records.read():
        for item in items:
            yield item, len(item[0]) + len(item[1].value)


def _sized_events(view: StoreView, present: dict[bytes, Record]) -> Iterator[tuple[EventRow, int]]:
    """Each event as its row, and the bytes it takes."""
    compacted_revision = view.compacted_revision
    for event, time_ms in view.events:
        row = _event_row(event, time_ms, present, compacted_revision)
        size_bytes = len(event.key)
        for record in row[4:]:
            if isinstance(record, Record):
                size_bytes += len(record.value)
        yield row, size_bytes


def _event_row(
    event: Event, time_ms: int, present: dict[bytes, Record], compacted_revision: int
) -> EventRow:
    key, record, previous = event.key, event.record, event.previous
    if previous is not None and previous.mod_revision > compacted_revision:
        previous = None
    if record is None:
        return event.revision, time_ms, key, _DELETED, None, previous
    if present.get(key) is record:
        del present[key]  # its last event; else all that was replaced since would go at once
        return event.revision, time_ms, key, _PRESENT, None, previous
    return event.revision, time_ms, key, _REPLACED, record, previous


def _packed(items: Iterator[tuple[_T, int]]) -> Iterator[list[_T]]:
    """As many as fill one block each; every item comes with its bytes."""
    block: list[_T] = []
    room_bytes = BLOCK_BYTES
    for item, size_bytes in items:
        block.append(item)
        room_bytes -= size_bytes
        if room_bytes <= 0 or len(block) == BLOCK_ITEMS:
            yield block
            block, room_bytes = [], BLOCK_BYTES
    if block:
        yield block
