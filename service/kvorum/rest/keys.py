"""``/key/{key}``: from a request to a call of the service, and from its result to an answer.

The one implementation of these routes. ``hot`` calls it for every request it gets
from the server, ``controllers.keys`` from within Litestar.
"""

import logging
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import parse_qs

from litestar.types import HTTPScope, Receive
from msgspec import Struct

from kvorum.errors import InvalidRequest
from kvorum.mvcc.outcome import Outcome
from kvorum.node.service import KvService
from kvorum.node.views import ReadResult
from kvorum.rest.answer import Answer
from kvorum.rest.body import body_bytes_max, parse_put, parse_swap
from kvorum.rest.faults import MethodNotAllowed
from kvorum.rest.headers import (
    RequestHead,
    check_json_body,
    declared_length,
    parse_idempotency_key,
    prefers_async,
    read_head,
)
from kvorum.rest.key_answers import accepted_answer, read_answer, write_answer
from kvorum.rest.locations import parse_key, shown_path
from kvorum.rest.options import RestOptions
from kvorum.rest.problems import INTERNAL, Context, kind_of, problem_of
from kvorum.rest.reader import BodyReader

ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_DISCARDED_BYTES_MAX = 16 << 20
_Result = TypeVar("_Result", Outcome, ReadResult)

_logger = logging.getLogger(__name__)


class Exchange(Struct, gc=False):
    """One request while it is being answered."""

    scope: HTTPScope
    receive: Receive
    head: RequestHead
    key: bytes = b""
    request_id: str = ""


class KeyApi:
    """Answers requests for ``/key/{key}``; never raises for what a request can cause."""

    def __init__(self, service: KvService, options: RestOptions) -> None:
        self._service = service
        self._options = options
        self._bodies = BodyReader(options)
        self._handlers: Mapping[str, Callable[[Exchange], Awaitable[Answer]]] = MappingProxyType(
            {
                "GET": self._get,
                "HEAD": self._get,  # the server leaves the body out
                "POST": self._put,
                "PUT": self._put,
                "PATCH": self._swap,
                "DELETE": self._delete,
                "OPTIONS": _options,
            }
        )

    async def answer(self, scope: HTTPScope, receive: Receive) -> Answer:
        exchange = Exchange(scope, receive, read_head(scope["headers"]))
        try:
            handler = self._handlers.get(scope["method"], _refuse_method)
            exchange.key = parse_key(scope["raw_path"], self._options.key_bytes_max)
            return await handler(exchange)
        except Exception as error:
            if kind_of(error) is INTERNAL:
                _logger.exception("unexpected error while answering %s", scope["method"])
            return self._problem(error, exchange)

    def _problem(self, error: Exception, exchange: Exchange) -> Answer:
        path = shown_path(exchange.scope["raw_path"])
        context = Context(path, self._service.leadership(), exchange.request_id)
        answer = problem_of(error, context)
        if answer.status == 413 and not _worth_discarding(exchange.head):
            # The server would read on and throw away what follows.
            return Answer(
                413, answer.body, answer.media_type, (*answer.headers, (b"connection", b"close"))
            )
        return answer

    async def _put(self, exchange: Exchange) -> Answer:
        body = await self._body(exchange, values=1)
        value = parse_put(body, self._options.value_bytes_max)
        request_id = self._begin(exchange)
        return await self._written(exchange, self._service.put(request_id, exchange.key, value))

    async def _swap(self, exchange: Exchange) -> Answer:
        body = await self._body(exchange, values=2)
        expected, value = parse_swap(body, self._options.value_bytes_max)
        request_id = self._begin(exchange)
        outcome = self._service.compare_and_set(request_id, exchange.key, expected, value)
        return await self._written(exchange, outcome)

    async def _delete(self, exchange: Exchange) -> Answer:
        request_id = self._begin(exchange)
        return await self._written(exchange, self._service.delete(request_id, exchange.key))

    async def _get(self, exchange: Exchange) -> Answer:
        stale = wants_stale(exchange.scope["query_string"])
        request_id = self._begin(exchange)
        if stale:  # answered from memory: a preference for respond-async has no use
            result = self._service.get_stale(request_id, exchange.key)
        else:
            future = self._service.get(request_id, exchange.key)
            if exchange.head.preferences and prefers_async(exchange.head.preferences):
                return self._accepted(exchange, future)
            result = await future
        path = exchange.scope["raw_path"]
        return read_answer(result, self._service.leadership(), path)

    async def _written(self, exchange: Exchange, future: "Future[Outcome]") -> Answer:
        if exchange.head.preferences and prefers_async(exchange.head.preferences):
            return self._accepted(exchange, future)
        outcome = await future
        return write_answer(outcome, self._service.leadership(), exchange.scope["raw_path"])

    def _accepted(self, exchange: Exchange, future: "Future[_Result]") -> Answer:
        if future.done():
            future.result()  # refused at once: better said now
        else:
            future.add_done_callback(_log_lost_failure)
        return accepted_answer(exchange.request_id, self._service.leadership())

    async def _body(self, exchange: Exchange, values: int) -> bytes:
        check_json_body(exchange.head)
        bytes_max = body_bytes_max(values, self._options.value_bytes_max)
        return await self._bodies.read(exchange.receive, declared_length(exchange.head), bytes_max)

    def _begin(self, exchange: Exchange) -> str:
        keys = exchange.head.idempotency_keys
        exchange.request_id = (
            parse_idempotency_key(keys) if keys else self._service.new_request_id()
        )
        return exchange.request_id


async def _refuse_method(exchange: Exchange) -> Answer:
    raise MethodNotAllowed(exchange.scope["method"], ALLOWED)


async def _options(_: Exchange) -> Answer:
    return Answer(204, b"", headers=((b"allow", ALLOWED.encode("ascii")),))


def wants_stale(query: bytes) -> bool:
    """Reads ``consistency``; raises ``InvalidRequest`` for values other than the two."""
    if not query:
        return False
    try:
        values = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise InvalidRequest("the query has more than 20 parameters") from error
    chosen = values.get("consistency", ["linearizable"])
    for value in chosen:
        if value not in ("linearizable", "stale"):
            raise InvalidRequest(
                f"consistency={value[:40]!r} is unknown; choose linearizable or stale"
            )
    return chosen[-1] == "stale"


def _worth_discarding(head: RequestHead) -> bool:
    return head.content_length.isdigit() and int(head.content_length) <= _DISCARDED_BYTES_MAX


def _log_lost_failure(future: "Future[_Result]") -> None:
    """Nobody waits for this future: say what became of it."""
    if not future.cancelled() and (error := future.exception()) is not None:
        _logger.debug("a request answered with 202 has failed: %s", error)
