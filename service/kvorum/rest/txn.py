"""``/txn`` and ``/batch``: several keys at one revision."""

import msgspec
from litestar.types import HTTPScope, Receive
from msgspec import UNSET, UnsetType

from kvorum.errors import Compacted
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import RangePage
from kvorum.node.service import KvService
from kvorum.node.views import Deleted
from kvorum.node.views import TxnOpResult as OpResult
from kvorum.rest.answer import Answer
from kvorum.rest.exchange import Desk, Exchange
from kvorum.rest.fullness import full_detail
from kvorum.rest.options import RestOptions
from kvorum.rest.problems import refusal_of
from kvorum.rest.range_schemas import (
    BatchAnswer,
    TxnAnswer,
    TxnDeleted,
    TxnOpResult,
    TxnPut,
    TxnRead,
)
from kvorum.rest.txn_requests import TxnRequest, parse_batch, parse_txn, txn_bytes_max
from kvorum.rest.values import key_value

_REFUSALS = (Status.LEASE_NOT_FOUND, Status.FULL, Status.TOO_MANY, Status.EXPIRED)
_DONE = TxnOpResult(put=TxnPut())
_encode = msgspec.json.Encoder().encode


class TxnApi:
    """Answers requests for ``/txn`` and ``/batch``; never raises for what a request can cause."""

    def __init__(self, service: KvService, options: RestOptions, desk: Desk) -> None:
        self._service = service
        self._options = options
        self._desk = desk

    async def txn(self, scope: HTTPScope, receive: Receive) -> Answer:
        return await self._desk.answer(scope, receive, self._txn)

    async def batch(self, scope: HTTPScope, receive: Receive) -> Answer:
        return await self._desk.answer(scope, receive, self._batch)

    async def _txn(self, exchange: Exchange) -> Answer:
        body = await self._desk.json_body(exchange, txn_bytes_max(self._options))
        wanted = parse_txn(body, self._options)
        outcome, results = await self._done(self._desk.begin(exchange), wanted)
        if outcome.status not in (Status.SUCCESS, Status.OTHERWISE):
            return self._refused(exchange, outcome)
        leadership = self._service.leadership()
        answer = TxnAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=outcome.request_id,
            succeeded=outcome.status is Status.SUCCESS,
            revision=outcome.revision,
            results=results,
        )
        return Answer(200, _encode(answer))

    async def _done(
        self, request_id: str, wanted: TxnRequest
    ) -> tuple[Outcome, list[TxnOpResult] | UnsetType]:
        """Without results if they are forgotten: that is no reason to call it a failure."""
        try:
            result = await self._service.txn(
                request_id, wanted.compares, wanted.then, wanted.orelse
            )
        except Compacted:
            outcome = self._service.find_command(request_id)
            if not isinstance(outcome, Outcome):
                raise
            return outcome, UNSET
        return result.outcome, [_shown(op) for op in result.results]

    async def _batch(self, exchange: Exchange) -> Answer:
        body = await self._desk.json_body(exchange, txn_bytes_max(self._options))
        operations = parse_batch(body, self._options)
        outcome = await self._service.write(self._desk.begin(exchange), (), operations)
        if outcome.status is not Status.SUCCESS:
            return self._refused(exchange, outcome)
        leadership = self._service.leadership()
        answer = BatchAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=outcome.request_id,
            revision=outcome.revision,
            changed=outcome.changed,
        )
        return Answer(200, _encode(answer))

    def _refused(self, exchange: Exchange, outcome: Outcome) -> Answer:
        context = self._desk.context(exchange)
        detail = full_detail(outcome, self._service.store_info())
        return refusal_of(outcome, context, detail=detail, possible=_REFUSALS)


def _shown(result: OpResult) -> TxnOpResult:
    match result:
        case RangePage(items=items, more=more):
            shown = [key_value(key, record) for key, record in items]
            return TxnOpResult(get=TxnRead(items=shown, more=more))
        case Deleted(count):
            return TxnOpResult(delete=TxnDeleted(deleted=count))
    return _DONE
