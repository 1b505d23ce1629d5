"""``/key/{key}`` within Litestar: the reference that the hot path is compared with."""

from litestar import Response, route
from litestar.handlers import HTTPRouteHandler

from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.keys import KeyApi


def key_routes(keys: KeyApi) -> list[HTTPRouteHandler]:
    """The key is taken from the raw path: Litestar's own parameter is normalised."""

    @route(
        ["/key", "/key/{key:path}"],
        http_method=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        status_code=200,
    )
    async def any_method(request: AnyRequest) -> Response[bytes]:
        return to_response(await keys.answer(request.scope, request.receive))

    return [any_method]
