"""A lease that keeps itself alive, by a thread in the background."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from kvorum.client.calls import leases
from kvorum.client.errors import ClientError, DeadlineExceeded, LeaseNotFound, Refused
from kvorum.client.keeping import Keeper, new_lease_id
from kvorum.client.sync.shell import Shell

OnLost = Callable[[], object]


class Lease:
    """A lease of one's own: granted on entering ``with``, kept alive, revoked on leaving.

    ``lost`` is set as soon as it can no longer be relied on: the cluster says that it ended, or
    could not be asked for as long as it lasts. Then ``on_lost`` is called, once, in the thread
    that keeps it alive.
    """

    def __init__(
        self,
        shell: Shell,
        ttl_s: float,
        *,
        lease_id: str = "",
        on_lost: OnLost | None = None,
        lost: threading.Event | None = None,
    ) -> None:
        self.id = lease_id or new_lease_id()
        self.lost = lost or threading.Event()
        self._shell = shell
        self._ttl_s = ttl_s
        self._on_lost = on_lost
        self._keeper: Keeper | None = None
        self._stop = threading.Event()

    @property
    def ttl_s(self) -> float:
        return self._keeper.ttl_s if self._keeper else self._ttl_s

    @property
    def remaining_s(self) -> float:
        """For how long it lasts at least, if it is not renewed any more; 0 once it is lost."""
        if self._keeper is None or self.lost.is_set():
            return 0.0
        return self._keeper.remaining_s(self._shell.clock())

    def grant(self) -> Self:
        """Create it and keep it alive from now on, without ``with``."""
        if self._keeper is not None:
            raise RuntimeError("this lease was granted before: make another one")
        sent_s = self._shell.clock()
        info = self._shell.run(leases.grant(self._ttl_s, self.id))
        return self.keep(Keeper(info.id, info.ttl_s, sent_s))

    def keep(self, keeper: Keeper) -> Self:
        """Keep alive what was granted already."""
        self.id, self._keeper = keeper.lease, keeper
        self._shell.adopt(self)
        threading.Thread(
            target=self._run, args=(keeper,), name=f"kvorum-lease-{self.id}", daemon=True
        ).start()
        return self

    def _run(self, keeper: Keeper) -> None:
        try:
            self._renew_until_lost(keeper)
        finally:  # also after an error that nobody expected: it is not kept alive any more
            if not self._stop.is_set():
                self.lost.set()
                self._shell.disown(self)
        if self._on_lost is not None and not self._stop.is_set():
            self._on_lost()

    def _renew_until_lost(self, keeper: Keeper) -> None:
        clock = self._shell.clock
        while not self._stop.wait(keeper.pause_s(clock())):
            if keeper.has_ended(sent_s := clock()) or not self._renew(keeper, sent_s):
                return

    def _renew(self, keeper: Keeper, sent_s: float) -> bool:
        """Whether it may still be relied on."""
        call = leases.keep_alive(keeper.lease)
        try:
            info = self._shell.run(call, keeper.remaining_s(sent_s), stop=self._stop)
        except Refused:
            return False
        except ClientError:  # out of reach, or a fault: try again as long as there is time
            return not keeper.has_ended(self._shell.clock())
        keeper.renewed(sent_s, info.ttl_s)
        return True

    def close(self) -> None:
        """Stop keeping it alive, without revoking it: it ends when its time is over."""
        self._stop.set()
        self._shell.disown(self)

    def revoke(self) -> None:
        """End it now, and with it its keys."""
        self.close()
        try:
            self._shell.run(leases.revoke(self.id))
        except LeaseNotFound:
            return  # it has ended already

    def __enter__(self) -> Self:
        if self._keeper is None:
            return self.grant()
        if self._stop.is_set():
            raise RuntimeError("this lease is over: make another one")
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.lost.is_set():
            return
        try:
            self.revoke()
        except DeadlineExceeded:
            return  # out of reach: it ends by itself, since nobody keeps it alive any more
