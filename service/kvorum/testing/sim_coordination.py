"""Clients that use several keys at once, leases and locks, and keep what they were told.

They have keys of their own, beside those of :mod:`kvorum.testing.sim_clients`, whose history is
judged key by key.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final, TypeVar

from kvorum.errors import InvalidRequest, OutcomeUnknown, Rejected
from kvorum.mvcc.command import Compare, DeleteOp, Field, PutOp, Relation, WriteOp
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import KeyRange, RangePage, prefix_range
from kvorum.node.service import KvService
from kvorum.node.views import Get, TxnOp, TxnResult
from kvorum.testing.linearizability import Answer, Kind, Operation
from kvorum.testing.sim_clients import ClientOptions, Line, Machine
from kvorum.testing.told import Claimed, Item, RangeRead, Told, Write
from kvorum.testing.trace import Trace

T = TypeVar("T")

PREFIX: Final = b"t/"
EVERYTHING: Final = prefix_range(PREFIX)
LOCKS: Final = ("red", "blue/green")
TTLS_MS: Final = (1000, 1500, 3000)
TTL_MS_MAX: Final = max(TTLS_MS)

_KEYS: Final = tuple(PREFIX + b"%d" % number for number in range(5))


class Coordinator:
    """One thread of control: its calls follow one another."""

    def __init__(
        self,
        name: str,
        machines: Sequence[Machine],
        line: Line,
        options: ClientOptions,
        told: Told,
        *,
        random: Random,
        trace: Trace,
    ) -> None:
        self.name = name
        self.stopping = False
        self.operations: list[Operation] = []
        """For the order of revisions in real time only."""
        self._machines = machines
        self._line = line
        self._options = options
        self._told = told
        self._random = random
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._revision = 0  # the newest that it heard of
        self._seen: dict[bytes, Item] = {}
        self._leases: list[str] = []

    async def run(self) -> None:
        """Until told to stop; the call under way then ends by itself."""
        acts: tuple[Callable[[], Awaitable[None]], ...] = (
            self._transact,
            self._transact,
            self._read_range,
            self._read_range,
            self._put_with_a_lease,
            self._put_with_a_lease,
            self._tend_lease,
            self._lock,
            self._compact,
        )
        while not self.stopping:
            await asyncio.sleep(self._random.expovariate(1 / self._options.pause_s))
            self._count += 1
            await self._random.choice(acts)()

    # --- transactions and reads ----------------------------------------------------------

    async def _transact(self) -> None:
        """Comparisons with what it has seen, then writes and a read, or others."""
        random, request_id = self._random, self._request_id()
        keys = random.sample(_KEYS, 3)
        compares = tuple(self._compare(key) for key in keys[: random.randrange(3)])
        then: list[TxnOp] = [self._put_op(keys[0]), self._delete_op(keys[1])]
        orelse: list[TxnOp] = [self._put_op(keys[2])] if random.random() < 0.5 else []
        if random.random() < 0.5:
            then, orelse = [*then, Get(EVERYTHING, 100)], [Get(EVERYTHING, 100), *orelse]
        result = await self._write(
            request_id,
            lambda service: asyncio.ensure_future(service.txn(request_id, compares, then, orelse)),
            lambda result: result.outcome,
        )
        if result is not None:
            self._keep_reads(result)

    def _keep_reads(self, result: TxnResult) -> None:
        outcome = result.outcome
        before = outcome.revision - 1 if outcome.changed else outcome.revision
        for page in result.results:
            if isinstance(page, RangePage):
                self._told.reads.append(RangeRead(EVERYTHING, before, _items(page)))

    def _compare(self, key: bytes) -> Compare:
        relation = self._random.choice(tuple(Relation))
        if key not in self._seen or self._random.random() < 0.3:
            return Compare(key, Field.VERSION, relation, self._random.randrange(3))
        _, value, revision = self._seen[key]
        if self._random.random() < 0.5:
            return Compare(key, Field.MOD_REVISION, relation, revision)
        relation = self._random.choice((Relation.EQUAL, Relation.NOT_EQUAL))
        return Compare(key, Field.VALUE, relation, value)

    def _put_op(self, key: bytes) -> PutOp:
        value = f'"{self.name}-{self._count}"'.encode()
        return PutOp(key, value, ttl_ms=self._random.choice((0, 0, *TTLS_MS)))

    def _delete_op(self, key: bytes) -> WriteOp:
        if self._random.random() < 0.7:
            return DeleteOp(key)
        return DeleteOp(PREFIX + b"x", PREFIX + b"y")  # where leased keys are

    async def _read_range(self) -> None:
        """Pages of one revision, from any nodes; the first may be stale, or of the past."""
        random, stale = self._random, self._random.random() < 0.3
        revision = self._revision if random.random() < 0.2 else 0
        span, limit, reverse = EVERYTHING, random.choice((2, 100)), random.random() < 0.3
        items: list[Item] = []
        start = self._loop.time()
        while True:
            page = await self._page(span, limit, revision, reverse=reverse, stale=stale)
            if page is None:
                return
            items += _items(page)
            is_first, revision = not revision, page.revision
            if is_first and not stale:
                self._note(Kind.GET, Answer.MISSING, start, revision)
            if not page.more:
                break
            stale, last = False, page.last
            assert last is not None, "a page that is not the last one tells where it ended"
            span = KeyRange(span.start, last) if reverse else KeyRange(last + b"\0", span.end)
        items.sort()
        self._told.reads.append(RangeRead(EVERYTHING, revision, items))
        self._seen = {item[0]: item for item in items}

    async def _page(
        self, span: KeyRange, limit: int, revision: int, *, reverse: bool, stale: bool
    ) -> RangePage | None:
        machine = self._random.choice(self._machines)
        try:
            read = await self._line.call(
                machine,
                lambda service: service.range(
                    self._request_id(),
                    span,
                    revision=revision,
                    limit=limit,
                    reverse=reverse,
                    stale=stale,
                ),
            )
        except (Rejected, OutcomeUnknown, InvalidRequest):
            return None  # InvalidRequest: compacted, or a stale node has not got there
        return read.page

    async def _compact(self) -> None:
        if self._revision < 20 or self._random.random() < 0.5:
            return
        request_id, revision = self._request_id(), self._revision - 15
        await self._write(request_id, lambda service: service.compact(request_id, revision), _same)

    # --- leases --------------------------------------------------------------------------

    async def _put_with_a_lease(self) -> None:
        request_id = self._request_id()
        if not self._leases or self._random.random() < 0.3:
            lease, ttl_ms = f"{self.name}-{self._count}", self._random.choice(TTLS_MS)
            outcome = await self._write(
                request_id, lambda service: service.grant_lease(request_id, lease, ttl_ms), _same
            )
            if outcome is not None and outcome.status is Status.SUCCESS:
                self._leases = [*self._leases[-2:], lease]
            return
        lease = self._random.choice(self._leases)
        key, value = PREFIX + b"x" + str(self._random.randrange(4)).encode(), b'"leased"'
        await self._write(
            request_id, lambda service: service.put(request_id, key, value, lease=lease), _same
        )

    async def _tend_lease(self) -> None:
        """Renew it, mostly."""
        if not self._leases:
            return
        request_id, lease = self._request_id(), self._random.choice(self._leases)
        if self._random.random() < 0.1:
            await self._write(
                request_id, lambda service: service.revoke_lease(request_id, lease), _same
            )
            return
        for _ in range(self._random.randrange(1, 6)):
            await self._renew(lease)
            await asyncio.sleep(self._random.random())

    async def _renew(self, lease: str) -> None:
        machine, request_id = self._random.choice(self._machines), self._request_id()
        try:
            await self._line.call(machine, lambda service: service.keep_alive(request_id, lease))
        except (Rejected, OutcomeUnknown):
            return  # doing it again does no harm

    async def _lock(self) -> None:
        """Wait a little, hold it for a while, and release it, or forget to."""
        if not self._leases:
            return
        name, lease = self._random.choice(LOCKS), self._random.choice(self._leases)
        machine, request_id = self._random.choice(self._machines), self._request_id()
        queue, wait_s = self._random.random() < 0.8, self._random.random() * 1.5

        def acquire(service: KvService) -> "Future[Claimed]":
            return asyncio.ensure_future(
                _acquire(service, name, lease, request_id, wait_s, queue=queue)
            )

        try:
            claimed = await self._line.call(machine, acquire)
        except (Rejected, OutcomeUnknown, InvalidRequest):
            return
        self._told.claimed.append(claimed)
        if claimed.position:
            return
        await asyncio.sleep(self._random.random() * 2)
        if self._random.random() < 0.7:
            await self._release(name, lease)

    async def _release(self, name: str, lease: str) -> None:
        machine = self._random.choice(self._machines)
        try:
            await self._line.call(
                machine, lambda service: asyncio.ensure_future(service.locks.release(name, lease))
            )
        except (Rejected, OutcomeUnknown):
            return  # the lease will end

    # --- parts ---------------------------------------------------------------------------

    async def _write(
        self,
        request_id: str,
        ask: "Callable[[KvService], Future[T]]",
        outcome_of: Callable[[T], Outcome],
    ) -> T | None:
        """Until there is an answer, or patience ends; what it said is kept."""
        unsure, start = False, self._loop.time()
        for _ in range(self._options.attempts_max):
            machine = self._random.choice(self._machines)
            try:
                answer = await self._line.call(machine, ask)
            except InvalidRequest:
                return None  # applied, but what it read is compacted
            except (Rejected, OutcomeUnknown) as error:
                unsure = unsure or isinstance(error, OutcomeUnknown)
                await asyncio.sleep(self._random.random() * 0.3)
                continue
            outcome = outcome_of(answer)
            self._told.writes.append(Write(request_id, outcome.status, outcome.revision))
            made = Answer.OK if outcome.changed else Answer.MISSING
            self._note(Kind.PUT, made, start, outcome.revision)
            if self._trace.is_on:
                self._trace.tell(self.name, request_id, outcome.status.name, outcome.revision)
            return answer
        if not unsure:
            self._told.refused.append(request_id)
        return None

    def _note(self, kind: Kind, made: Answer, start: float, revision: int) -> None:
        self._revision = max(self._revision, revision)
        end = self._loop.time()
        self.operations.append(Operation(self.name, "", kind, (), made, start, end, revision))

    def _request_id(self) -> str:
        self._count += 1
        return f"{self.name}-{self._count}"


async def _acquire(
    service: KvService, name: str, lease: str, request_id: str, wait_s: float, *, queue: bool
) -> Claimed:
    locks = service.locks
    claim = await locks.acquire(name, lease, wait_s=wait_s, queue=queue, request_id=request_id)
    return Claimed(locks.stem(name), lease, claim.token, claim.position, claim.revision)


def _same(outcome: Outcome) -> Outcome:
    return outcome


def _items(page: RangePage) -> list[Item]:
    return [(key, record.value, record.mod_revision) for key, record in page.items]
