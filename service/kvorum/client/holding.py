"""What a lock or a leadership knows of itself, whichever shell acquires it."""

from collections.abc import Callable
from typing import Protocol

from kvorum.client.calls import claims
from kvorum.client.calls.claims import Kind
from kvorum.client.errors import InvalidRequest
from kvorum.client.keeping import ClaimPlan
from kvorum.client.model import Claim, Json

WITHDRAW_S = 5.0
"""For taking a claim back that was not granted in time; else its lease's end does it."""


class Flag(Protocol):
    """An event of threads or of asyncio."""

    def is_set(self) -> bool: ...


class Holding:
    """A claim that is held, or not yet, or not any more."""

    lost: Flag

    def __init__(
        self,
        kind: Kind,
        name: str,
        *,
        ttl_s: float,
        lease_id: str,
        value: Json = None,
        wait_s: float | None = None,
    ) -> None:
        claims.claim_path(kind, name)  # refuses an impossible name at once
        if wait_s is not None and wait_s < 0:
            raise InvalidRequest("wait_s must not be negative; None waits for as long as it takes")
        self.name = name
        self.wait_s = wait_s
        self.value = value
        self._kind = kind
        self._ttl_s = ttl_s
        self._given_lease_id = lease_id
        self._claim: Claim | None = None
        self._lease_id = lease_id

    @property
    def token(self) -> int:
        """The fencing token; RuntimeError unless it was acquired."""
        return self._held().token

    @property
    def lease_id(self) -> str:
        """The lease under which it is held, for keys that are to go with it."""
        self._held()
        return self._lease_id

    @property
    def is_held(self) -> bool:
        """As far as this side knows."""
        return self._claim is not None and not self.lost.is_set()

    def _held(self) -> Claim:
        if self._claim is None:
            raise RuntimeError(f"the {self._kind.noun} {self.name!r} is not held: acquire it first")
        return self._claim

    def _plan(self, clock: Callable[[], float]) -> ClaimPlan:
        """For acquiring it; RuntimeError if it is held."""
        if self._claim is not None:
            raise RuntimeError(f"the {self._kind.noun} {self.name!r} is held: release it first")
        return ClaimPlan(
            self._kind, self.name, ttl_s=self._ttl_s, lease=self._given_lease_id, clock=clock
        )
