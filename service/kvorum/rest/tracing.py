"""Requests that are sampled get a span, under their client's W3C context if they have one.

Around the whole front end, and only if tracing is on; a request that is not sampled costs one
decision. Paths and queries hold keys, so only the route is told.
"""

import re
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from kvorum.rest.locations import KEY_PREFIX
from kvorum.rest.observer import (
    KEY_ROUTE,
    OBSERVE_ROUTE,
    OTHER,
    method_label,
    route_label,
)
from kvorum.telemetry.spans import Admission, Attributes, RequestSpans, Span

ADMISSION = "kvorum.admission"
"""Extension of an ASGI scope: whoever saw the request before decided that it is sampled."""

_UNTRACED = frozenset({"/livez", "/readyz", "/metrics", "/swagger", "/swagger/{asset}", "/"})
_OBSERVE = re.compile(r"/elections/.+/observe/?")
_HOST_CHARACTERS_MAX = 255


class TracedApp:
    """ASGI app around another one."""

    def __init__(self, app: ASGIApp, spans: RequestSpans) -> None:
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        admission = _decided(scope) or self._spans.admit(scope["headers"])
        if admission is None or (route := _route_of(scope)) in _UNTRACED:
            await self._app(scope, receive, send)
            return
        method = method_label(scope["method"])
        name = "HTTP" if method == OTHER else method
        if route != OTHER:
            name = f"{name} {route}"
        span = admission.start(name, _attributes(scope, method, route))
        await self._traced(span, scope, receive, send)

    async def _traced(self, span: Span, scope: HTTPScope, receive: Receive, send: Send) -> None:
        error = ""
        try:
            with self._spans.activate(span):
                await self._app(scope, receive, partial(self._send, send, span))
        except BaseException as failure:
            error = type(failure).__qualname__
            raise
        finally:
            span.end(self._spans.now_ns(), error)

    async def _send(self, send: Send, span: Span, message: Message) -> None:
        """A stream's span ends when its answer begins: its hours say nothing of the node."""
        if message["type"] == "http.response.start":
            status = message["status"]
            span.set("http.response.status_code", status)
            if status >= 500:
                span.fail(str(status))
            if not any(name.lower() == b"content-length" for name, _ in message["headers"]):
                span.end(self._spans.now_ns())
        await send(message)


def _decided(scope: HTTPScope) -> Admission | None:
    extensions = scope.get("extensions") or {}
    return cast("Admission | None", extensions.get(ADMISSION))


def _route_of(scope: HTTPScope) -> str:
    if scope["raw_path"].startswith(KEY_PREFIX):
        return KEY_ROUTE
    path = scope["path"]
    return OBSERVE_ROUTE if _OBSERVE.fullmatch(path) else route_label(path)


def _attributes(scope: HTTPScope, method: str, route: str) -> Attributes:
    """HTTP server spans as OpenTelemetry's semantic conventions have them, without the path."""
    attributes: dict[str, str | int] = {
        "http.request.method": "_OTHER" if method == OTHER else method,
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
        **_server_of(scope),
    }
    if route != OTHER:
        attributes["http.route"] = route
    return attributes


def _server_of(scope: HTTPScope) -> dict[str, str | int]:
    """As the client named it, else where it was reached."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    try:
        named = urlsplit("//" + host[:_HOST_CHARACTERS_MAX].decode("latin-1"))
        address, port = named.hostname, named.port
    except ValueError:
        address, port = None, None
    if not address:
        address, port = scope["server"] or (None, None)
    server: dict[str, str | int] = {"server.address": address} if address else {}
    return server | ({"server.port": port} if port else {})
