"""A lease that keeps itself alive, by a task in the background."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from kvorum.client.aio.shell import Shell
from kvorum.client.calls import leases
from kvorum.client.errors import ClientError, DeadlineExceeded, LeaseNotFound, Refused
from kvorum.client.keeping import Keeper, new_lease_id

OnLost = Callable[[], object]


class Lease:
    """A lease of one's own: granted on entering ``async with``, kept alive, revoked on leaving.

    ``lost`` is set as soon as it can no longer be relied on: the cluster says that it ended, or
    could not be asked for as long as it lasts. Then ``on_lost`` is called, once, in the task
    that keeps it alive.
    """

    def __init__(
        self,
        shell: Shell,
        ttl_s: float,
        *,
        lease_id: str = "",
        on_lost: OnLost | None = None,
        lost: asyncio.Event | None = None,
    ) -> None:
        self.id = lease_id or new_lease_id()
        self.lost = lost or asyncio.Event()
        self._shell = shell
        self._ttl_s = ttl_s
        self._on_lost = on_lost
        self._keeper: Keeper | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def ttl_s(self) -> float:
        return self._keeper.ttl_s if self._keeper else self._ttl_s

    @property
    def remaining_s(self) -> float:
        """For how long it lasts at least, if it is not renewed any more; 0 once it is lost."""
        if self._keeper is None or self.lost.is_set():
            return 0.0
        return self._keeper.remaining_s(self._shell.clock())

    async def grant(self) -> Self:
        """Create it and keep it alive from now on, without ``with``."""
        if self._keeper is not None:
            raise RuntimeError("this lease was granted before: make another one")
        sent_s = self._shell.clock()
        info = await self._shell.run(leases.grant(self._ttl_s, self.id))
        return self.keep(Keeper(info.id, info.ttl_s, sent_s))

    def keep(self, keeper: Keeper) -> Self:
        """Keep alive what was granted already."""
        self.id, self._keeper = keeper.lease, keeper
        self._shell.adopt(self)
        self._task = asyncio.create_task(self._run(keeper), name=f"kvorum-lease-{self.id}")
        return self

    async def _run(self, keeper: Keeper) -> None:
        try:
            await self._renew_until_lost(keeper)
        finally:  # also after an error that nobody expected: it is not kept alive any more
            if not self._is_closed:
                self.lost.set()
                self._shell.disown(self)
        if self._on_lost is not None:
            self._on_lost()

    async def _renew_until_lost(self, keeper: Keeper) -> None:
        clock = self._shell.clock
        while True:
            await asyncio.sleep(keeper.pause_s(clock()))
            if keeper.has_ended(sent_s := clock()) or not await self._renew(keeper, sent_s):
                return

    async def _renew(self, keeper: Keeper, sent_s: float) -> bool:
        """Whether it may still be relied on."""
        call = leases.keep_alive(keeper.lease)
        try:
            info = await self._shell.run(call, keeper.remaining_s(sent_s))
        except Refused:
            return False
        except ClientError:  # out of reach, or a fault: try again as long as there is time
            return not keeper.has_ended(self._shell.clock())
        keeper.renewed(sent_s, info.ttl_s)
        return True

    async def close(self) -> None:
        """Stop keeping it alive, without revoking it: it ends when its time is over."""
        self._is_closed = True
        self._shell.disown(self)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def revoke(self) -> None:
        """End it now, and with it its keys."""
        await self.close()
        try:
            await self._shell.run(leases.revoke(self.id))
        except LeaseNotFound:
            return  # it has ended already

    async def __aenter__(self) -> Self:
        if self._keeper is None:
            return await self.grant()
        if self._is_closed:
            raise RuntimeError("this lease is over: make another one")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.lost.is_set():
            return
        try:
            await self.revoke()
        except DeadlineExceeded:
            return  # out of reach: it ends by itself, since nobody keeps it alive any more
