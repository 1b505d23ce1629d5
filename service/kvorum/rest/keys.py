"""``/key/{key}``: from a request to a call of the service, and from its result to an answer.

The one implementation of these routes. ``hot`` calls it for every request it gets
from the server, ``controllers.keys`` from within Litestar. A plain request, without query
and conditions, takes the short way; what others ask for is in ``key_wishes``.
"""

import logging
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from litestar.types import HTTPScope, Receive
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from kvorum.errors import Compacted
from kvorum.mvcc.command import Compare, DeleteOp, Field, PutOp, Relation
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import single_key
from kvorum.mvcc.record import Record
from kvorum.node.service import KvService
from kvorum.node.views import ReadResult
from kvorum.rest.answer import JSON_TYPE, Answer
from kvorum.rest.body import body_bytes_max, parse_swap
from kvorum.rest.exchange import Desk, Exchange
from kvorum.rest.faults import MethodNotAllowed
from kvorum.rest.fullness import full_detail
from kvorum.rest.headers import is_raw, prefers_async, prefers_raw, read_head
from kvorum.rest.key_answers import (
    accepted_answer,
    mismatch_answer,
    missing_answer,
    raw_answer,
    read_answer,
    unchanged_answer,
    unmet_answer,
    unread_answer,
    write_answer,
)
from kvorum.rest.key_wishes import (
    NO_READ_WISHES,
    NO_WRITE_WISHES,
    WriteWishes,
    read_wishes,
    write_wishes,
)
from kvorum.rest.locations import parse_key
from kvorum.rest.new_value import NewValue, parse_put, raw_value
from kvorum.rest.options import RestOptions
from kvorum.rest.preconditions import failed, is_known, required_revision
from kvorum.rest.problems import refusal_of
from kvorum.rest.schemas import KeyValue
from kvorum.rest.values import key_value

ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_BASE64_GROWTH = 4 / 3

_Result = TypeVar("_Result", Outcome, ReadResult)

_logger = logging.getLogger(__name__)


