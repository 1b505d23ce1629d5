"""``/compact`` and ``/snapshot``."""

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from kvorum.node.service import KvService
from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.controllers.requests import Requests
from kvorum.rest.maintenance import compact_answer, parse_compact


def maintenance_routes(
    service: KvService, snapshot: ASGIApp, requests: Requests
) -> list[HTTPRouteHandler]:
    """For those who run the cluster; the snapshot is only handed on."""

    @post("/compact", status_code=200)
    async def compact(request: AnyRequest) -> Response[bytes]:
        wanted = parse_compact(await requests.body_of(request))
        request_id, raw_path = requests.id_of(request), request.scope["raw_path"]
        return to_response(await compact_answer(service, request_id, wanted, raw_path))

    @get("/snapshot")
    async def whole_store() -> ASGIApp:
        return snapshot

    return [compact, whole_store]
