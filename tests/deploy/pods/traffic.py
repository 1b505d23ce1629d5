"""Clients of the Service that write all the time, and keep account of what they were promised.

Each writes keys of its own, one after the other, and asks again under the same request id until it
knows the outcome. So an acknowledged write that is missing in the end was lost, and revisions that
do not grow were given twice.
"""

import asyncio
import time
from collections import Counter

from msgspec import Struct, field

from tests.chaos.rest_client import Answer, Broken, NotSent, RestClient

_PREFIX = "traffic/"
_PAUSE_S = 0.005
_REQUEST_S = 5.0
_LISTED = 1000


class Tally(Struct):
    """Of a span of time. ``errors``: what requests ended with that did not succeed, by kind.

    All of them were repeated: an error is what a client sees that does not.
    """

    acknowledged: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0  # from asking first to the acknowledgement

    def __str__(self) -> str:
        failed = sum(self.errors.values())
        share = 100 * failed / max(1, failed + self.acknowledged)
        kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(self.errors.items()))
        return (
            f"{self.acknowledged} writes acknowledged, {failed} errors ({share:.2f} %)"
            f"{': ' if kinds else ''}{kinds}; the slowest took {self.longest_s:.2f} s"
        )


class Traffic:
    """``address``: the Service's. The writers begin with :meth:`start`."""

    def __init__(self, address: str, port: int, *, writers: int = 3) -> None:
        self._place = {0: (address, port)}
        self._count = writers
        self._tasks: list[asyncio.Task[None]] = []
        self._span = Tally()
        self.problems: list[str] = []
        self.acknowledged: dict[str, tuple[int, int]] = {}  # key → value and revision

    def start(self) -> None:
        names = [f"w{number}" for number in range(self._count)]
        self._tasks = [asyncio.create_task(self._write(name), name=name) for name in names]

    async def stop(self) -> None:
        """Writes that nobody knows the outcome of are no promise to anybody."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    def take(self) -> Tally:
        """What happened since the last call; raises what ended a writer."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
        span, self._span = self._span, Tally()
        return span

    async def _write(self, name: str) -> None:
        last = 0
        with RestClient(self._place) as client:
            number = 0
            while True:
                number += 1
                key = f"{_PREFIX}{name}/{number:06}"
                began_s = time.monotonic()
                revision = await self._until_known(client, key, number)
                self._span.longest_s = max(self._span.longest_s, time.monotonic() - began_s)
                self._span.acknowledged += 1
                if revision <= last:
                    self.problems.append(f"{key} has revision {revision}, the one before {last}")
                last = revision
                self.acknowledged[key] = number, revision
                await asyncio.sleep(_PAUSE_S)

    async def _until_known(self, client: RestClient, key: str, value: int) -> int:
        """Its revision."""
        path = f"/key/{key.replace('/', '%2F')}"
        while True:
            try:
                answer = await client.ask(
                    0, "PUT", path, {"value": value}, request_id=key, timeout_s=_REQUEST_S
                )
            except NotSent:
                self._span.errors["not sent"] += 1
            except Broken:
                self._span.errors["broken"] += 1
            else:
                if answer.status in (200, 201):
                    return int(answer.body["revision"])
                self._refused(key, answer)
            await asyncio.sleep(_PAUSE_S)

    def _refused(self, key: str, answer: Answer) -> None:
        self._span.errors[str(answer.status)] += 1
        if answer.status not in (429, 503, 504):
            self.problems.append(f"{key}: {answer.status} {answer.text}")

    async def verdict(self, address: str, port: int) -> list[str]:
        """Of a quiet store: read it all, linearizably, at that node; what is wrong."""
        with RestClient({0: (address, port)}) as client:
            stored = await _everything(client)
        problems = list(self.problems)
        for key, (value, revision) in self.acknowledged.items():
            if key not in stored:
                problems.append(f"{key} was acknowledged at revision {revision} and is lost")
            elif stored[key] != (value, revision):
                problems.append(f"{key}: {stored[key]} instead of {(value, revision)}")
        return problems


async def _everything(client: RestClient) -> dict[str, tuple[int, int]]:
    stored: dict[str, tuple[int, int]] = {}
    path = f"/keys?prefix={_PREFIX}&limit={_LISTED}"
    while True:
        answer = await client.ask(0, "GET", path)
        assert answer.status == 200, answer.text
        for item in answer.body["items"]:
            stored[item["key"]] = item["value"], item["modRevision"]
        if not answer.body["more"]:
            return stored
        path = f"/keys?cursor={answer.body['cursor']}"
