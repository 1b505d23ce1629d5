"""Keeping leases alive, and waiting for locks: when to do what. No I/O.

The lease's own time runs in the cluster. Here it counts from when a request for it was *sent*,
so that this side always gives a lease up before the cluster does.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar
from uuid import uuid4

from msgspec import Struct

from kvorum.client.attempts import Pause
from kvorum.client.call import Call
from kvorum.client.calls import claims, leases
from kvorum.client.calls.claims import Kind
from kvorum.client.errors import ClientError, DeadlineExceeded, LeaseNotFound, Taken
from kvorum.client.model import Claim, Json, LeaseInfo

T = TypeVar("T")

_CLAIM_S_MIN = 1.0
"""For a claim, on top of what the node may wait by agreement."""

_TOO_SOON_S = 0.2
"""Before asking again when a node (one that stops, say) did not wait as it was asked to."""


class Ask(Struct, frozen=True):
    """A call to make, for a lease's or a claim's sake; how long it may take, None: as any."""

    call: Call[Any]
    timeout_s: float | None = None


Flow = Generator[Ask | Pause, LeaseInfo | Claim | None, T]
"""Several calls that belong together. The shell sends in results, and throws in errors."""


class Keeper:
    """One lease's time, as far as this side may rely on it."""

    def __init__(self, lease: str, ttl_s: float, sent_s: float) -> None:
        self.lease = lease
        self.ttl_s = ttl_s
        self.ends_s = sent_s + ttl_s

    def renewed(self, sent_s: float, ttl_s: float) -> None:
        """The cluster answered a keepalive that was sent at ``sent_s``."""
        self.ttl_s = ttl_s
        self.ends_s = max(self.ends_s, sent_s + ttl_s)

    def remaining_s(self, now_s: float) -> float:
        return max(0.0, self.ends_s - now_s)

    def pause_s(self, now_s: float) -> float:
        """Until the next keepalive: at a third of the time, sooner when that was missed."""
        since_s = self.ttl_s - self.remaining_s(now_s)
        return max(self.ttl_s / 3 - since_s, min(self.ttl_s / 20, self.remaining_s(now_s)))

    def has_ended(self, now_s: float) -> bool:
        return now_s >= self.ends_s


def new_lease_id() -> str:
    """Chosen here, so that granting can be repeated and undone whatever becomes of the answer."""
    return uuid4().hex


class ClaimPlan:
    """How to come to hold a lock or to lead, and under which lease.

    ``lease`` "" makes one of ``ttl_s``, kept alive while it waits; otherwise the caller keeps it.
    """

    def __init__(
        self, kind: Kind, name: str, *, ttl_s: float, lease: str, clock: Callable[[], float]
    ) -> None:
        self.kind = kind
        self.name = name
        self.ttl_s = ttl_s
        self.owns_lease = not lease
        self.lease = lease or new_lease_id()
        self.keeper: Keeper | None = None
        self._clock = clock

    def acquire(self, value: Json, wait_s: float | None) -> Flow[Claim]:
        """Until the claim is held; ``wait_s`` None: for as long as it takes, 0: only if it is free.

        Raises :class:`Taken` after ``wait_s``, with the claim withdrawn. A lease that ended
        meanwhile (its cluster was out of reach for longer than its time) is replaced, which
        costs its place in the queue. While waiting without an end, outages are sat out.
        """
        give_up_s = None if wait_s is None else self._clock() + wait_s
        while True:
            try:
                yield from self._ready_lease()
                claim = yield from self._claim(value, give_up_s, queue=wait_s != 0)
            except LeaseNotFound:
                if not self.owns_lease:
                    raise
                self.keeper, self.lease = None, new_lease_id()
            except DeadlineExceeded:
                if give_up_s is not None and self._clock() >= give_up_s:
                    raise
            else:
                if claim.held:
                    return claim
                if give_up_s is not None and self._clock() >= give_up_s:
                    raise self._taken(claim)

    def withdrawal(self) -> Call[Any]:
        """Leaves nothing behind, whatever came of it; a refusal means that there is nothing."""
        if self.owns_lease:
            return leases.revoke(self.lease)
        return claims.release(self.kind, self.name, self.lease)

    def _ready_lease(self) -> Flow[None]:
        if not self.owns_lease:
            return
        sent_s = self._clock()
        if self.keeper is None:
            info = yield Ask(leases.grant(self.ttl_s, self.lease))
        elif self.keeper.pause_s(sent_s) > self.ttl_s / 20:
            return
        else:
            info = yield Ask(leases.keep_alive(self.lease))
        assert isinstance(info, LeaseInfo), "the answer to a call about a lease"
        self.keeper = Keeper(self.lease, info.ttl_s, sent_s)

    def _claim(self, value: Json, give_up_s: float | None, *, queue: bool) -> Flow[Claim]:
        wait_s, timeout_s = claims.WAIT_S_MAX, None
        if self.keeper is not None:  # leave time for the next keepalive, whatever becomes of this
            wait_s = min(wait_s, self.keeper.pause_s(self._clock()))
            timeout_s = max(self.ttl_s / 3, _CLAIM_S_MIN)
        if give_up_s is not None:
            wait_s = min(wait_s, max(0.0, give_up_s - self._clock()))
        asked_s = self._clock()
        claim = yield Ask(
            claims.acquire(
                self.kind, self.name, self.lease, value=value, wait_s=wait_s, queue=queue
            ),
            timeout_s,
        )
        assert isinstance(claim, Claim), "the answer to a claim"
        if not claim.held and self._clock() - asked_s < wait_s / 2:
            yield Pause(min(_TOO_SOON_S, wait_s / 2))
        return claim

    def _taken(self, claim: Claim) -> ClientError:
        return Taken(
            f"the {self.kind.noun} {self.name!r} is still held by another lease; "
            f"{claim.position} stood before this one"
        )