class KeyApi:
    """Answers requests for ``/key/{key}``; never raises for what a request can cause."""

    def __init__(self, service: KvService, options: RestOptions) -> None:
        self._service = service
        self._options = options
        self._put_bytes_max = body_bytes_max(1, int(options.value_bytes_max * _BASE64_GROWTH) + 4)
        self._swap_bytes_max = body_bytes_max(2, options.value_bytes_max)
        self.desk = Desk(service, options)
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
        except Exception as error:  # noqa: BLE001 - every one becomes an answer
            return self.desk.failed(error, exchange)

    # --- reads -------------------------------------------------------------------------

    async def _get(self, exchange: Exchange) -> Answer:
        query = exchange.scope["query_string"]
        wishes = read_wishes(query) if query else NO_READ_WISHES
        request_id = self.desk.begin(exchange)
        if wishes.revision:  # not kept: a preference for respond-async has no use
            result = await self._service.read_at(
                request_id, exchange.key, wishes.revision, stale=wishes.stale
            )
        elif wishes.stale:  # answered from memory: nor has it here
            result = self._service.get_stale(request_id, exchange.key)
        else:
            future = self._service.get(request_id, exchange.key)
            if exchange.head.preferences and prefers_async(exchange.head.preferences):
                return self._accepted(exchange, future)
            result = await future
        return self._shown(exchange, result)

    def _shown(self, exchange: Exchange, result: ReadResult) -> Answer:
        record, head = result.record, exchange.head
        if record is None:
            return unread_answer(result, self.desk.context(exchange))
        if head.if_none_match and is_known(head.if_none_match, record.mod_revision):
            return unchanged_answer(record)
        if head.accept and prefers_raw(head.accept):
            return raw_answer(record, result.revision)
        return read_answer(result, record, self._service.leadership())

    # --- writes ------------------------------------------------------------------------

    async def _put(self, exchange: Exchange) -> Answer:
        head, key = exchange.head, exchange.key
        if (
            head.content_type != JSON_TYPE
            and is_raw(head.content_type)
            and exchange.scope["method"] == "PUT"
        ):
            new = await self._raw_value(exchange)
        else:
            body = await self.desk.json_body(exchange, self._put_bytes_max)
            new = parse_put(body, self._options.value_bytes_max)
        wishes = NO_WRITE_WISHES
        if exchange.scope["query_string"] or head.if_match or head.if_none_match:
            wishes = self._wishes(exchange)
            new = wishes.kept_by(new)
        request_id = self.desk.begin(exchange)
        if wishes.compares:
            op = PutOp(key, new.value, new.lease, new.ttl_ms, new.content_type)
            future = self._service.write(request_id, wishes.compares, (op,))
        else:
            future = self._service.put(
                request_id,
                key,
                new.value,
                lease=new.lease,
                ttl_ms=new.ttl_ms,
                content_type=new.content_type,
            )
        return await self._written(exchange, future, wishes, len(new.value))

    async def _raw_value(self, exchange: Exchange) -> NewValue:
        body = await self.desk.raw_body(exchange)
        return raw_value(body, exchange.head.content_type, self._options.value_bytes_max)

    async def _swap(self, exchange: Exchange) -> Answer:
        body = await self.desk.json_body(exchange, self._swap_bytes_max)
        expected, value = parse_swap(body, self._options.value_bytes_max)
        key, wishes = exchange.key, self._wishes(exchange)
        request_id = self.desk.begin(exchange)
        revision = required_revision(wishes.compares)
        if revision:
            compares = (*wishes.compares, Compare(key, Field.VALUE, Relation.EQUAL, expected))
            future = await self._swap_at(revision, request_id, compares, PutOp(key, value))
        else:
            future = self._service.compare_and_set(request_id, key, expected, value)
        return await self._written(exchange, future, wishes, len(value))

    async def _swap_at(
        self, revision: int, request_id: str, compares: Sequence[Compare], put: PutOp
    ) -> "Future[Outcome]":
        """A swap leaves the key in its lease, and never matches bytes that are not JSON.

        What a key holds since ``revision`` cannot change without another revision, so it can be
        read before.
        """
        read = await self._service.range(request_id, single_key(put.key), limit=1)
        record = read.page.items[0][1] if read.page.items else None
        if record is not None and record.mod_revision == revision:
            put = replace(put, lease=record.lease)
            if record.content_type:
                compares = (*compares, Compare(put.key, Field.VERSION, Relation.LESS, 0))
        return self._service.write(request_id, compares, (put,))

    async def _delete(self, exchange: Exchange) -> Answer:
        key, wishes = exchange.key, self._wishes(exchange)
        request_id = self.desk.begin(exchange)
        if not wishes.compares:
            future = self._service.delete(request_id, key)
        else:
            future = self._service.write(request_id, wishes.compares, (DeleteOp(key),))
        return await self._written(exchange, future, wishes)

    def _wishes(self, exchange: Exchange) -> WriteWishes:
        scope, head = exchange.scope, exchange.head
        if not scope["query_string"] and not head.is_conditional:
            return NO_WRITE_WISHES
        return write_wishes(scope["method"], scope["query_string"], head, exchange.key)

    # --- outcomes ----------------------------------------------------------------------

    async def _written(
        self,
        exchange: Exchange,
        future: "Future[Outcome]",
        wishes: WriteWishes,
        value_bytes: int = 0,
    ) -> Answer:
        if exchange.head.preferences and prefers_async(exchange.head.preferences):
            return self._accepted(exchange, future)
        outcome = await future
        if outcome.status is not Status.SUCCESS:
            return self._refused(exchange, outcome, wishes, value_bytes)
        if wishes.compares and not outcome.changed:  # a deletion that met nothing
            return missing_answer(outcome, exchange.key, self.desk.context(exchange))
        previous = self._previous(outcome, exchange.key) if wishes.previous else UNSET
        return write_answer(outcome, self._service.leadership(), previous)

    def _refused(
        self, exchange: Exchange, outcome: Outcome, wishes: WriteWishes, value_bytes: int
    ) -> Answer:
        context = self.desk.context(exchange)
        if outcome.status is Status.KEY_NOT_FOUND and wishes.compares:
            return unmet_answer(outcome, None, context)  # a PATCH with If-Match: *
        if outcome.status is not Status.OTHERWISE:
            detail = full_detail(outcome, self._service.store_info(), value_bytes)
            return refusal_of(outcome, context, detail=detail)
        record = self._record_before(outcome, exchange.key)
        if record is UNSET or failed(wishes.compares, record):
            return unmet_answer(outcome, record, context)
        return mismatch_answer(outcome, context)  # of a PATCH with If-Match: what else is left

    def _previous(self, outcome: Outcome, key: bytes) -> KeyValue | UnsetType | None:
        record = self._record_before(outcome, key)
        return key_value(key, record) if isinstance(record, Record) else record

    def _record_before(self, outcome: Outcome, key: bytes) -> Record | UnsetType | None:
        """UNSET if nobody knows any more: the outcome is that of an earlier attempt."""
        try:
            return self._service.previous(outcome, key)
        except Compacted:
            return UNSET

    def _accepted(self, exchange: Exchange, future: "Future[_Result]") -> Answer:
        if future.done():
            future.result()  # refused at once: better said now
        else:
            future.add_done_callback(_log_lost_failure)
        return accepted_answer(exchange.request_id, self._service.leadership())


async def _refuse_method(exchange: Exchange) -> Answer:
    raise MethodNotAllowed(exchange.scope["method"], ALLOWED)


async def _options(_: Exchange) -> Answer:
    return Answer(204, b"", headers=((b"allow", ALLOWED.encode("ascii")),))


def _log_lost_failure(future: "Future[_Result]") -> None:
    """Nobody waits for this future: say what became of it."""
    if not future.cancelled() and (error := future.exception()) is not None:
        _logger.debug("a request answered with 202 has failed: %s", error)
