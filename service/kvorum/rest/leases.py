"""``/leases…``: grant, keep alive, revoke, list."""

from collections.abc import Collection
from hashlib import sha256

import msgspec
from msgspec import UNSET, Struct, UnsetType

from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.service import KvService
from kvorum.node.views import LeaseView
from kvorum.rest.answer import Answer
from kvorum.rest.body import Shape, decoded
from kvorum.rest.coordination_schemas import (
    GrantAnswer,
    KeepAliveAnswer,
    LeaseAnswer,
    LeaseItem,
    LeasesAnswer,
    RevokeAnswer,
)
from kvorum.rest.lease_fields import valid_lease, valid_ttl_ms
from kvorum.rest.locations import shown_path
from kvorum.rest.problems import Context, refusal_of
from kvorum.rest.values import key_text

LIST_LIMIT, LIST_LIMIT_MAX = 100, 1000
LEASE_KEYS_MAX = 10_000

_REFUSALS = (Status.LEASE_NOT_FOUND, Status.EXPIRED)
_GRANT_REFUSALS = (Status.CONFLICT, Status.FULL, Status.EXPIRED)

_encode = msgspec.json.Encoder().encode


class _GrantFields(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    ttl_seconds: float
    id: str | UnsetType = UNSET


_GRANT = Shape(_GrantFields, '{"ttlSeconds": number}', "id")


class Grant(Struct, frozen=True):
    """A lease that is wanted; ``lease`` "": under any id."""

    ttl_ms: int
    lease: str = ""


def parse_grant(body: bytes) -> Grant:
    """Raises ``InvalidRequest``, which names the field."""
    fields = decoded(body, _GRANT)
    ttl_ms = valid_ttl_ms(fields.ttl_seconds, "ttlSeconds")
    return Grant(ttl_ms, "" if fields.id is UNSET else valid_lease(fields.id, "id"))


def lease_of_request(request_id: str) -> str:
    """The id of a lease that a request makes without naming it: repeated, it means the same."""
    return sha256(request_id.encode()).hexdigest()[:16]


class LeaseApi:
    """Answers requests; they raise ``Rejected``, ``OutcomeUnknown`` and ``LeaseNotFound``."""

    def __init__(self, service: KvService) -> None:
        self._service = service

    async def grant(self, request_id: str, grant: Grant, raw_path: bytes) -> Answer:
        """201; 409 if there is a lease of this id."""
        lease = grant.lease or lease_of_request(request_id)
        outcome = await self._service.grant_lease(request_id, lease, grant.ttl_ms)
        leadership = self._service.leadership()
        if outcome.status is not Status.SUCCESS:
            return self._refusal(outcome, raw_path, _GRANT_REFUSALS)
        view = self._service.lease(lease)  # gone, if this repeats a request of long ago
        body = GrantAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            id=lease,
            ttl_seconds=seconds(view.ttl_ms),
            revision=outcome.revision,
        )
        location = b"/leases/" + lease.encode()
        return Answer(201, _encode(body), headers=((b"location", location),))

    async def keep_alive(self, request_id: str, lease: str, raw_path: bytes) -> Answer:
        """200; 404 if it has ended."""
        outcome = await self._service.keep_alive(request_id, lease)
        leadership = self._service.leadership()
        if outcome.status is not Status.SUCCESS:
            return self._refusal(outcome, raw_path, _REFUSALS)
        view = self._service.lease(lease)
        body = KeepAliveAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            id=lease,
            ttl_seconds=seconds(view.ttl_ms),
            remaining_seconds=seconds(view.remaining_ms),
        )
        return Answer(200, _encode(body))

    async def revoke(self, request_id: str, lease: str, raw_path: bytes) -> Answer:
        """200 once it is over and its keys are deleted; 404 if it was over before."""
        outcome = await self._service.revoke_lease(request_id, lease)
        leadership = self._service.leadership()
        if outcome.status is not Status.SUCCESS:
            return self._refusal(outcome, raw_path, _REFUSALS)
        body = RevokeAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            revision=outcome.revision,
            deleted=outcome.changed,
        )
        return Answer(200, _encode(body))

    async def find(self, request_id: str, lease: str, *, keys: bool) -> Answer:
        """One lease, with its keys if they are wanted."""
        await self._service.catch_up()
        view = self._service.lease(lease, keys_max=LEASE_KEYS_MAX if keys else 0)
        leadership = self._service.leadership()
        body = LeaseAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            id=view.id,
            ttl_seconds=seconds(view.ttl_ms),
            remaining_seconds=seconds(view.remaining_ms),
            key_count=view.key_count,
            keys=[key_text(key) for key in view.keys] if keys else UNSET,
        )
        return Answer(200, _encode(body))

    async def page(self, request_id: str, *, after: str, limit: int) -> Answer:
        """A page of leases behind the id ``after``."""
        await self._service.catch_up()
        views = self._service.leases(after, limit=limit + 1)
        leadership = self._service.leadership()
        body = LeasesAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=request_id,
            leases=[_item(view) for view in views[:limit]],
            more=len(views) > limit,
        )
        return Answer(200, _encode(body))

    def _refusal(self, outcome: Outcome, raw_path: bytes, possible: Collection[Status]) -> Answer:
        context = Context(shown_path(raw_path), self._service.leadership())
        return refusal_of(outcome, context, possible=possible)


def seconds(milliseconds: int) -> float:
    """Whole ones as such, so that 10 does not become 10.0."""
    whole, rest = divmod(milliseconds, 1000)
    return milliseconds / 1000 if rest else whole


def _item(view: LeaseView) -> LeaseItem:
    return LeaseItem(
        id=view.id,
        ttl_seconds=seconds(view.ttl_ms),
        remaining_seconds=seconds(view.remaining_ms),
        key_count=view.key_count,
    )
