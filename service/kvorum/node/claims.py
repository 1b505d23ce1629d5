"""Locks and elections: queues of claims, which are keys bound to leases.

A claim of lease ``l`` on ``name`` is the key ``<prefix><name, quoted>/<l>``, made only if it
does not exist. Whoever's key was created first holds the lock, or leads; the others follow in
the order in which they came. When a lease ends its claims are deleted, like any key of it, so
the replicated store needs to know nothing of locks. That a lock is held is true in the log's
time, not at its holder, who may be cut off; hence the tokens (see :class:`Claim`).
"""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote_from_bytes, unquote

from kvorum.errors import Compacted, Conflict, Full, LeaseNotFound, Overloaded, WatchEnded
from kvorum.mvcc.command import Compare, DeleteOp, Field, PutOp, Relation, WriteOp
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.node.claim_queue import PAGE_KEYS, ClaimQueues
from kvorum.node.command_checks import check_lease_id
from kvorum.node.views import Claim, KeyCount, KeyRead
from kvorum.node.watching import Watch

CLAIMS_MAX = 10_000
"""On one name, roughly: whoever asks for its holder makes the node look at all of them."""
_LOOKS_PER_TURN = 64


class Keys(Protocol):
    """What claims need of the service."""

    def new_request_id(self) -> str: ...

    def write(
        self,
        request_id: str,
        compares: Sequence[Compare],
        then: Sequence[WriteOp],
        orelse: Sequence[WriteOp] = (),
    ) -> "Future[Outcome]": ...

    def range(
        self,
        request_id: str,
        keys: KeyRange,
        *,
        revision: int = 0,
        limit: int,
        reverse: bool = False,
        stale: bool = False,
    ) -> "Future[KeyRead]": ...

    def count(
        self, request_id: str, keys: KeyRange, *, revision: int = 0, stale: bool = False
    ) -> "Future[KeyCount]": ...

    def watch(self, keys: KeyRange, *, from_revision: int | None = None) -> Watch: ...


