# Generated from ../aio/leases.py by tools/generate_client.py.
"""Leases by their ids."""

from kvorum.client.calls import leases
from kvorum.client.model import LeaseInfo
from kvorum.client.paging import Pager
from kvorum.client.sync.shell import Shell
from kvorum.client.sync.streams import Items


class Leases:
    """Leases by their ids, for those who keep them alive themselves: ``client.leases``."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def grant(
        self,
        ttl_s: float,
        *,
        lease_id: str = "",
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> LeaseInfo:
        """A new lease of 1 s to a year; :class:`Conflict` if the id is taken."""
        return self._shell.run(leases.grant(ttl_s, lease_id, request_id=request_id), timeout_s)

    def keep_alive(self, lease_id: str, *, timeout_s: float | None = None) -> LeaseInfo:
        """Its time begins anew; :class:`LeaseNotFound` if it has ended."""
        return self._shell.run(leases.keep_alive(lease_id), timeout_s)

    def revoke(self, lease_id: str, *, request_id: str = "", timeout_s: float | None = None) -> int:
        """End it now; how many keys went with it."""
        return self._shell.run(leases.revoke(lease_id, request_id=request_id), timeout_s)

    def show(
        self, lease_id: str, *, keys: bool = False, timeout_s: float | None = None
    ) -> LeaseInfo:
        """What is left of its time, and how many keys (or which) hang on it."""
        return self._shell.run(leases.show(lease_id, keys=keys), timeout_s)

    def list(self, *, limit: int | None = None, timeout_s: float | None = None) -> Items[LeaseInfo]:
        """All leases, by id."""
        return Items(self._shell, Pager(leases.page, limit=limit), timeout_s)
