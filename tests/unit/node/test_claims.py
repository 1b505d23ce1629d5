"""Looking at queues of claims: how much is read for it, and what is no claim at all."""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from typing import TypeVar

import pytest

from kvorum.errors import Conflict, Overloaded
from kvorum.mvcc.command import (
    Command,
    Compare,
    Delete,
    LeaseGrant,
    Put,
    Txn,
    WriteOp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node import claims as claims_module
from kvorum.node.claim_queue import PAGE_KEYS
from kvorum.node.claims import Claims
from kvorum.node.views import KeyCount, KeyRead
from kvorum.node.watching import Watch

PREFIX = b"_locks/"

T = TypeVar("T")


class Keys:
    """A store of one node, which answers at once and counts what it reads."""

    def __init__(self, *keys: bytes) -> None:
        self.machine = StateMachine()
        self.items = self.reads = 0
        owners = {key: key.rpartition(b"/")[2].decode("ascii", "replace") for key in keys}
        leases = dict.fromkeys(("a", "b", *owners.values()))
        self.apply(
            *(LeaseGrant(f"grant {lease}", lease, 1000) for lease in leases),
            *(Put(f"put {key!r}", key, b"1", lease=owners[key]) for key in keys),
        )

    def apply(self, *commands: Command) -> Sequence[Outcome]:
        data = encode_batch([encode_command(command) for command in commands])
        return self.machine.apply(self.machine.applied_index + 1, data)

    def new_request_id(self) -> str:
        return "read"

    def write(
        self,
        request_id: str,
        compares: Sequence[Compare],
        then: Sequence[WriteOp],
        orelse: Sequence[WriteOp] = (),
    ) -> "Future[Outcome]":
        return done(self.apply(Txn(request_id, tuple(compares), tuple(then), tuple(orelse)))[0])

    def range(
        self,
        request_id: str,
        keys: KeyRange,
        *,
        revision: int = 0,
        limit: int,
        reverse: bool = False,
        stale: bool = False,
    ) -> "Future[KeyRead]":
        assert not reverse
        page = self.machine.range(keys, revision=revision, limit=limit, bytes_max=1 << 22)
        self.items += len(page.items)
        self.reads += 1
        return done(KeyRead(request_id, page, None))

    def count(
        self, request_id: str, keys: KeyRange, *, revision: int = 0, stale: bool = False
    ) -> "Future[KeyCount]":
        return done(KeyCount(request_id, self.machine.count(keys, revision), revision, None))

    def watch(self, keys: KeyRange, *, from_revision: int | None = None) -> Watch:
        raise AssertionError("nobody waits")


def done(result: T) -> "Future[T]":
    future: Future[T] = asyncio.get_running_loop().create_future()
    future.set_result(result)
    return future


def claims_on(name: bytes, count: int) -> list[bytes]:
    return [PREFIX + b"%s/%06d" % (name, (number * 7919) % count) for number in range(count)]


RAW = [b"abc", b"a/b/c", b"%ff/l", b"/l", b"a%2fb/l", b"%78/l"]


@pytest.mark.parametrize("raw", RAW)
async def test_keys_that_are_no_claims_are_not_listed_nor_in_the_way(raw: bytes) -> None:
    keys = Keys(PREFIX + b"x/l", PREFIX + b"y/l", PREFIX + raw)
    claims = Claims(PREFIX, keys)
    assert await claims.names(limit=100) == ("x", "y")
    seen, after = list[str](), ""
    while page := await claims.names(after, limit=1):
        seen.append(after := page[0])
        assert len(seen) <= 2, "no name comes twice"
    assert seen == ["x", "y"]


async def test_many_keys_that_are_no_claims_leave_turns_to_others() -> None:
    keys = Keys(*(PREFIX + b"raw%04d" % number for number in range(1000)))
    listing = asyncio.create_task(Claims(PREFIX, keys).names(limit=1))
    turns = 0
    while not listing.done():
        turns += 1
        await asyncio.sleep(0)
    assert listing.result() == ()
    assert turns > 10


async def test_all_who_look_at_one_revision_share_one_look_at_a_long_queue() -> None:
    count = 5 * PAGE_KEYS
    keys = Keys(*claims_on(b"n", count))
    claims = Claims(PREFIX, keys)
    queues = await asyncio.gather(*(claims.queue("n", 3) for _ in range(20)))
    assert len({queue[0].token for queue in queues}) == 1
    assert keys.items <= count + 20 * (1 + PAGE_KEYS)
    keys.apply(Delete("release", claims_on(b"n", count)[0]))
    assert (await claims.queue("n", 1))[0].lease == queues[0][1].lease, "a later look is another"


async def test_a_long_queue_is_read_over_several_turns() -> None:
    keys = Keys(*claims_on(b"n", 5 * PAGE_KEYS))
    look = asyncio.create_task(Claims(PREFIX, keys).queue("n"))
    most = 0
    while not look.done():
        before = keys.items
        await asyncio.sleep(0)
        most = max(most, keys.items - before)
    assert most <= PAGE_KEYS + 1
    assert len(look.result()) == PAGE_KEYS


async def test_a_queue_has_a_bound_that_those_in_it_do_not_feel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = Keys()
    claims = Claims(PREFIX, keys)
    held = await claims.acquire("n", "a", wait_s=0, request_id="one")
    monkeypatch.setattr(claims_module, "CLAIMS_MAX", 1)
    with pytest.raises(Overloaded, match="waiting on 'n'"):
        await claims.acquire("n", "b", wait_s=0, request_id="two")
    assert (await claims.acquire("n", "a", wait_s=0, request_id="three")).token == held.token


@pytest.mark.parametrize("queue", [True, False])
async def test_a_repeated_request_whose_claim_was_released_says_so(queue: bool) -> None:
    claims = Claims(PREFIX, Keys())
    assert (await claims.acquire("n", "a", wait_s=0, queue=queue, request_id="one")).is_held
    assert await claims.release("n", "a", "two")
    with pytest.raises(Conflict, match=r"was carried out before.* ask under a new key"):
        await claims.acquire("n", "a", wait_s=0, queue=queue, request_id="one")


async def test_a_repeated_request_that_found_it_taken_says_that_it_is_free_now() -> None:
    claims = Claims(PREFIX, Keys())
    await claims.acquire("n", "a", wait_s=0, request_id="one")
    with pytest.raises(Conflict, match="taken by lease a"):
        await claims.acquire("n", "b", wait_s=0, queue=False, request_id="two")
    await claims.release("n", "a", "three")
    with pytest.raises(Conflict, match="it is free now: ask again under a new key"):
        await claims.acquire("n", "b", wait_s=0, queue=False, request_id="two")
