"""``/cluster/members`` and ``/cluster/transfer``."""

from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from kvorum.node.service import KvService
from kvorum.rest.body import ENVELOPE_BYTES_MAX, parse_member, parse_transfer
from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.headers import check_json_body, declared_length, read_head
from kvorum.rest.members import (
    add_answer,
    members_answer,
    promote_answer,
    remove_answer,
    transfer_answer,
)
from kvorum.rest.options import RestOptions
from kvorum.rest.query import refuse_query
from kvorum.rest.reader import BodyReader


def member_routes(service: KvService, options: RestOptions) -> list[HTTPRouteHandler]:
    """Who belongs to the cluster, and who leads it."""
    bodies = BodyReader(options)

    async def body_of(request: AnyRequest) -> bytes:
        refuse_query(request.scope["query_string"])
        head = read_head(request.scope["headers"])
        check_json_body(head)
        return await bodies.read(request.receive, declared_length(head), ENVELOPE_BYTES_MAX)

    @get("/cluster/members")
    async def members(request: AnyRequest) -> Response[bytes]:
        refuse_query(request.scope["query_string"])
        return to_response(members_answer(service))

    @post("/cluster/members")
    async def add(request: AnyRequest) -> Response[bytes]:
        address = parse_member(await body_of(request))
        return to_response(await add_answer(service, address))

    @post("/cluster/members/{id:str}/promote")
    async def promote(request: AnyRequest) -> Response[bytes]:
        refuse_query(request.scope["query_string"])
        return to_response(await promote_answer(service, request.path_params["id"]))

    @delete("/cluster/members/{id:str}", status_code=200)
    async def remove(request: AnyRequest) -> Response[bytes]:
        refuse_query(request.scope["query_string"])
        return to_response(await remove_answer(service, request.path_params["id"]))

    @post("/cluster/transfer")
    async def transfer(request: AnyRequest) -> Response[bytes]:
        target = parse_transfer(await body_of(request))
        return to_response(await transfer_answer(service, target))

    return [members, add, promote, remove, transfer]
