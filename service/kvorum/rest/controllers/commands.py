"""``/command/{id}``."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from kvorum.node.service import KvService
from kvorum.rest.commands import command_answer
from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.locations import parse_command
from kvorum.rest.query import Query


def command_routes(service: KvService) -> list[HTTPRouteHandler]:
    """The id is taken from the raw path: it may contain an encoded slash."""

    @get(["/command", "/command/{request_id:path}"])
    async def find(request: AnyRequest) -> Response[bytes]:
        request_id = parse_command(request.scope["raw_path"])
        query = Query(request.scope["query_string"])
        stale = query.is_stale()
        query.refuse_others("there is consistency")
        return to_response(await command_answer(service, request_id, stale=stale))

    return [find]
