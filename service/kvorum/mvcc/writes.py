"""Changes of keys at a revision that keep the leases' lists of keys in step."""

from kvorum.mvcc.leases import Lease, Leases
from kvorum.mvcc.store import Store


class Writes:
    """All writes of keys go this way while there are leases."""

    __slots__ = ("_leases", "_store")

    def __init__(self, store: Store, leases: Leases) -> None:
        self._store = store
        self._leases = leases

    def put(
        self, revision: int, key: bytes, value: bytes, lease: Lease | None, content_type: str
    ) -> None:
        lease_id = "" if lease is None else lease.id  # one string for all its records
        old = self._store.put_at(revision, key, value, lease_id, content_type)
        former_id = "" if old is None else old.lease
        if former_id == lease_id:
            return
        if lease is not None:
            lease.attach(key)
        if former_id:
            self._leases.detach(former_id, key)

    def delete(self, revision: int, key: bytes) -> None:
        """A key that exists."""
        old = self._store.delete_at(revision, key)
        assert old is not None, "only keys that exist are deleted at a revision"
        if old.lease:
            self._leases.detach(old.lease, key)

    def end(self, lease: Lease, keys_max: int) -> int:
        """Delete a lease's first keys, at one revision, and forget it if it has no more.

        Returns how many they were.
        """
        keys = lease.keys(keys_max)
        if not keys and not lease.key_count:
            self._leases.remove(lease)
            return 0
        revision = self._store.next_revision()
        left = lease.key_count - len(keys)
        for key in keys:
            self.delete(revision, key)
        if not left and self._leases.find(lease.id) is lease:
            self._leases.remove(lease)  # one of the store's own went with its last key
        return len(keys)
