"""``/txn`` and ``/batch``: several keys at one revision."""

from collections.abc import Sequence

from litestar.types import HTTPScope, Receive

from kvorum.errors import Compacted
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.service import KvService
from kvorum.node.views import TxnOpResult
from kvorum.rest.answer import Answer
from kvorum.rest.exchange import Desk, Exchange
from kvorum.rest.options import RestOptions
from kvorum.rest.txn_answers import CARRIED_OUT, batch_answer, refused_answer, txn_answer
from kvorum.rest.txn_requests import TxnRequest, parse_batch, parse_txn, txn_bytes_max


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
        if outcome.status not in CARRIED_OUT:
            return self._refused(outcome, exchange)
        return txn_answer(outcome, results, self._service.leadership())

    async def _done(
        self, request_id: str, wanted: TxnRequest
    ) -> tuple[Outcome, Sequence[TxnOpResult] | None]:
        """Without results if they are forgotten."""
        try:
            result = await self._service.txn(
                request_id, wanted.compares, wanted.then, wanted.orelse
            )
        except Compacted:
            outcome = self._service.find_command(request_id)
            if not isinstance(outcome, Outcome):
                raise
            return outcome, None
        return result.outcome, result.results

    async def _batch(self, exchange: Exchange) -> Answer:
        body = await self._desk.json_body(exchange, txn_bytes_max(self._options))
        operations = parse_batch(body, self._options)
        outcome = await self._service.write(self._desk.begin(exchange), (), operations)
        if outcome.status is not Status.SUCCESS:
            return self._refused(outcome, exchange)
        return batch_answer(outcome, self._service.leadership())

    def _refused(self, outcome: Outcome, exchange: Exchange) -> Answer:
        return refused_answer(outcome, self._service.store_info(), self._desk.context(exchange))
