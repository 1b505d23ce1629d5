"""``/txn`` and ``/batch``."""

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.txn import TxnApi


def txn_routes(api: TxnApi) -> list[HTTPRouteHandler]:
    """Several keys at one revision."""

    @post("/txn", status_code=200)
    async def txn(request: AnyRequest) -> Response[bytes]:
        return to_response(await api.txn(request.scope, request.receive))

    @post("/batch", status_code=200)
    async def batch(request: AnyRequest) -> Response[bytes]:
        return to_response(await api.batch(request.scope, request.receive))

    return [txn, batch]
