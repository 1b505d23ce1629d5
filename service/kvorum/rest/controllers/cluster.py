"""``/cluster/…``."""

from typing import Annotated

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from kvorum.node.service import KvService
from kvorum.rest.cluster import LOG_LIMIT, LOG_LIMIT_MAX, info_answer, log_answer
from kvorum.rest.controllers.common import to_response
from kvorum.rest.options import RestOptions

FirstIndex = Annotated[int, QueryParameter(name="from", ge=1, le=(1 << 63) - 1)]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LOG_LIMIT_MAX)]


def cluster_routes(service: KvService, options: RestOptions) -> list[HTTPRouteHandler]:
    """What the answering node knows of its cluster."""

    @get("/cluster/info")
    async def info() -> Response[bytes]:
        return to_response(info_answer(service))

    @get("/cluster/log")
    async def log(first_index: FirstIndex = 1, limit: Limit = LOG_LIMIT) -> Response[bytes]:
        bytes_max = options.log_bytes_max
        return to_response(
            log_answer(service, first_index=first_index, limit=limit, bytes_max=bytes_max)
        )

    return [info, log]
