"""``/`` and ``/swagger/…``."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.options import RestOptions
from kvorum.rest.site import SwaggerSite, index_answer, redirect_answer


def site_routes(site: SwaggerSite, options: RestOptions) -> list[HTTPRouteHandler]:
    """For people who came with a browser."""

    @get("/")
    async def index() -> Response[bytes]:
        return to_response(index_answer(options.version))

    @get("/swagger")
    async def redirect() -> Response[bytes]:
        return to_response(redirect_answer())

    @get("/swagger/{asset:str}")
    async def asset(request: AnyRequest) -> Response[bytes]:
        name = request.path_params["asset"]
        return to_response(site.answer(name, request.headers.get("if-none-match", "")))

    return [index, redirect, asset]
