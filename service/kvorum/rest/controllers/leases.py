"""``/leases…``."""

from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.controllers.requests import Requests
from kvorum.rest.lease_fields import valid_lease
from kvorum.rest.leases import LIST_LIMIT, LIST_LIMIT_MAX, LeaseApi, parse_grant
from kvorum.rest.query import Query


def lease_routes(leases: LeaseApi, requests: Requests) -> list[HTTPRouteHandler]:
    """Leases, and what they hold."""

    @post("/leases")
    async def grant(request: AnyRequest) -> Response[bytes]:
        wanted = parse_grant(await requests.body_of(request))
        request_id = requests.id_of(request)
        return to_response(await leases.grant(request_id, wanted, request.scope["raw_path"]))

    @get("/leases")
    async def list_all(request: AnyRequest) -> Response[bytes]:
        query = Query(request.scope["query_string"])
        limit = query.whole("limit", 1, LIST_LIMIT_MAX) or LIST_LIMIT
        after = query.text("after") or ""
        query.refuse_others("there are after and limit")
        return to_response(await leases.page(requests.id_of(request), after=after, limit=limit))

    @get("/leases/{id:str}")
    async def find(request: AnyRequest) -> Response[bytes]:
        lease, query = _lease(request), Query(request.scope["query_string"])
        keys = query.flag("keys")
        query.refuse_others("there is keys")
        return to_response(await leases.find(requests.id_of(request), lease, keys=keys))

    @post("/leases/{id:str}/keepalive", status_code=200)
    async def keep_alive(request: AnyRequest) -> Response[bytes]:
        lease, raw_path = _lease(request), request.scope["raw_path"]
        return to_response(await leases.keep_alive(requests.id_of(request), lease, raw_path))

    @delete("/leases/{id:str}", status_code=200)
    async def revoke(request: AnyRequest) -> Response[bytes]:
        lease, raw_path = _lease(request), request.scope["raw_path"]
        return to_response(await leases.revoke(requests.id_of(request), lease, raw_path))

    return [grant, list_all, find, keep_alive, revoke]


def _lease(request: AnyRequest) -> str:
    return valid_lease(request.path_params["id"], "the id in the path")
