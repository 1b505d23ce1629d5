# Generated from ../aio/claims.py by tools/generate_client.py.
"""Locks and elections."""

import threading
from types import TracebackType
from typing import Self

from kvorum.client.calls import claims
from kvorum.client.calls.claims import Kind
from kvorum.client.errors import ClientError, DeadlineExceeded
from kvorum.client.feeds import LeaderFeed
from kvorum.client.holding import WITHDRAW_S, Holding
from kvorum.client.keeping import ClaimPlan
from kvorum.client.model import ClaimQueue, Json, Observation
from kvorum.client.paging import Pager
from kvorum.client.sync.lease import Lease, OnLost
from kvorum.client.sync.shell import Shell
from kvorum.client.sync.streams import Items, Stream


class _Held(Holding):
    """A claim under a lease of its own, or under one that the caller keeps alive."""

    lost: threading.Event
    _of = Kind.LOCK

    def __init__(
        self,
        shell: Shell,
        name: str,
        *,
        ttl_s: float,
        lease: Lease | str | None,
        value: Json,
        wait_s: float | None,
        on_lost: OnLost | None,
    ) -> None:
        lease_id = lease.id if isinstance(lease, Lease) else lease or ""
        super().__init__(self._of, name, ttl_s=ttl_s, lease_id=lease_id, value=value, wait_s=wait_s)
        self.lost = lease.lost if isinstance(lease, Lease) else threading.Event()
        self._shell = shell
        self._on_lost = on_lost
        self._own: Lease | None = None

    def acquire(self) -> Self:
        """Wait until it is held, for at most ``wait_s``: then :class:`Taken`."""
        plan = self._plan(self._shell.clock)
        try:
            self._claim = self._shell.follow(plan.acquire(self.value, self.wait_s))
            self._lease_id = plan.lease
            if plan.keeper is not None:
                self.lost = threading.Event() if self.lost.is_set() else self.lost
                own = Lease(self._shell, self._ttl_s, on_lost=self._on_lost, lost=self.lost)
                self._own = own.keep(plan.keeper)
        except BaseException:
            self._claim = None
            self._withdraw(plan)
            raise
        return self

    def _withdraw(self, plan: ClaimPlan) -> None:
        try:
            self._shell.run(plan.withdrawal(), WITHDRAW_S)
        except ClientError:
            return  # there is nothing to withdraw, or the end of the lease does it

    def release(self) -> None:
        """Give it up; nothing happens if it is not held."""
        if self._claim is None:
            return
        own, self._own, self._claim = self._own, None, None
        if own is None:
            self._shell.run(claims.release(self._kind, self.name, self._lease_id))
        elif not own.lost.is_set():
            own.revoke()

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            self.release()
        except DeadlineExceeded:
            return  # out of reach: the end of its lease releases it


class Lock(_Held):
    """A lock by name: waits for it on entering ``with``, gives it up on leaving.

    Holding it excludes others only as long as its lease lasts, so heed ``lost``, and hand
    ``token`` to whatever the lock protects: it grows from holder to holder.
    """


class Leadership(_Held):
    """Leading in an election: waits to be elected on entering ``with``, resigns on leaving.

    ``lost`` and ``token`` are those of a :class:`Lock`.
    """

    _of = Kind.ELECTION

    def proclaim(self, value: Json) -> None:
        """Change what observers see; :class:`Conflict` if this side does not lead any more."""
        self._held()
        self._shell.run(claims.proclaim(self.name, self._lease_id, value))
        self.value = value


class Locks:
    """Locks by name, without holding any: ``client.locks``."""

    _of = Kind.LOCK

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def show(self, name: str, *, timeout_s: float | None = None) -> ClaimQueue:
        """Who holds it, and who waits."""
        return self._shell.run(claims.show(self._of, name), timeout_s)

    def names(self, *, limit: int | None = None, timeout_s: float | None = None) -> Items[str]:
        """Those that somebody holds or waits for, in order."""

        def page(after: str, size: int) -> "claims.NamesCall":
            return claims.names(self._of, after, size)

        return Items(self._shell, Pager(page, limit=limit), timeout_s)

    def release(self, name: str, lease_id: str, *, timeout_s: float | None = None) -> bool:
        """End the claim of that lease; whether there was one."""
        return self._shell.run(claims.release(self._of, name, lease_id), timeout_s)


class Elections(Locks):
    """Elections by name, without running in any: ``client.elections``."""

    _of = Kind.ELECTION

    def observe(
        self, name: str, *, timeout_s: float | None = None, outage_s: float | None = None
    ) -> Stream[Observation]:
        """Who leads: now, and whenever that or what the leader proclaims changes."""
        return Stream(self._shell, LeaderFeed(name), timeout_s=timeout_s, outage_s=outage_s)
