"""Leases by their ids."""

from kvorum.client.aio.shell import Shell
from kvorum.client.aio.streams import Items
from kvorum.client.calls import leases
from kvorum.client.model import LeaseInfo
from kvorum.client.paging import Pager


class Leases:
    """Leases by their ids, for those who keep them alive themselves: ``client.leases``."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def grant(
        self,
        ttl_s: float,
        *,
        lease_id: str = "",
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> LeaseInfo:
        """A new lease of 1 s to a year; :class:`Conflict` if the id is taken."""
        return await self._shell.run(
            leases.grant(ttl_s, lease_id, request_id=request_id), timeout_s
        )

    async def keep_alive(self, lease_id: str, *, timeout_s: float | None = None) -> LeaseInfo:
        """Its time begins anew; :class:`LeaseNotFound` if it has ended."""
        return await self._shell.run(leases.keep_alive(lease_id), timeout_s)

    async def revoke(
        self, lease_id: str, *, request_id: str = "", timeout_s: float | None = None
    ) -> int:
        """End it now; how many keys went with it."""
        return await self._shell.run(leases.revoke(lease_id, request_id=request_id), timeout_s)

    async def show(
        self, lease_id: str, *, keys: bool = False, timeout_s: float | None = None
    ) -> LeaseInfo:
        """What is left of its time, and how many keys (or which) hang on it."""
        return await self._shell.run(leases.show(lease_id, keys=keys), timeout_s)

    def list(self, *, limit: int | None = None, timeout_s: float | None = None) -> Items[LeaseInfo]:
        """All leases, by id."""
        return Items(self._shell, Pager(leases.page, limit=limit), timeout_s)
