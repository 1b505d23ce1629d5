"""``/locks…`` and ``/elections…``: claims, the queues that they stand in, and who holds.

Both are the same thing told in two ways (see :mod:`kvorum.node.claims`).
"""

import logging
from asyncio import Future
from collections.abc import Coroutine
from typing import Any

import msgspec
from litestar.types import Receive
from msgspec import UNSET, Raw, Struct, UnsetType

from kvorum.errors import Conflict, Full, InvalidRequest
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.claims import Claims
from kvorum.node.service import KvService
from kvorum.node.views import Claim
from kvorum.rest.answer import Answer
from kvorum.rest.body import Shape, checked_json, decoded
from kvorum.rest.coordination_schemas import (
    WAIT_S_MAX,
    ClaimAnswer,
    ClaimItem,
    ElectionAnswer,
    LockAnswer,
    NamesAnswer,
    ReleaseAnswer,
)
from kvorum.rest.fullness import full_error
from kvorum.rest.lease_fields import keeping, valid_lease
from kvorum.rest.leases import lease_of_request
from kvorum.rest.presence import while_connected

LIST_LIMIT, LIST_LIMIT_MAX = 100, 1000

_logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class _ClaimFields(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    lease: str | UnsetType = UNSET
    ttl_seconds: float | UnsetType = UNSET
    value: Raw = Raw(b"null")
    wait_seconds: float = 0
    queue: bool = True


class _ProclaimFields(Struct, frozen=True, forbid_unknown_fields=True):
    lease: str
    value: Raw


_CLAIM = Shape(
    _ClaimFields,
    '{"lease": "id"} or {"ttlSeconds": number}',
    "value",
    "waitSeconds",
    "queue",
    choice=True,
)
_PROCLAIM = Shape(_ProclaimFields, '{"lease": "id", "value": any JSON}')


class ClaimRequest(Struct, frozen=True):
    """``lease`` "": a new one of ``ttl_ms``."""

    lease: str
    ttl_ms: int
    value: bytes
    wait_s: float
    queue: bool


def parse_claim(body: bytes, value_bytes_max: int) -> ClaimRequest:
    """Raises ``InvalidRequest`` and ``TooLarge``, which name the field."""
    fields = decoded(body, _CLAIM)
    if (fields.lease is UNSET) == (fields.ttl_seconds is UNSET):
        raise InvalidRequest(
            "give either lease, the id of one that exists, or ttlSeconds, to be given a new one"
        )
    lease, ttl_ms = keeping(fields.lease, fields.ttl_seconds)
    if not 0 <= fields.wait_seconds <= WAIT_S_MAX:
        raise InvalidRequest(
            f"waitSeconds must be 0 to {WAIT_S_MAX}, not {fields.wait_seconds:g}; ask again with "
            "the same lease to wait on: it keeps its place"
        )
    value = checked_json(fields.value, "value", value_bytes_max)
    return ClaimRequest(lease, ttl_ms, value, fields.wait_seconds, fields.queue)


def parse_proclaim(body: bytes, value_bytes_max: int) -> tuple[str, bytes]:
    """Lease and value; raises as :func:`parse_claim`."""
    fields = decoded(body, _PROCLAIM)
    value = checked_json(fields.value, "value", value_bytes_max)
    return valid_lease(fields.lease, "lease"), value


class ClientLeft(InvalidRequest):
    """Nobody reads the answer any more."""


class ClaimApi:
    """Answers requests for all locks, or all elections; raises what makes problems."""

    def __init__(self, service: KvService, claims: Claims) -> None:
        self._service = service
        self._claims = claims

    async def acquire(
        self, request_id: str, name: str, wanted: ClaimRequest, receive: Receive, *, is_named: bool
    ) -> Answer:
        """200 with the claim's place, once it holds or when the time is over.

        ``is_named``: the client chose ``request_id``. If it did not, a lease that was made
        here is of no use once it has left.
        """
        lease = wanted.lease or lease_of_request(request_id)
        if not wanted.lease:
            await self._grant(request_id, lease, wanted.ttl_ms)
        # The write that claims has an id of its own beside the one that grants.
        acquiring = self._claims.acquire(
            name,
            lease,
            wanted.value,
            wait_s=wanted.wait_s,
            queue=wanted.queue,
            request_id=request_id if wanted.lease else "",
        )
        try:
            claim = await _while_connected(acquiring, receive if wanted.wait_s else None)
        except (Conflict, Full, ClientLeft) as error:
            # Nobody knows of a lease that was made here: it would only stand in the way.
            if not wanted.lease and not (is_named and isinstance(error, ClientLeft)):
                self._drop(lease)
            raise self._in_full(error) from error
        if not (claim.is_held or wanted.queue):
            raise Conflict(f"{name!r} is taken; lease {lease} waits for it since it asked before")
        return self._claim_answer(request_id, claim)

    async def proclaim(self, request_id: str, name: str, lease: str, value: bytes) -> Answer:
        """200; 409 unless the lease leads."""
        try:
            claim = await self._claims.proclaim(name, lease, value, request_id)
        except Full as error:
            raise self._in_full(error) from error
        return self._claim_answer(request_id, claim)

    async def release(self, request_id: str, name: str, lease: str) -> Answer:
        """200, also if there was no claim."""
        released = await self._claims.release(name, lease, request_id)
        leadership = self._service.leadership()
        body = ReleaseAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            released=released,
        )
        return Answer(200, _encode(body))

    async def lock(self, request_id: str, name: str, limit: int) -> Answer:
        """Its holder, and up to ``limit`` of those who wait."""
        claims = await self._claims.queue(name, limit + 2)
        leadership = self._service.leadership()
        body = LockAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            name=name,
            holder=first_item(claims),
            queue=[claim_item(claim) for claim in claims[1 : limit + 1]],
            more=len(claims) > limit + 1,
        )
        return Answer(200, _encode(body))

    async def election(self, request_id: str, name: str, limit: int) -> Answer:
        """Its leader, and up to ``limit`` of the other candidates."""
        claims = await self._claims.queue(name, limit + 2)
        leadership = self._service.leadership()
        body = ElectionAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            name=name,
            leader=first_item(claims),
            queue=[claim_item(claim) for claim in claims[1 : limit + 1]],
            more=len(claims) > limit + 1,
        )
        return Answer(200, _encode(body))

    async def names(self, request_id: str, *, after: str, limit: int) -> Answer:
        """A page of names that somebody claims."""
        names = await self._claims.names(after, limit=limit + 1)
        leadership = self._service.leadership()
        body = NamesAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            names=list(names[:limit]),
            more=len(names) > limit,
        )
        return Answer(200, _encode(body))

    async def _grant(self, request_id: str, lease: str, ttl_ms: int) -> None:
        outcome = await self._service.grant_lease(request_id, lease, ttl_ms)
        if outcome.status is Status.FULL:
            raise Full(outcome.message)
        if outcome.status is not Status.SUCCESS:
            raise Conflict(f"no lease could be made for this claim: {outcome.message}")

    def _in_full(self, error: Exception) -> Exception:
        """A refusal for the quota tells as much as that of a put."""
        return full_error(error, self._service.store_info()) if isinstance(error, Full) else error

    def _drop(self, lease: str) -> None:
        """Nobody waits for the end of a lease that nobody knows; if it fails, time ends it."""
        try:
            future = self._service.revoke_lease(self._service.new_request_id(), lease)
        except Exception as error:  # noqa: BLE001 - time ends the lease in any case
            _logger.debug("cannot revoke lease %s: %s", lease, error)
        else:
            future.add_done_callback(_log_failure)

    def _claim_answer(self, request_id: str, claim: Claim) -> Answer:
        leadership = self._service.leadership()
        body = ClaimAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            name=claim.name,
            held=claim.is_held,
            lease=claim.lease,
            token=claim.token,
            position=claim.position,
            value=_shown(claim.value),
        )
        return Answer(200, _encode(body))


async def _while_connected(acquiring: Coroutine[Any, Any, Claim], receive: Receive | None) -> Claim:
    """Its result; raises :class:`ClientLeft` if the client, who is listened to, leaves first."""
    if receive is None:
        return await acquiring
    async with while_connected(receive):
        return await acquiring
    raise ClientLeft("the client left before its claim held")


def first_item(claims: tuple[Claim, ...]) -> ClaimItem | None:
    """Of the one that holds."""
    return claim_item(claims[0]) if claims else None


def claim_item(claim: Claim) -> ClaimItem:
    return ClaimItem(
        lease=claim.lease,
        token=claim.token,
        position=claim.position,
        value=_shown(claim.value),
    )


def _shown(value: bytes) -> Raw:
    """Null for bytes that are not JSON: a claim is a key, and can be put as one with any value."""
    try:
        value.decode()
        return msgspec.json.decode(value, type=Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return Raw(b"null")


def _log_failure(future: "Future[Outcome]") -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _logger.debug("a lease that nobody needs was not revoked: %s", error)
