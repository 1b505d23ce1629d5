"""What a key counts for the store's quota: roughly the memory that it takes."""

from collections.abc import Sequence
from typing import Final

from kvorum.mvcc.command import Put, PutOp
from kvorum.mvcc.lease import is_own
from kvorum.mvcc.record import Record

KEY_BYTES: Final = 256
"""For every key, beside its own length and those of its value and content type."""
OWN_LEASE_BYTES: Final = 320
"""For a key that has a lease of its own. Both are part of the replicated state's meaning."""


def charge(key: bytes, value: bytes, lease: str, content_type: str) -> int:
    """Bytes that a key with such a record counts."""
    size_bytes = KEY_BYTES + len(key) + len(value)
    if lease or content_type:  # the frequent case costs little
        size_bytes += len(content_type) + OWN_LEASE_BYTES * is_own(lease)
    return size_bytes


def charge_of(key: bytes, record: Record | None) -> int:
    """Of the record that is there; nothing for none."""
    if record is None:
        return 0
    return charge(key, record.value, record.lease, record.content_type)


def charge_of_all(keys: Sequence[bytes], records: Sequence[Record]) -> int:
    """Of many keys with their records."""
    size_bytes = KEY_BYTES * len(keys) + sum(map(len, keys))
    for record in records:
        size_bytes += len(record.value)
        if record.lease or record.content_type:
            size_bytes += len(record.content_type) + OWN_LEASE_BYTES * is_own(record.lease)
    return size_bytes


def charge_of_put(put: Put | PutOp) -> int:
    """Of the record that this would make."""
    size_bytes = charge(put.key, put.value, put.lease, put.content_type)
    return size_bytes + OWN_LEASE_BYTES if put.ttl_ms and not put.lease else size_bytes
