"""``/locks…`` and ``/elections…``.

Names are taken from the path as it was sent (see :mod:`kvorum.rest.claim_names`).
"""

from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from kvorum.errors import InvalidRequest
from kvorum.rest.body import body_bytes_max
from kvorum.rest.claim_names import parse_name
from kvorum.rest.claims import (
    LIST_LIMIT,
    LIST_LIMIT_MAX,
    ClaimApi,
    parse_claim,
    parse_proclaim,
)
from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.controllers.requests import Requests
from kvorum.rest.lease_fields import valid_lease
from kvorum.rest.observe import ELECTIONS_PREFIX
from kvorum.rest.options import RestOptions
from kvorum.rest.query import Query

LOCKS_PREFIX = b"/locks/"


def lock_routes(
    locks: ClaimApi, requests: Requests, options: RestOptions
) -> list[HTTPRouteHandler]:
    """Locks: acquire, look, release."""
    routes = _Routes(locks, requests, options, LOCKS_PREFIX)

    @get("/locks")
    async def names(request: AnyRequest) -> Response[bytes]:
        return await routes.names(request)

    @get("/locks/{name:str}")
    async def find(request: AnyRequest) -> Response[bytes]:
        name, limit = routes.name_of(request), _limit(request)
        return to_response(await locks.lock(requests.id_of(request), name, limit))

    @post("/locks/{name:str}", status_code=200)
    async def acquire(request: AnyRequest) -> Response[bytes]:
        return await routes.acquire(request)

    @delete("/locks/{name:str}", status_code=200)
    async def release(request: AnyRequest) -> Response[bytes]:
        return await routes.release(request)

    return [names, find, acquire, release]


def election_routes(
    elections: ClaimApi, observe: ASGIApp, requests: Requests, options: RestOptions
) -> list[HTTPRouteHandler]:
    """Elections: campaign, proclaim, look, resign; observing is only handed on."""
    routes = _Routes(elections, requests, options, ELECTIONS_PREFIX)

    @get("/elections")
    async def names(request: AnyRequest) -> Response[bytes]:
        return await routes.names(request)

    @get("/elections/{name:str}")
    async def find(request: AnyRequest) -> Response[bytes]:
        name, limit = routes.name_of(request), _limit(request)
        return to_response(await elections.election(requests.id_of(request), name, limit))

    @post("/elections/{name:str}", status_code=200)
    async def campaign(request: AnyRequest) -> Response[bytes]:
        return await routes.acquire(request)

    @put("/elections/{name:str}")
    async def proclaim(request: AnyRequest) -> Response[bytes]:
        name = routes.name_of(request)
        body = await requests.body_of(request, body_bytes_max(1, options.value_bytes_max))
        lease, value = parse_proclaim(body, options.value_bytes_max)
        return to_response(await elections.proclaim(requests.id_of(request), name, lease, value))

    @delete("/elections/{name:str}", status_code=200)
    async def resign(request: AnyRequest) -> Response[bytes]:
        return await routes.release(request)

    @get("/elections/{name:str}/observe")
    async def observe_leader() -> ASGIApp:
        return observe

    return [names, find, campaign, proclaim, resign, observe_leader]


class _Routes:
    """What locks and elections have in common."""

    def __init__(
        self, claims: ClaimApi, requests: Requests, options: RestOptions, prefix: bytes
    ) -> None:
        self._claims = claims
        self._requests = requests
        self._options = options
        self._prefix = prefix

    def name_of(self, request: AnyRequest) -> str:
        return parse_name(request.scope["raw_path"], self._prefix)

    async def names(self, request: AnyRequest) -> Response[bytes]:
        query = Query(request.scope["query_string"])
        after = query.text("after") or ""
        limit = query.whole("limit", 1, LIST_LIMIT_MAX) or LIST_LIMIT
        query.refuse_others("there are after and limit")
        request_id = self._requests.id_of(request)
        return to_response(await self._claims.names(request_id, after=after, limit=limit))

    async def acquire(self, request: AnyRequest) -> Response[bytes]:
        name, value_bytes_max = self.name_of(request), self._options.value_bytes_max
        body = await self._requests.body_of(request, body_bytes_max(1, value_bytes_max))
        answer = await self._claims.acquire(
            self._requests.id_of(request),
            name,
            parse_claim(body, value_bytes_max),
            request.receive,
            is_named=self._requests.is_named(request),
        )
        return to_response(answer)

    async def release(self, request: AnyRequest) -> Response[bytes]:
        name = self.name_of(request)
        query = Query(request.scope["query_string"])
        lease = query.text("lease")
        query.refuse_others("there is lease")
        if lease is None:
            raise InvalidRequest("lease is missing: whose claim ends? Add ?lease= and its id")
        valid_lease(lease, "lease")
        return to_response(await self._claims.release(self._requests.id_of(request), name, lease))


def _limit(request: AnyRequest) -> int:
    query = Query(request.scope["query_string"])
    limit = query.whole("limit", 1, LIST_LIMIT_MAX) or LIST_LIMIT
    query.refuse_others("there is limit")
    return limit
