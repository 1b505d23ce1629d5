"""Clients that want one lock, or to lead, again and again, and renew their lease meanwhile.

Some hold for a while and release; some revoke their lease, or stop renewing it, as if they had
died. While they hold they write what the lock guards, each time under the condition that their
claim still stands.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final, TypeVar

from kvorum.errors import InvalidRequest, OutcomeUnknown, Rejected
from kvorum.mvcc.command import Compare, Field, PutOp, Relation
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.claims import Claims
from kvorum.node.service import KvService
from kvorum.node.views import Claim
from kvorum.testing.linearizability import Answer, Kind, Operation
from kvorum.testing.sim_clients import Line, Machine
from kvorum.testing.told import Claimed, Guarded, Told, Write
from kvorum.testing.trace import Trace

T = TypeVar("T")

TTLS_MS: Final = (1000, 2000)
_TURNS_MAX: Final = 5
_ATTEMPTS: Final = 6


class Contender:
    """One thread of control, and beside it the renewal of its lease."""

    def __init__(
        self,
        name: str,
        machines: Sequence[Machine],
        line: Line,
        told: Told,
        *,
        wants: str,
        leads: bool,
        random: Random,
        trace: Trace,
    ) -> None:
        """``wants`` is the lock's name, or, with ``leads``, the election's."""
        self.name = name
        self.stopping = False
        self.operations: list[Operation] = []
        """For the order of revisions in real time only."""
        self._machines = machines
        self._line = line
        self._told = told
        self._wants = wants
        self._leads = leads
        self._random = random
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._count = 0

    async def run(self) -> None:
        """Until told to stop; then its lease ends by itself."""
        while not self.stopping:
            await asyncio.sleep(self._random.random() * 0.5)
            request_id, ttl_ms = self._request_id(), self._random.choice(TTLS_MS)
            granted = await self._try(
                lambda service: service.grant_lease(request_id, request_id, ttl_ms)  # noqa: B023
            )
            if granted is None or granted.status is not Status.SUCCESS:
                continue
            renewing = asyncio.ensure_future(self._renew(request_id, ttl_ms / 3000))
            try:
                await self._live(request_id)
            finally:
                renewing.cancel()
                await asyncio.wait([renewing])
            if not renewing.cancelled():
                renewing.result()

    async def _live(self, lease: str) -> None:
        """With one lease, until it has ended, or nobody cares for it any more."""
        for _ in range(self._random.randint(1, _TURNS_MAX)):
            if self.stopping or not await self._turn(lease):
                return
        if self._random.random() < 0.5:
            request_id = self._request_id()
            await self._try(lambda service: service.revoke_lease(request_id, lease))

    async def _renew(self, lease: str, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            request_id = self._request_id()
            await self._try(lambda service: service.keep_alive(request_id, lease))  # noqa: B023

    # --- one turn --------------------------------------------------------------------------

    async def _turn(self, lease: str) -> bool:
        """Claim, wait, hold, and release; False if there is nothing left to hold by."""
        claim = await self._acquired(lease)
        if claim is None:
            return False
        for _ in range(self._random.randrange(3)):
            await asyncio.sleep(self._random.random() * 0.4)
            if claim.is_held:
                await self._write_guarded(claim)
            elif self._leads:
                await self._proclaim(claim)
        if self._random.random() < 0.2:
            return False  # as if it had died
        for _ in range(_ATTEMPTS):
            if await self._ask(lambda claims: claims.release(self._wants, lease)) is not None:
                break
        return True

    async def _acquired(self, lease: str) -> Claim | None:
        """The claim once it holds, or however it stands when patience ends."""
        claim: Claim | None = None
        for _ in range(_ATTEMPTS):
            wait_s, queue = self._random.random() * 1.4, self._random.random() < 0.9
            claim = await self._tell_of(
                lambda claims: claims.acquire(
                    self._wants,
                    lease,
                    wait_s=wait_s,  # noqa: B023 - called before the next turn
                    queue=queue,  # noqa: B023
                )
            )
            if claim is not None and claim.is_held:
                break
            await asyncio.sleep(self._random.random() * 0.1)
        return claim

    async def _write_guarded(self, claim: Claim) -> None:
        request_id, stem = self._request_id(), self._stem()
        own, token = stem + claim.lease.encode(), claim.token
        stands = Compare(own, Field.CREATE_REVISION, Relation.EQUAL, token)
        if self._leads and self._random.random() < 0.5:
            await self._proclaim(claim)
            return
        put = PutOp(b"guarded/" + stem, b"%d" % token)
        outcome = await self._try(lambda service: service.write(request_id, (stands,), (put,)))
        if outcome is not None:
            self._told.writes.append(Write(request_id, outcome.status, outcome.revision))
            if outcome.status is Status.SUCCESS:
                self._told.guarded.append(Guarded(stem, claim.lease, token, outcome.revision))

    async def _proclaim(self, claim: Claim) -> None:
        """Whoever waits is to be refused."""
        value = b'"%d"' % self._count
        await self._tell_of(lambda claims: claims.proclaim(self._wants, claim.lease, value))

    async def _tell_of(self, ask: Callable[[Claims], Awaitable[Claim]]) -> Claim | None:
        """The claim that it gives, if it does, noted down for being judged."""
        start = self._loop.time()
        claim = await self._ask(ask)
        if claim is None:
            return None
        self._told.claimed.append(
            Claimed(self._stem(), claim.lease, claim.token, claim.position, claim.revision)
        )
        end, revision = self._loop.time(), claim.revision
        operation = Operation(self.name, "", Kind.GET, (), Answer.MISSING, start, end, revision)
        self.operations.append(operation)
        if self._trace.is_on:
            self._trace.tell(self.name, self._wants, "position", claim.position, claim.token)
        return claim

    # --- parts -----------------------------------------------------------------------------

    async def _ask(self, ask: Callable[[Claims], Awaitable[T]]) -> T | None:
        def begin(service: KvService) -> "Future[T]":
            return asyncio.ensure_future(ask(service.elections if self._leads else service.locks))

        return await self._call(begin)

    async def _try(self, ask: "Callable[[KvService], Future[Outcome]]") -> Outcome | None:
        return await self._call(ask)

    async def _call(self, ask: "Callable[[KvService], Future[T]]") -> T | None:
        """At one node; None if that fails, whatever may yet come of it."""
        try:
            return await self._line.call(self._random.choice(self._machines), ask)
        except (Rejected, OutcomeUnknown, InvalidRequest):
            return None

    def _stem(self) -> bytes:
        return stem_of(self._wants, leads=self._leads)

    def _request_id(self) -> str:
        self._count += 1
        return f"{self.name}-{self._count}"


def stem_of(wants: str, *, leads: bool) -> bytes:
    """What all claims begin with; names here need no quoting."""
    return (b"_elections/" if leads else b"_locks/") + wants.encode() + b"/"
