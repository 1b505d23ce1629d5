"""What is wrong with a write is found before it is in the log."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from kvorum.errors import Forbidden, InvalidRequest, TooLarge
from kvorum.mvcc.command import Compare, DeleteOp, PutOp, Txn, WriteOp
from kvorum.mvcc.outcome import INTERNAL_KEY_MESSAGE
from kvorum.node.options import NodeOptions
from kvorum.node.views import Get, TxnOp

TXN_OPS_MAX: Final = 512
"""Operations of one branch of a transaction, and comparisons."""
TTL_MS_MIN: Final = 1000
TTL_MS_MAX: Final = 366 * 86_400_000

_LEASE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class CommandChecks:
    """Limits of one node; all raise ``Forbidden``, ``TooLarge`` and ``InvalidRequest``."""

    __slots__ = ("_internal_key", "_key_bytes_max", "_pending_bytes_max", "_value_bytes_max")

    def __init__(self, options: NodeOptions) -> None:
        self._internal_key = options.internal_key
        self._key_bytes_max = options.key_bytes_max
        self._value_bytes_max = options.value_bytes_max
        self._pending_bytes_max = options.pending_bytes_max

    def check_key(self, key: bytes, *values: bytes) -> None:
        """The key, and values for it."""
        if key == self._internal_key:
            raise Forbidden(INTERNAL_KEY_MESSAGE)
        if len(key) > self._key_bytes_max:
            raise TooLarge(f"the key has {len(key)} bytes, over the limit of KEY_BYTES_MAX")
        for value in values:
            if len(value) > self._value_bytes_max:
                raise TooLarge(
                    f"the value has {len(value)} bytes, over the limit of VALUE_BYTES_MAX"
                )

    def check_command_size(self, encoded: bytes) -> None:
        """It has to fit in among all that may wait."""
        if len(encoded) > self._pending_bytes_max:
            raise TooLarge(
                f"the transaction has {len(encoded)} bytes, over the limit of PENDING_BYTES_MAX"
            )

    def txn(
        self,
        request_id: str,
        compares: Sequence[Compare],
        then: Sequence[TxnOp],
        orelse: Sequence[TxnOp],
        after_index: int,
    ) -> Txn:
        """The command, which holds no reads."""
        for branch in (compares, then, orelse):
            if len(branch) > TXN_OPS_MAX:
                raise InvalidRequest(
                    f"{len(branch)} operations or comparisons are too many for one transaction; "
                    f"at most {TXN_OPS_MAX}"
                )
        for compare in compares:
            operand = compare.operand
            if isinstance(operand, bytes):
                self.check_key(compare.key, operand)
            else:
                self.check_key(compare.key)
        return Txn(
            request_id, tuple(compares), self._writes(then), self._writes(orelse), after_index
        )

    def _writes(self, ops: Sequence[TxnOp]) -> tuple[WriteOp, ...]:
        writes: list[WriteOp] = []
        for op in ops:
            if isinstance(op, Get):
                continue
            writes.append(op)
            if isinstance(op, PutOp):
                self.check_key(op.key, op.value)
                if op.lease or op.ttl_ms:
                    check_lease_of(op.lease, op.ttl_ms)
            elif op.end is None:
                self.check_key(op.key)
        twice = overlap(writes)
        if twice is not None:
            key = writes[twice[1]].key.decode("utf-8", "backslashreplace")
            raise InvalidRequest(
                f"a transaction writes the key {key!r} twice in one branch; write each key once"
            )
        return tuple(writes)


def overlap(ops: Sequence[TxnOp]) -> tuple[int, int] | None:
    """Positions of two operations that write the same key, by where their keys begin."""
    keys = set[bytes]()
    for op in ops:
        if isinstance(op, Get):
            continue
        if op.key in keys or (isinstance(op, DeleteOp) and op.end is not None):
            return _overlap_of_ranges(ops)
        keys.add(op.key)
    return None


def _overlap_of_ranges(ops: Sequence[TxnOp]) -> tuple[int, int] | None:
    spans = sorted(
        (op.key, _end_of(op), number) for number, op in enumerate(ops) if not isinstance(op, Get)
    )
    for (_, end, first), (start, _, second) in pairwise(spans):
        if not end or start < end:
            return first, second
    return None


def _end_of(op: WriteOp) -> bytes:
    """Of the keys it writes; empty: no upper bound."""
    if isinstance(op, DeleteOp) and op.end is not None:
        return op.end
    return op.key + b"\0"


def check_lease_of(lease: str, ttl_ms: int) -> None:
    """What a key is to be bound to; raises ``InvalidRequest``."""
    if lease and ttl_ms:
        raise InvalidRequest("a key gets a lease or a time to live, not both")
    if lease:
        check_lease_id(lease)
    if ttl_ms:
        check_ttl(ttl_ms)


def check_lease_id(lease: str) -> None:
    """Raises ``InvalidRequest``."""
    if not _LEASE_ID.fullmatch(lease):
        raise InvalidRequest(
            f"{lease[:80]!r} is no id of a lease: 1 to 64 letters, digits, dots, underscores or "
            "dashes"
        )


def check_ttl(ttl_ms: int) -> None:
    """Raises ``InvalidRequest``."""
    if not TTL_MS_MIN <= ttl_ms <= TTL_MS_MAX:
        raise InvalidRequest(
            f"a time to live of {ttl_ms / 1000:g} s: it must be {TTL_MS_MIN // 1000} s to "
            f"{TTL_MS_MAX // 1000} s"
        )
