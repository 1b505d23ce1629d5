"""Changes of keys at a revision, and the leases' lists of keys in step with them."""

from kvorum.mvcc.lease import Lease, is_own
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.store import Store


class Writes:
    """What writes of keys mean for leases.

    After those of one revision comes :meth:`tidy`: a lease of a key's own that lost its last
    key meanwhile may have got another one at the same revision.
    """

    __slots__ = ("_emptied", "_leases", "_store")

    def __init__(self, store: Store, leases: Leases) -> None:
        self._store = store
        self._leases = leases
        self._emptied: list[Lease] = []

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
            self._detach(former_id, key)

    def delete(self, revision: int, key: bytes) -> None:
        """A key that exists."""
        old = self._store.delete_at(revision, key)
        assert old is not None, "only keys that exist are deleted at a revision"
        if old.lease:
            self._detach(old.lease, key)

    def release(self, lease_id: str, key: bytes) -> None:
        """The key was in this lease, and is not any more, by the only write of a revision."""
        self._detach(lease_id, key)
        self.tidy()

    def tidy(self) -> None:
        """Forget the leases that vanish with their last key."""
        while self._emptied:
            lease = self._emptied.pop()
            if not lease.key_count and self._leases.find(lease.id) is lease:
                self._leases.remove(lease)

    def end(self, lease: Lease, keys_max: int) -> int:
        """Delete a lease's first keys, at one revision, and forget it if it has no more.

        Returns how many they were.
        """
        keys = lease.keys(keys_max)
        if keys:
            revision = self._store.next_revision()
            for key in keys:
                self.delete(revision, key)
        if not lease.key_count:
            self._emptied.append(lease)
        self.tidy()
        return len(keys)

    def _detach(self, lease_id: str, key: bytes) -> None:
        lease = self._leases.detach(lease_id, key)
        if not lease.key_count and is_own(lease_id):
            self._emptied.append(lease)
