"""``GET /elections/{name}/observe``: who leads, now and at each change, as server-sent events."""

import sys
from collections.abc import AsyncGenerator, Iterable

import msgspec
from litestar.types import HTTPScope

from kvorum.errors import Compacted, Overloaded, WatchEnded
from kvorum.mvcc.record import Event
from kvorum.node.claims import Claims
from kvorum.node.service import KvService
from kvorum.node.views import Claim
from kvorum.node.watching import Watch
from kvorum.rest import sse
from kvorum.rest.claim_names import parse_name
from kvorum.rest.claims import claim_item
from kvorum.rest.coordination_schemas import LeaderEvent
from kvorum.rest.query import Query
from kvorum.rest.streaming import Streamed
from kvorum.rest.watch import HEARTBEAT_S, HEARTBEAT_S_MAX, cancelled

ELECTIONS_PREFIX = b"/elections/"
OBSERVE_SUFFIX = b"/observe"

_ATTEMPTS = 3

_encode = msgspec.json.Encoder().encode


class Candidates:
    """The claims on one election, kept up to date from its changes: no read at each of them."""

    def __init__(self, name: str, claims: Iterable[Claim]) -> None:
        self._name = name
        self._claims = {claim.lease: claim for claim in claims}

    def apply(self, event: Event) -> None:
        """A claim was made, changed its value, or is gone; a key without its lease is none."""
        lease = event.key.rpartition(b"/")[2].decode("ascii", "replace")
        record = event.record
        if record is None or record.lease != lease:
            self._claims.pop(lease, None)
        else:
            self._claims[lease] = Claim(
                self._name, lease, record.create_revision, 0, record.value, record.mod_revision
            )

    @property
    def leader(self) -> Claim | None:
        """Who came first."""
        return min(self._claims.values(), key=lambda claim: claim.token, default=None)


class ObserveApi:
    """Opens streams of leaders."""

    def __init__(self, service: KvService, elections: Claims) -> None:
        self._service = service
        self._elections = elections

    async def open(self, scope: HTTPScope) -> Streamed:
        """The first event shows every change that was acknowledged before the request.

        Raises ``InvalidRequest`` and ``Rejected``.
        """
        name = parse_name(scope["raw_path"], ELECTIONS_PREFIX, OBSERVE_SUFFIX)
        query = Query(scope["query_string"])
        heartbeat_s = query.whole("heartbeatSeconds", 1, HEARTBEAT_S_MAX) or HEARTBEAT_S
        query.refuse_others("there is heartbeatSeconds")
        watch, candidates = await self._begin(name)
        parts = _parts(watch, candidates, name, heartbeat_s)
        return Streamed(sse.EVENT_STREAM_TYPE, parts, watch.close, sse.HEADERS)

    async def _begin(self, name: str) -> tuple[Watch, Candidates]:
        """All candidates as of one revision, and a watch of what comes after it."""
        for _ in range(_ATTEMPTS):
            revision = self._service.store_info().revision
            claims = await self._elections.queue(name, sys.maxsize)
            if claims:
                revision = claims[0].revision
            try:
                return self._elections.watch(name, revision + 1), Candidates(name, claims)
            except Compacted:
                continue  # that revision is forgotten already: read again
        raise Overloaded("history is compacted faster than it can be read; try again")


async def _parts(
    watch: Watch, candidates: Candidates, name: str, heartbeat_s: int
) -> AsyncGenerator[bytes, None]:
    told = _data(name, candidates.leader)
    yield sse.opening(b"leader", told)
    try:
        while True:
            changes = await watch.next(heartbeat_s)
            if not changes:
                yield sse.heartbeat()
            for change in changes:
                for event in change.events:
                    candidates.apply(event)
                leader = _data(name, candidates.leader)
                if leader != told:
                    told = leader
                    yield sse.frame(b"leader", leader)
    except WatchEnded as end:
        yield cancelled(end)


def _data(name: str, leader: Claim | None) -> bytes:
    item = None if leader is None else claim_item(leader)
    return _encode(LeaderEvent(name=name, leader=item))
