"""``/livez``, ``/readyz`` and ``/metrics``."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry

from kvorum.node.service import KvService
from kvorum.rest.controllers.common import AnyRequest, to_response
from kvorum.rest.health import live_answer, metrics_answer, ready_answer


def health_routes(service: KvService, registry: CollectorRegistry) -> list[HTTPRouteHandler]:
    """Probes and metrics."""

    @get("/livez")
    async def livez() -> Response[bytes]:
        return to_response(live_answer())

    @get("/readyz")
    async def readyz(request: AnyRequest) -> Response[bytes]:
        verbose = "verbose" in request.query_params
        return to_response(ready_answer(service, verbose=verbose))

    @get("/metrics")
    async def metrics(request: AnyRequest) -> Response[bytes]:
        return to_response(metrics_answer(registry, request.headers.get("accept", "")))

    return [livez, readyz, metrics]
