"""``/keys``."""

from litestar import Response, delete, get
from litestar.handlers import HTTPRouteHandler

from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.ranges import RangeApi


def range_routes(ranges: RangeApi) -> list[HTTPRouteHandler]:
    """Many keys at once."""

    @get("/keys")
    async def list_keys(request: AnyRequest) -> Response[bytes]:
        return to_response(await ranges.list(request.scope, request.receive))

    @delete("/keys", status_code=200)
    async def delete_keys(request: AnyRequest) -> Response[bytes]:
        return to_response(await ranges.delete(request.scope, request.receive))

    return [list_keys, delete_keys]
