"""Commands, and the batch of them that fills one log entry.

A batch is a fixed header followed by a MessagePack array of commands::

    u8  version (2)
    u64 time_ms                 the log's own time when a leader appended the batch
    u32 outcomes_count_max      how many outcomes to keep after this batch
    u32 outcomes_age_s_max      and for how long, measured in time_ms
    u32 history_revisions_max   how many past revisions to keep after this batch
    u32 history_age_s_max       and for how long
    u64 history_bytes_max       and how many bytes of them
    u64 quota_bytes             how large the store may grow, 0: without a bound
    ... MessagePack: [[tag, request_id, key, ...], ...]

A batch without commands is valid: it brings time, so that leases end and what is too old is
forgotten also while nobody writes.

Time, retention and quota travel in the log because every replica must decide the same at
the same entry; local clocks and settings must not. The log's time begins at 0 and grows by
what leaders see pass on clocks that never jump, so no node's idea of the date can age
anything. A node that is not the leader leaves the header's numbers zero; the leader stamps
them.

Every command says up to which index it was certainly not in the log when its
request came in. Should the outcomes kept no longer reach back that far, nobody can
tell whether an attempt was applied and forgotten: the command is then refused.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum

import msgspec
from msgspec import Struct

_HEADER = struct.Struct(">BQIIIIQQ")
_VERSION = 2

FIRST_ATTEMPT = (1 << 63) - 1
"""As ``after_index``: no earlier attempt can exist anywhere."""


class _Command(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A field that this release does not know is refused, never ignored.

    Otherwise replicas of two releases would make different states of one entry.
    """


class Put(_Command, frozen=True, tag=1):
    """Set ``key`` to ``value``, whatever it was; see :class:`~kvorum.mvcc.record.Record`.

    ``lease`` must exist. With ``ttl_ms`` instead the key gets a lease of its own, which ends
    with it (:func:`~kvorum.mvcc.lease.own_lease_id`). A put without either takes the key out
    of the lease it was in.
    """

    request_id: str
    key: bytes
    value: bytes
    after_index: int = FIRST_ATTEMPT  # no attempt stands at or below this index
    lease: str = ""
    ttl_ms: int = 0
    content_type: str = ""


class CompareAndSet(_Command, frozen=True, tag=2):
    """Set ``key`` to ``value`` if it holds ``expected``, compared as JSON.

    A value with a content type is no JSON, so it never matches. The key stays in its lease.
    """

    request_id: str
    key: bytes
    expected: bytes
    value: bytes
    after_index: int = FIRST_ATTEMPT


class Delete(_Command, frozen=True, tag=3):
    """Remove ``key``."""

    request_id: str
    key: bytes
    after_index: int = FIRST_ATTEMPT


class Introduce(_Command, frozen=True, tag=4):
    """A member tells ``uid`` (of its data directory) and ``name`` (its SELF_ID); no client does.

    The first uid of a member's id stays; the name may change. Its outcome is not kept, as that
    of :class:`LeaseKeepAlive`.
    """

    request_id: str
    member: str
    uid: str
    name: str
    after_index: int = FIRST_ATTEMPT


class Field(IntEnum):
    """What of a key is compared; numbers are part of the log."""

    VALUE = 0
    VERSION = 1  # 0 for a key that does not exist; so are both revisions
    CREATE_REVISION = 2
    MOD_REVISION = 3
    LEASE = 4  # its id, b"" for none


class Relation(IntEnum):
    """How; numbers are part of the log."""

    EQUAL = 0
    NOT_EQUAL = 1
    LESS = 2
    GREATER = 3


