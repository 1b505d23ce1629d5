"""What a store is for, tried once, step by step, on keys of its own.

The keys hang on a lease: should this be killed, they end with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from secrets import token_hex
from time import perf_counter

from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.client import AsyncClient
from kvorum.client.aio.streams import Watch
from kvorum.client.errors import ClientError, NotFound, ValueMismatch

PREFIX = "_selftest"
_MARGIN_S = 30.0
"""That the keys outlive the steps, if nobody ends their lease."""
_FIRST, _SECOND, _THIRD = "first", "second", "third"

Tell = Callable[[str, str, float], None]
"""Name of a step, what came of it, and the seconds that it took."""


class Trial:
    """One run; ``step_s`` bounds each step."""

    def __init__(self, client: AsyncClient, step_s: float, tell: Tell) -> None:
        self._client = client
        self._step_s = step_s
        self._tell = tell
        self._prefix = f"{PREFIX}/{token_hex(8)}/"
        self._key = f"{self._prefix}key"
        self._lease = ""
        self._begun = 0  # revision of the first put

    async def run(self) -> None:
        """Raises what a step fails with: ClientError or CommandFailed."""
        steps: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
            ("lease", self._grant),
            ("put", self._put),
            ("get", self._get),
            ("compare-and-set", self._swap),
            ("list", self._list),
            ("watch", self._watch),
            ("delete", self._delete),
        )
        try:
            for name, step in steps:
                await self._timed(name, step)
        except BaseException:
            await self._clean_up()
            raise
        await self._timed("clean up", self._end)

    async def _timed(self, name: str, step: Callable[[], Awaitable[str]]) -> None:
        begun = perf_counter()
        try:
            async with asyncio.timeout(self._step_s):
                told = await step()
        except TimeoutError:
            why = f"{name}: not done within {self._step_s:g} s"
            raise CommandFailed(Exit.UNAVAILABLE, why, step=name) from None
        self._tell(name, told, perf_counter() - begun)

    # --- the steps ---------------------------------------------------------------------

    async def _grant(self) -> str:
        lease = await self._client.leases.grant(8 * self._step_s + _MARGIN_S)
        self._lease = lease.id
        return f"its keys end with a lease of {lease.ttl_s:g} s"

    async def _put(self) -> str:
        written = await self._client.put(self._key, _FIRST, lease=self._lease, if_absent=True)
        self._begun = written.revision
        return f"acknowledged at revision {written.revision}"

    async def _get(self) -> str:
        found = await self._client.get(self._key)
        _demand(found.value == _FIRST, f"get: {found.value!r} was read, {_FIRST!r} was put")
        _demand(
            found.mod_revision == self._begun,
            f"get: read at revision {found.mod_revision}, put at {self._begun}",
        )
        return "a linearizable read sees it"

    async def _swap(self) -> str:
        written = await self._client.cas(self._key, _FIRST, _SECOND)
        _demand(
            written.revision > self._begun,
            f"compare-and-set: revision {written.revision} does not follow {self._begun}",
        )
        try:
            await self._client.cas(self._key, _FIRST, _THIRD)
        except ValueMismatch:
            return "done with the right old value, refused with a wrong one"
        raise CommandFailed(Exit.FAILED, "compare-and-set: done although the old value was wrong")

    async def _list(self) -> str:
        found = [(item.key, item.value) async for item in self._client.range(prefix=self._prefix)]
        _demand(found == [(self._key, _SECOND)], f"list: {found} instead of the one key")
        return "the one key, with its value"

    async def _watch(self) -> str:
        """The past from the first put on, and a put that comes while it is watched."""
        async with self._client.watch(prefix=self._prefix, from_revision=self._begun) as changes:
            past = [await _next(changes) for _ in range(2)]
            _demand(past == [_FIRST, _SECOND], f"watch: {past} instead of both former values")
            await self._client.put(self._key, _THIRD, lease=self._lease)
            now = await _next(changes)
            _demand(now == _THIRD, f"watch: {now!r} instead of what was put just now")
        return "it told of all three writes, in order"

    async def _delete(self) -> str:
        await self._client.delete(self._key)
        try:
            await self._client.get(self._key)
        except NotFound:
            return "the key is gone"
        raise CommandFailed(Exit.FAILED, "delete: the key can still be read")

    async def _end(self) -> str:
        lease, self._lease = self._lease, ""
        await self._client.leases.revoke(lease)
        return "the lease has ended"

    async def _clean_up(self) -> None:
        """After a failure, which is what is told; else the lease ends by itself."""
        if not self._lease:
            return
        try:
            async with asyncio.timeout(self._step_s):
                await self._end()
        except (ClientError, TimeoutError) as error:
            self._tell(
                "clean up", f"left to the end of the lease: {str(error) or 'no answer'}", 0.0
            )


async def _next(changes: Watch) -> object:
    """The value of the one key that the next change is about."""
    change = await anext(changes)
    event = change.events[0]
    return None if event.item is None else event.item.value


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CommandFailed(Exit.FAILED, otherwise)
