"""One request while it is being answered, and what the routes of keys do alike with it.

They answer on ASGI, without the framework's request objects, so that an error can name the
request's id and the hot path can share everything.
"""

import logging
from collections.abc import Awaitable, Callable

from litestar.types import HTTPScope, Receive
from msgspec import Struct

from kvorum.node.service import KvService
from kvorum.rest.answer import Answer
from kvorum.rest.headers import (
    RequestHead,
    check_encoding,
    check_json_body,
    declared_length,
    parse_idempotency_key,
    read_head,
)
from kvorum.rest.locations import shown_path
from kvorum.rest.options import RestOptions
from kvorum.rest.problems import INTERNAL, Context, kind_of, problem_of
from kvorum.rest.reader import BodyReader

_DISCARDED_BYTES_MAX = 16 << 20

_logger = logging.getLogger(__name__)


class Exchange(Struct, gc=False):
    """``request_id`` is "" until :meth:`Desk.begin`."""

    scope: HTTPScope
    receive: Receive
    head: RequestHead
    key: bytes = b""
    request_id: str = ""


class Desk:
    """Gives ids, reads bodies and words failures.

    One for all routes, which share the bound on what unfinished bodies hold.
    """

    def __init__(self, service: KvService, options: RestOptions) -> None:
        self._service = service
        self._options = options
        self._bodies = BodyReader(options)

    async def answer(
        self, scope: HTTPScope, receive: Receive, handle: Callable[[Exchange], Awaitable[Answer]]
    ) -> Answer:
        """Never raises for what a request can cause."""
        exchange = Exchange(scope, receive, read_head(scope["headers"]))
        try:
            return await handle(exchange)
        except Exception as error:  # noqa: BLE001 - every one becomes an answer
            return self.failed(error, exchange)

    def begin(self, exchange: Exchange) -> str:
        """The request's id: the client's own or a new one."""
        keys = exchange.head.idempotency_keys
        exchange.request_id = (
            parse_idempotency_key(keys) if keys else self._service.new_request_id()
        )
        return exchange.request_id

    def context(self, exchange: Exchange) -> Context:
        """What a problem says of the request."""
        path = shown_path(exchange.scope["raw_path"])
        return Context(path, self._service.leadership(), exchange.request_id)

    async def json_body(self, exchange: Exchange, bytes_max: int) -> bytes:
        """Raises ``UnsupportedMediaType``, and as :meth:`BodyReader.read`."""
        check_json_body(exchange.head)
        return await self._bodies.read(exchange.receive, declared_length(exchange.head), bytes_max)

    async def raw_body(self, exchange: Exchange) -> bytes:
        """A body of the size of a value, whatever it is; raises as :meth:`json_body`."""
        check_encoding(exchange.head)
        bytes_max = self._options.value_bytes_max
        return await self._bodies.read(exchange.receive, declared_length(exchange.head), bytes_max)

    def failed(self, error: Exception, exchange: Exchange) -> Answer:
        """Its answer. What nobody expected is logged."""
        if kind_of(error) is INTERNAL:
            method = exchange.scope["method"]
            _logger.error("unexpected error while answering %s", method, exc_info=error)
        answer = problem_of(error, self.context(exchange))
        if answer.status == 413 and not _worth_discarding(exchange.head):
            # The server would read on and throw away what follows.
            return Answer(
                413, answer.body, answer.media_type, (*answer.headers, (b"connection", b"close"))
            )
        return answer


def _worth_discarding(head: RequestHead) -> bool:
    return head.content_length.isdigit() and int(head.content_length) <= _DISCARDED_BYTES_MAX
