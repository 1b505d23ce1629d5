"""Load on a cluster for some seconds, and how long it took to serve each request.

Everything it writes hangs on one lease: should the check itself be killed, that ends, and the
keys with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from secrets import token_hex
from time import perf_counter

from kvorum.cli.health.latencies import Latencies
from kvorum.client import AsyncClient
from kvorum.client.errors import ClientError

_PREFIX = "_check"
_CHANGES_MAX = 1000

Operation = Callable[[int], Awaitable[object]]
"""Of the n-th of those who work at once."""


async def repeat(operation: Operation, at_once: int, seconds: float) -> Latencies:
    """As often as it can be done by so many at once, from one failure to the next attempt too."""
    samples: list[float] = []
    failed, failure = 0, ""
    start = perf_counter()

    async def work(number: int) -> None:
        nonlocal failed, failure
        while (begun := perf_counter()) - start < seconds:
            try:
                await operation(number)
            except ClientError as error:
                failed, failure = failed + 1, failure or str(error)
            else:
                samples.append(perf_counter() - begun)

    await asyncio.gather(*map(work, range(at_once)))
    return Latencies.of(samples, perf_counter() - start, failed, failure)


class Scratch:
    """Keys of one check, and its lease."""

    def __init__(self, client: AsyncClient, value_bytes: int) -> None:
        self._client = client
        self._lease = ""
        self._prefix = f"{_PREFIX}/{token_hex(8)}"
        self._value = token_hex(value_bytes // 2 + 1)[:value_bytes]

    async def begin(self, lifetime_s: float) -> None:
        lease = await self._client.leases.grant(lifetime_s)
        self._lease = lease.id
        await self.put(0)

    async def end(self) -> None:
        """The keys go with the lease."""
        if self._lease:
            await self._client.leases.revoke(self._lease)

    def key(self, number: int) -> str:
        return f"{self._prefix}/{number}"

    async def put(self, number: int) -> object:
        return await self._client.put(self.key(number), self._value, lease=self._lease)

    async def get(self, number: int) -> object:
        del number  # all read the same
        return await self._client.get(self.key(0))

    async def get_stale(self, number: int) -> object:
        del number
        return await self._client.get(self.key(0), stale=True)

    async def watch(self, seconds: float) -> Latencies:
        """From sending a put until it is acknowledged and a watch of its key has told of it."""
        samples: list[float] = []
        start = perf_counter()
        async with self._client.watch(self.key(0)) as changes:
            while (begun := perf_counter()) - start < seconds and len(samples) < _CHANGES_MAX:
                heard = asyncio.ensure_future(anext(changes))
                try:
                    await self.put(0)
                    await heard
                finally:
                    heard.cancel()
                samples.append(perf_counter() - begun)
        return Latencies.of(samples, perf_counter() - start)