class Claims:
    """All claims under one prefix. Names are any text; requests fail as writes and reads do."""

    def __init__(self, prefix: bytes, keys: Keys) -> None:
        self._prefix = prefix
        self._keys = keys
        self._queues = ClaimQueues(keys)

    async def acquire(
        self,
        name: str,
        lease: str,
        value: bytes = b"null",
        *,
        wait_s: float,
        queue: bool = True,
        request_id: str = "",
    ) -> Claim:
        """Claim, and wait for at most ``wait_s`` until the claim holds.

        The claim stays in the queue if it does not hold by then, as long as its lease lives;
        whoever asks again with the same lease keeps the place. With ``queue`` False there is
        no waiting, and no claim either unless it holds: ``Conflict`` names the holder.
        Raises ``LeaseNotFound``, ``Overloaded`` if ``CLAIMS_MAX`` wait, and ``Conflict`` if the
        claim is gone while it waits.
        """
        check_lease_id(lease)
        key = self._key(name, lease)
        request_id = request_id or self._keys.new_request_id()
        outcome = await self._claim(request_id, name, key, value, queue=queue)
        is_first_look = True
        deadline_s = asyncio.get_running_loop().time() + wait_s
        while True:
            claim, before, revision = await self._place(name, lease)
            left_s = deadline_s - asyncio.get_running_loop().time()
            if claim is not None and (claim.is_held or left_s <= 0):
                return claim
            if claim is None:
                if not queue and outcome.status is Status.OTHERWISE:
                    raise await self._taken(name)
                if is_first_look:
                    raise Conflict(
                        f"the claim of lease {lease} on {name!r} is gone: this request was carried "
                        "out before, and the claim released since, or the lease has just ended; "
                        "ask under a new key"
                    )
                raise Conflict(
                    f"the claim of lease {lease} on {name!r} is gone: the lease has ended, or "
                    "somebody released it"
                )
            assert before is not None, "whoever does not hold comes after somebody"
            await self._gone(before, revision, left_s)
            is_first_look = False

    async def release(self, name: str, lease: str, request_id: str = "") -> bool:
        """Give up the claim, or the place in the queue; whether there was one."""
        check_lease_id(lease)
        request_id = request_id or self._keys.new_request_id()
        outcome = await self._keys.write(request_id, (), (DeleteOp(self._key(name, lease)),))
        return outcome.changed > 0

    async def proclaim(self, name: str, lease: str, value: bytes, request_id: str = "") -> Claim:
        """The holder changes its value, and keeps its token. ``Conflict`` for anybody else."""
        claim, _, _ = await self._place(name, lease)
        if claim is None or not claim.is_held:
            raise Conflict(f"the lease {lease} does not hold {name!r}: only its holder may speak")
        key = self._key(name, lease)
        outcome = await self._keys.write(
            request_id or self._keys.new_request_id(),
            (Compare(key, Field.CREATE_REVISION, Relation.EQUAL, claim.token),),
            (PutOp(key, value, lease),),
        )
        if outcome.status is Status.OTHERWISE:
            raise Conflict(f"the lease {lease} does not hold {name!r} any more")
        _check(outcome, lease)
        return Claim(name, lease, claim.token, 0, value, outcome.revision)

    async def holder(self, name: str) -> Claim | None:
        """Whoever holds, or leads."""
        claims = await self.queue(name)
        return claims[0] if claims else None

    async def queue(self, name: str, limit: int = PAGE_KEYS) -> tuple[Claim, ...]:
        """The holder, and those who wait in their order."""
        found = await self._queues.look(self._range(name))
        return tuple(
            Claim(
                name, self._lease_of(key), one.create_revision, position, one.value, found.revision
            )
            for position, (key, one) in enumerate(found.items[:limit])
        )

    async def names(self, after: str = "", *, limit: int) -> tuple[str, ...]:
        """Names that somebody claims, in the order of their quoted form."""
        found: list[str] = []
        everything = prefix_range(self._prefix)
        start, revision = self._end_of(after) if after else self._prefix, 0
        looks = 0
        while len(found) < limit:
            looks += 1
            if looks % _LOOKS_PER_TURN == 0:
                await asyncio.sleep(0)  # reading from memory leaves no turn to others
            rest = KeyRange(start, everything.end)
            request_id = self._keys.new_request_id()
            read = await self._keys.range(
                request_id, rest, revision=revision, limit=1, stale=revision > 0
            )
            revision = read.page.revision  # the others are read from memory, as of the first
            if not read.page.items:
                break
            key = read.page.items[0][0]
            quoted, slash, _ = key[len(self._prefix) :].rpartition(b"/")
            name = unquote(quoted.decode("ascii", "replace"))
            if name and slash and self.stem(name) == self._prefix + quoted + slash:
                found.append(name)
                start = self._end_of(name)
            else:
                start = key + b"\0"  # somebody put a key here that is no claim
        return tuple(found)

    def watch(self, name: str, from_revision: int) -> Watch:
        """Changes of the claims on ``name``."""
        return self._keys.watch(self._range(name), from_revision=from_revision)

    # --- parts -------------------------------------------------------------------------

    async def _claim(
        self, request_id: str, name: str, key: bytes, value: bytes, *, queue: bool
    ) -> Outcome:
        """Make the claim, unless it is there; without ``queue``, unless there is any."""
        lease = self._lease_of(key)
        claims = self._range(name)
        await self._check_room(name, key)
        free = (
            Compare(key, Field.VERSION, Relation.EQUAL, 0)
            if queue
            else Compare(claims.start, Field.VERSION, Relation.EQUAL, 0, claims.end)
        )
        outcome = await self._keys.write(request_id, (free,), (PutOp(key, value, lease),))
        _check(outcome, lease)
        return outcome

    async def _check_room(self, name: str, key: bytes) -> None:
        """As this node has it: the bound need not be exact. Whoever is in the queue may stay."""
        new_id, claims = self._keys.new_request_id, self._range(name)
        if (await self._keys.count(new_id(), claims, stale=True)).count < CLAIMS_MAX:
            return
        if not (await self._keys.count(new_id(), single_key(key), stale=True)).count:
            raise Overloaded(f"{CLAIMS_MAX} claims are waiting on {name!r}; try again later")

    async def _place(self, name: str, lease: str) -> tuple[Claim | None, bytes | None, int]:
        """The claim of ``lease`` with its position, the key before it, and as of when."""
        found = await self._queues.look(self._range(name))
        position = found.places.get(self._key(name, lease))
        if position is None:
            return None, None, found.revision
        record = found.items[position][1]
        before = found.items[position - 1][0] if position else None
        token, value = record.create_revision, record.value
        return Claim(name, lease, token, position, value, found.revision), before, found.revision

    async def _gone(self, key: bytes, revision: int, timeout_s: float) -> None:
        """Wait until ``key`` is deleted, at most so long; it was there at ``revision``.

        Only the claim right before one's own matters: not everyone is woken at every turn.
        """
        try:
            watch = self._keys.watch(single_key(key), from_revision=revision + 1)
        except Compacted:
            return  # a long time passed since that revision was read
        try:
            await watch.next(timeout_s)
        except WatchEnded:
            return  # whoever asks looks at the queue again
        finally:
            watch.close()

    async def _taken(self, name: str) -> Conflict:
        holder = await self.holder(name)
        if holder is None:
            return Conflict(
                f"{name!r} was taken when this request was carried out; it is free now: ask again "
                "under a new key"
            )
        return Conflict(f"{name!r} is taken by lease {holder.lease} (token {holder.token})")

    def _range(self, name: str) -> KeyRange:
        return prefix_range(self.stem(name))

    def stem(self, name: str) -> bytes:
        """What the keys of all claims on ``name`` begin with; the rest is the lease."""
        return self._prefix + quote_from_bytes(name.encode(), safe="").encode() + b"/"

    def _end_of(self, name: str) -> bytes:
        return self.stem(name)[:-1] + b"0"

    def _key(self, name: str, lease: str) -> bytes:
        return self.stem(name) + lease.encode()

    def _lease_of(self, key: bytes) -> str:
        return key.rpartition(b"/")[2].decode("ascii", "replace")


def _check(outcome: Outcome, lease: str) -> None:
    if outcome.status is Status.LEASE_NOT_FOUND:
        raise LeaseNotFound(f"there is no lease {lease!r}: it never was, or it has ended")
    if outcome.status is Status.FULL:
        raise Full(outcome.message)
