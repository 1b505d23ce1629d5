"""Answers that last: their bodies are sent part by part, for as long as the client stays.

Beside the framework, like the hot path: a part costs one ``send``. The server's ``send``
waits while the client reads too slowly, so no more than a part is held for it here.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from time import perf_counter

from litestar.enums import ScopeType
from litestar.types import (
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    Receive,
    Scope,
    Send,
)
from msgspec import Struct

from kvorum.node.service import KvService
from kvorum.rest.answer import Headers, send_answer
from kvorum.rest.locations import shown_path
from kvorum.rest.observer import RestObserver, method_label
from kvorum.rest.presence import while_connected
from kvorum.rest.problems import INTERNAL, Context, kind_of, problem_of

_logger = logging.getLogger(__name__)


class Streamed(Struct, frozen=True):
    """An answer of status 200 whose body comes in parts.

    ``parts`` may end by raising: the connection is then closed, so that the client cannot take
    what it has for the whole. ``close`` frees what they are made from, started or not.
    """

    media_type: bytes
    parts: AsyncGenerator[bytes, None]
    close: Callable[[], None]
    headers: Headers = ()


Opener = Callable[[HTTPScope], Awaitable[Streamed]]
"""Makes the answer to a request, or raises what makes a problem of it."""


class StreamingRoute:
    """ASGI callable for GET and HEAD of one route.

    The observer hears of it when the answer begins: how long a client stays is no measure of
    the node.
    """

    def __init__(
        self, route: str, opener: Opener, service: KvService, observer: RestObserver
    ) -> None:
        self._route = route
        self._open = opener
        self._service = service
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == ScopeType.HTTP, "routes are for HTTP"
        start_s = perf_counter()
        try:
            streamed = await self._open(scope)
        except Exception as error:
            if kind_of(error) is INTERNAL:
                _logger.exception("unexpected error while answering %s", scope["method"])
            context = Context(shown_path(scope["raw_path"]), self._service.leadership())
            answer = problem_of(error, context)
            await send_answer(answer, send)
            self._observe(scope, answer.status, start_s)
            return
        try:
            await send(_start(streamed))
            self._observe(scope, 200, start_s)
            if scope["method"] == "HEAD":
                await send(_part(b"", more=False))
            else:
                await _pass_on(streamed.parts, receive, send)
        finally:
            streamed.close()

    def _observe(self, scope: HTTPScope, status: int, start_s: float) -> None:
        method = method_label(scope["method"])
        self._observer.request(self._route, method, status, perf_counter() - start_s)


async def _pass_on(parts: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    async with aclosing(parts), while_connected(receive):
        async for part in parts:
            await send(_part(part, more=True))
        await send(_part(b"", more=False))


def _start(streamed: Streamed) -> HTTPResponseStartEvent:
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", streamed.media_type), *streamed.headers],
    }


def _part(body: bytes, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}
