"""Puts the front end together."""

from time import perf_counter

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry

from kvorum.node.service import KvService
from kvorum.rest.claims import ClaimApi
from kvorum.rest.controllers.claims import LOCKS_PREFIX, election_routes, lock_routes
from kvorum.rest.controllers.cluster import cluster_routes
from kvorum.rest.controllers.commands import command_routes
from kvorum.rest.controllers.health import health_routes
from kvorum.rest.controllers.keys import key_routes
from kvorum.rest.controllers.leases import lease_routes
from kvorum.rest.controllers.maintenance import maintenance_routes
from kvorum.rest.controllers.members import member_routes
from kvorum.rest.controllers.ranges import range_routes
from kvorum.rest.controllers.requests import Requests
from kvorum.rest.controllers.site import site_routes
from kvorum.rest.controllers.txn import txn_routes
from kvorum.rest.controllers.watch import watch_routes
from kvorum.rest.errors import exception_handler
from kvorum.rest.hot import HotPaths
from kvorum.rest.keys import KeyApi
from kvorum.rest.leases import LeaseApi
from kvorum.rest.observe import ELECTIONS_PREFIX
from kvorum.rest.observer import IgnoringObserver, RestObserver, method_label, route_label
from kvorum.rest.options import RestOptions
from kvorum.rest.ranges import RangeApi
from kvorum.rest.site import SwaggerSite
from kvorum.rest.streams import Streams
from kvorum.rest.txn import TxnApi

_NAMED_PREFIXES = (LOCKS_PREFIX, ELECTIONS_PREFIX)


def create_app(
    service: KvService,
    options: RestOptions,
    *,
    registry: CollectorRegistry,
    observer: RestObserver | None = None,
) -> ASGIApp:
    """The whole REST front end as one ASGI app; it needs no lifespan events.

    ``registry`` is what ``/metrics`` shows; ``observer`` hears of every request. A server may
    let :class:`~kvorum.rest.direct.Direct` have a first look at what comes.
    """
    observer = observer or IgnoringObserver()
    keys = KeyApi(service, options)
    ranges, txns = RangeApi(service, options, keys.desk), TxnApi(service, options, keys.desk)
    streams = Streams(service, options, observer)
    framework = framework_app(service, keys, options, registry)
    return FrontEnd(HotPaths(keys, ranges, txns, observer), streams, framework, observer)


def framework_app(
    service: KvService, keys: KeyApi, options: RestOptions, registry: CollectorRegistry
) -> Litestar:
    """Every route, ``/key/{key}`` included, on Litestar alone."""
    streams = Streams(service, options, IgnoringObserver())
    requests = Requests(service, options)
    locks, elections = ClaimApi(service, service.locks), ClaimApi(service, service.elections)
    return Litestar(
        route_handlers=[
            *key_routes(keys),
            *range_routes(RangeApi(service, options, keys.desk)),
            *txn_routes(TxnApi(service, options, keys.desk)),
            *command_routes(service),
            *cluster_routes(service, options),
            *member_routes(service, options),
            *watch_routes(streams.watch),
            *lease_routes(LeaseApi(service), requests),
            *lock_routes(locks, requests, options),
            *election_routes(elections, streams.observe, requests, options),
            *maintenance_routes(service, streams.snapshot, requests),
            *health_routes(service, registry),
            *site_routes(SwaggerSite(), options),
        ],
        exception_handlers={Exception: exception_handler(service)},
        openapi_config=None,
        logging_config=None,
    )


class FrontEnd:
    """ASGI app: keys take hot paths, streams their own, all else the framework, observed."""

    def __init__(
        self, hot: HotPaths, streams: Streams, framework: ASGIApp, observer: RestObserver
    ) -> None:
        self._hot = hot
        self._streams = streams
        self._framework = framework
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._framework(scope, receive, send)
        elif (hot := self._hot.find(scope)) is not None:
            await hot(scope, receive, send)
        elif (stream := self._streams.find(scope)) is not None:
            await stream(scope, receive, send)
        else:
            await self._observed(_as_sent(scope), receive, send)

    async def _observed(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        route, method = route_label(scope["path"]), method_label(scope["method"])
        status = 500  # unless an answer begins
        start_s = perf_counter()

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if scope["method"] == "HEAD":  # the server leaves the body out
            scope = {**scope, "method": "GET"}
        try:
            await self._framework(scope, receive, watched_send)
        finally:
            self._observer.request(route, method, status, perf_counter() - start_s)


def _as_sent(scope: HTTPScope) -> HTTPScope:
    """Below some prefixes an encoded slash is part of a name and does not end a segment."""
    raw_path = scope["raw_path"]
    if b"%" in raw_path and raw_path.startswith(_NAMED_PREFIXES):
        return {**scope, "path": raw_path.decode("latin-1")}
    return scope
