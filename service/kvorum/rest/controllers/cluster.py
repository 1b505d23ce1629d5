"""``/cluster/…``."""

from typing import Annotated

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from kvorum.node.service import KvService
from kvorum.rest.cluster import LOG_LIMIT, LOG_LIMIT_MAX, info_answer, log_answer
from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.options import RestOptions
from kvorum.rest.query import Query, refuse_query

FirstIndex = Annotated[int, QueryParameter(name="from", ge=1, le=(1 << 63) - 1)]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LOG_LIMIT_MAX)]


def cluster_routes(service: KvService, options: RestOptions) -> list[HTTPRouteHandler]:
    """What the answering node knows of its cluster."""

    @get("/cluster/info")
    async def info(request: AnyRequest) -> Response[bytes]:
        refuse_query(request.scope["query_string"])
        return to_response(info_answer(service))

    @get("/cluster/log")
    async def log(
        request: AnyRequest, first_index: FirstIndex = 1, limit: Limit = LOG_LIMIT
    ) -> Response[bytes]:
        query = Query(request.scope["query_string"])
        query.drop("from", "limit")  # the framework has read them
        query.refuse_others("there are from and limit")
        bytes_max = options.log_bytes_max
        return to_response(
            log_answer(service, first_index=first_index, limit=limit, bytes_max=bytes_max)
        )

    return [info, log]