class Compare(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """Whether the field of ``key`` stands in this relation to ``operand``.

    With ``end`` it has to hold for every key that exists from ``key`` up to, but without,
    ``end``, so it holds if there is none (``end`` b"" means that there is no upper bound).
    ``operand`` is bytes for VALUE and LEASE (its id in ASCII), else int; of any other kind only
    NOT_EQUAL holds. A key's content type says whether its value is compared as JSON or as bytes.
    JSON values are equal as in :class:`CompareAndSet`; LESS and GREATER hold between two JSON
    numbers, two JSON strings (by code point) or two raw values (by byte), never otherwise. Of a
    key that does not exist only NOT_EQUAL holds of its value.
    """

    key: bytes
    field: Field
    relation: Relation
    operand: bytes | int
    end: bytes | None = None


class PutOp(_Command, frozen=True, tag=1):
    """A :class:`Put` inside a transaction."""

    key: bytes
    value: bytes
    lease: str = ""
    ttl_ms: int = 0
    content_type: str = ""


class DeleteOp(_Command, frozen=True, tag=2):
    """Delete ``key``; with ``end`` the first ``limit`` keys of a range, as in :class:`Compare`.

    The range is what it was before the transaction.
    """

    key: bytes
    end: bytes | None = None
    limit: int = 0  # 0: all of them, which fails if they are more than DELETE_KEYS_MAX


WriteOp = PutOp | DeleteOp

DELETE_KEYS_MAX = 10_000
"""That one command may delete: what is applied must not hold up everybody else."""


class Txn(_Command, frozen=True, tag=5):
    """If all comparisons hold, the writes of ``then``, else those of ``orelse``: one revision.

    Reads of a transaction are no part of the log: they show the state before its writes.
    Either all writes are done or, for a lease that does not exist, a full store or too many
    deletions or comparisons, none. No key is written twice in a branch: front ends see to that.
    If one is all the same, the last operation on it counts.
    """

    request_id: str
    compares: tuple[Compare, ...]
    then: tuple[WriteOp, ...]
    orelse: tuple[WriteOp, ...] = ()
    after_index: int = FIRST_ATTEMPT


class LeaseGrant(_Command, frozen=True, tag=6):
    """A new lease; CONFLICT if the id is taken, also by a lease that ended a moment ago.

    Ids that begin with ``ttl-`` are the store's own.
    """

    request_id: str
    lease: str
    ttl_ms: int
    after_index: int = FIRST_ATTEMPT


class LeaseKeepAlive(_Command, frozen=True, tag=7):
    """The lease's time begins anew. Its outcome is not kept: doing it twice does no harm."""

    request_id: str
    lease: str
    after_index: int = FIRST_ATTEMPT


class LeaseRevoke(_Command, frozen=True, tag=8):
    """End a lease now, and delete its keys.

    If they are more than DELETE_KEYS_MAX, the rest goes with the batches that follow.
    """

    request_id: str
    lease: str
    after_index: int = FIRST_ATTEMPT


class Compact(_Command, frozen=True, tag=9):
    """Forget what the store held before ``revision``, which stays readable.

    What the same entry of the log made, and the state in which it began, stay also if
    ``revision`` is above: no event is forgotten before anybody could see it.
    """

    request_id: str
    revision: int
    after_index: int = FIRST_ATTEMPT


Command = (
    Put
    | CompareAndSet
    | Delete
    | Introduce
    | Txn
    | LeaseGrant
    | LeaseKeepAlive
    | LeaseRevoke
    | Compact
)


REPEATABLE = frozenset((Introduce, LeaseKeepAlive))
"""Doing them twice does no harm, so their outcomes are not kept."""


class Stamp(Struct, frozen=True, gc=False):
    """The log's time, and how much of the past and of data to keep, as recorded in a batch."""

    time_ms: int = 0
    outcomes_count_max: int = 0
    outcomes_age_s_max: int = 0
    history_revisions_max: int = 0
    history_age_s_max: int = 0
    history_bytes_max: int = 0
    quota_bytes: int = 0


UNSTAMPED = Stamp()
"""What a batch carries until a leader stamps it; in the log it changes no retention."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Command]).decode


def encode_command(command: Command) -> bytes:
    """One command as it will stand in a batch."""
    return _encode(command)


def encode_batch(commands: Sequence[bytes], stamp: Stamp = UNSTAMPED) -> bytes:
    """Join encoded commands into one entry's data, without encoding them again."""
    # 0xdd: MessagePack's array with a 32-bit length
    return b"".join((_header(stamp), b"\xdd", len(commands).to_bytes(4, "big"), *commands))


def stamped(batch: bytes, stamp: Stamp) -> bytes:
    """The same batch under the leader's stamp."""
    return _header(stamp) + batch[_HEADER.size :]


def decode_batch(batch: bytes) -> tuple[Stamp, list[Command]]:
    """Raises ``ValueError`` for a version or bytes that this release cannot read."""
    if batch and batch[0] != _VERSION:
        raise ValueError(f"batch version {batch[0]}: this release reads version {_VERSION}")
    if len(batch) < _HEADER.size:
        raise ValueError(f"batch of {len(batch)} bytes: its header alone takes {_HEADER.size}")
    _, *numbers = _HEADER.unpack_from(batch)
    try:
        commands = _decode(memoryview(batch)[_HEADER.size :])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"batch is not a list of commands: {error}") from error
    return Stamp(*numbers), commands


def _header(stamp: Stamp) -> bytes:
    return _HEADER.pack(
        _VERSION,
        stamp.time_ms,
        stamp.outcomes_count_max,
        stamp.outcomes_age_s_max,
        stamp.history_revisions_max,
        stamp.history_age_s_max,
        stamp.history_bytes_max,
        stamp.quota_bytes,
    )
